"""What a conversion takes, in bytes, from shapes alone (RUN-3): known before any image is looked at."""

from __future__ import annotations

from fsref.conversion.calibration import SAMPLE
from fsref.conversion.folded import Folded, Term, Unit
from fsref.graph.memory import Numbers, convolving, pooling, sweep
from fsref.graph.operators import size_of
from fsref.law.populations import Shape

OBJECTS = 2**13  # bytes of the objects around the arrays of one population


def shapes_of(folded: Folded) -> dict[str, Shape]:
    """The shape of every population by name, "input" among them."""
    return {"input": folded.pixels.shape, **{unit.name: unit.shape for unit in folded.units}}


def delivering(term: Term, source: Shape, shape: Shape) -> Numbers:
    """What a term holds beside what it delivers: its weights in another type, and what a convolution holds."""
    weights = term.weights.size
    if term.weights.ndim == 2:
        return Numbers(source[0], weights)
    found = convolving(source, term.weights.shape, shape, term.padding, term.groups)
    return Numbers(found.each, found.once + weights)


def valuing(unit: Unit, shapes: dict[str, Shape]) -> Numbers:
    """What a population holds beside its value: what stands before the activation, and three arrays of its size while
    terms, bias and activation are taken.
    """
    n = size_of(unit.shape)
    if unit.pool is not None:
        return Numbers(n + pooling(shapes[unit.pool.source], unit.shape, unit.pool.padding))
    if unit.view is not None:
        return Numbers(n + shapes[unit.view.source][0] * unit.shape[1] * shapes[unit.view.source][2])
    found = [delivering(term, shapes[term.source], unit.shape) for term in unit.terms]
    each, once = max(f.each for f in found), max(f.once for f in found)
    coded = unit.activation is not None and unit.activation.levels is not None
    return Numbers(n + 3 * n + max(each, 3 * n if coded else 0), once)


def walking(folded: Folded) -> Numbers:
    """The numbers of 32 bits held while images walk through the populations."""
    shapes = shapes_of(folded)
    steps = [(unit.name, unit.sources, size_of(unit.shape), valuing(unit, shapes)) for unit in folded.units]
    return sweep(steps, size_of(folded.pixels.shape))


def observing_bytes(folded: Folded, images: int, batch: int) -> int:
    """A bound on the bytes in which so many calibration images are observed: values of a batch, the codes of it as real
    numbers; samples, means and logits of all.
    """
    found, shapes, at_once = walking(folded), shapes_of(folded), min(images, batch)
    sizes = [size_of(shape) for shape in shapes.values()]
    coded = 3 * 8 * at_once * size_of(folded.pixels.shape)
    walked = 4 * (at_once * found.each + found.once) + 8 * 3 * max(sizes)
    # Values and which are to be drawn of every population, and one of them joined.
    sampled = sum((4 + 8) * min(SAMPLE, images * size) for size in sizes) + 24 * min(SAMPLE, images * max(sizes))
    channels = sum(2 * 8 * shape[0] for shape in shapes.values()) * -(-images // batch)
    logits = 8 * images * folded.units[-1].shape[0]
    return max(coded, walked) + sampled + 8 * sum(sizes) + channels + logits + OBJECTS * len(shapes)


def quantising_bytes(folded: Folded, images: int, empirical: bool, batch: int) -> int:
    """A bound on the bytes in which populations become integers: weights of one population, real and rounded; weights
    and biases of all; what offsets deliver; with `empirical` also the codes of all images and the membranes of a batch.
    """
    shapes, kept, most = shapes_of(folded), 0, 8 * 16 * SAMPLE
    for unit in folded.units:
        n, weights = size_of(unit.shape), [term.weights.size for term in unit.terms]
        largest = max(weights, default=0)
        found = [delivering(term, shapes[term.source], unit.shape) for term in unit.terms]
        reads = max(size_of(shapes[source]) for source in unit.sources)
        times = 1 + (min(batch, images) if empirical else 0)
        pooled = 0 if unit.pool is None else pooling(shapes[unit.pool.source], unit.shape, unit.pool.padding)
        if unit.view is not None:  # rows taken, before columns are
            pooled = unit.shape[0] * unit.shape[1] * shapes[unit.view.source][2]
        delivered = max((f.once for f in found), default=0)
        delivered += times * (max((f.each for f in found), default=pooled) + 4 * n + 2 * reads)
        most = max(most, 8 * (2 * sum(weights) + 12 * largest + 6 * n + delivered))
        kept += 2 * sum(weights) + 8 * n
    sizes = [size_of(shape) for shape in shapes.values()]
    coded = 2 * images * (sum(sizes) + max(sizes)) if empirical else 0  # codes of all, and one population's joined
    return kept + most + coded + OBJECTS * len(shapes)
