"""What a conversion takes, in bytes, from shapes alone (RUN-3): known before any image is looked at."""

from __future__ import annotations

from fsref.conversion.calibration import SAMPLE
from fsref.conversion.columns import KEPT, PLACES, WIDEST, width
from fsref.conversion.columns import SAMPLE as SCALED
from fsref.conversion.curves import CHUNK, Curve
from fsref.conversion.exact import strips
from fsref.conversion.folded import Folded, Term, Unit
from fsref.graph.memory import Numbers, convolving, pooling, sweep
from fsref.graph.operators import size_of
from fsref.law.populations import Shape

OBJECTS = 2**13  # bytes of the objects around the arrays of one population


def shapes_of(folded: Folded) -> dict[str, Shape]:
    """The shape of every population by name, "input" among them."""
    return {"input": folded.pixels.shape, **{unit.name: unit.shape for unit in folded.units}}


def delivering(term: Term, source: Shape, shape: Shape) -> Numbers:
    """What a term holds beside what it delivers: its weights in another type, and what a convolution holds; of a dense
    layer what it reads, and a strip of its weights, while they are cut.
    """
    weights = term.weights.size
    if term.weights.ndim == 2:
        return Numbers(4 * size_of(source), max(weights, 8 * term.weights[next(strips(term.weights))].size))
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
    each, once = max((f.each for f in found), default=n), max((f.once for f in found), default=0)
    coded = unit.activation is not None and unit.activation.levels is not None
    once += 24 * CHUNK if isinstance(unit.activation, Curve) else 0  # of 64 bits: what a function makes on its way
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
        # What is made of the weights of a term on the way: of a dense layer's, the most are cut strip by strip.
        largest = max(((4 if term.weights.ndim == 2 else 12) * term.weights.size for term in unit.terms), default=0)
        found = [delivering(term, shapes[term.source], unit.shape) for term in unit.terms]
        reads = max(size_of(shapes[source]) for source in unit.sources)
        times = 1 + (min(batch, images) if empirical else 0)
        pooled = 0 if unit.pool is None else pooling(shapes[unit.pool.source], unit.shape, unit.pool.padding)
        if unit.view is not None:  # rows taken, before columns are
            pooled = unit.shape[0] * unit.shape[1] * shapes[unit.view.source][2]
        delivered = max((f.once for f in found), default=0)
        delivered += times * (max((f.each for f in found), default=pooled) + 4 * n + 2 * reads)
        most = max(most, 8 * (2 * sum(weights) + largest + 6 * n + delivered))
        kept += 2 * sum(weights) + 8 * n
    sizes = [size_of(shape) for shape in shapes.values()]
    wide = 4 if any(isinstance(unit.activation, Curve) for unit in folded.units) else 2  # bytes of a code
    coded = wide * images * (sum(sizes) + max(sizes)) if empirical else 0  # codes of all, and one population's joined
    return kept + most + coded + OBJECTS * len(shapes)


def refitting_bytes(folded: Folded, images: int, batch: int) -> int:
    """A bound on the bytes in which units are fitted, beside those in which they become integers (CONV-13): float
    values of all images on their way, what the places of a unit read and want, the sums of its regression.
    """
    found, shapes, most = walking(folded), shapes_of(folded), 0
    for unit in folded.units:
        wide = width(unit.terms)
        if not unit.terms or wide > WIDEST:  # a max-pool, a view: nothing to fit
            continue
        channels, plain = unit.shape[0], {term.groups for term in unit.terms if not term.skip}
        groups, skips = plain.pop() if len(plain) == 1 else 1, sum(term.skip for term in unit.terms)
        each = min(-(-PLACES // images), unit.shape[1] * unit.shape[2])
        places, at_once, one = each * images, each * min(images, batch), groups * wide + channels * skips
        kept = 4 * (places if places * one <= KEPT else at_once) * (one + 2 * channels)
        read = 4 * at_once * (2 * one + 12 * channels)
        sent = sum(3 * size_of(shapes[name]) for name in unit.sources) + (1 + skips) * size_of(unit.shape)
        delivered = [delivering(term, shapes[term.source], unit.shape) for term in unit.terms]
        sent = 4 * (min(images, batch) * (sent + max(d.each for d in delivered)) + max(d.once for d in delivered))
        sums = 8 * (4 * (groups + 1) * wide**2 + channels * wide * (10 + 4 * skips) + 4 * channels * (skips + 2) ** 2)
        chosen = 4 * places * channels * 6 + 8 * 8 * min(places, SCALED) * channels
        most = max(most, kept + read + sent + sums + chosen)
    return 4 * (images * found.each + found.once) + most + OBJECTS * len(shapes)
