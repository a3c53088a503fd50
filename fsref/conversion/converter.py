"""convert: a float graph and calibration images become an FS network (CONV-1 to CONV-9)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from inspect import signature
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.conversion.activation import LINEAR
from fsref.conversion.calibration import Statistics, choose_coding, observe
from fsref.conversion.folded import Folded, Unit, linear
from fsref.conversion.folding import fold
from fsref.conversion.memory import observing_bytes, quantising_bytes
from fsref.conversion.quantisation import (
    REACH,
    Quantised,
    Source,
    choose_theta,
    in_code_units,
    largest,
    quantise,
    reach,
    slack,
)
from fsref.errors import GraphError, InputError, UsageError, nearest, public
from fsref.graph.arithmetic import max_pool
from fsref.graph.graph import Graph
from fsref.law.network import Network
from fsref.law.neuron import MAX_STEPS, Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape
from fsref.law.projections import Conv2d, Dense, Projection
from fsref.simulation.memory import check_memory, fitting
from fsref.tables import Brief

BATCH_VALUES = 2**24  # float values of all populations in one batch of calibration images
PERCENTILE = 99.9  # unless told
BATCH = 16  # images simulated at a time for bias correction

CHOICES: dict[str, tuple[Any, ...]] = {
    "alpha": ("max", "percentile", "mse"),
    "rounding": ("nearest", "floor"),
    "power_of_two": (False, True),
    "bias_correction": ("none", "analytic", "empirical"),
}


@dataclass(frozen=True)
class Options:
    """How a graph is converted; the defaults are those of `convert`."""

    steps: int | Mapping[str, int] = 8
    weight_bits: int = 8
    alpha: Literal["max", "percentile", "mse"] = "mse"
    percentile: float = PERCENTILE
    rounding: Literal["nearest", "floor"] = "nearest"
    power_of_two: bool = False
    bias_correction: Literal["none", "analytic", "empirical"] = "none"

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if not isinstance(value, type(allowed[0])) or value not in allowed:
                raise GraphError("CONV-9", name, "unknown choice", value, ", ".join(map(str, allowed)))
        steps = {
            f"steps of {key}" if key else "steps": k
            for key, k in (self.steps if isinstance(self.steps, Mapping) else {"": self.steps}).items()
        }
        for name, value, high in [
            *((name, value, MAX_STEPS) for name, value in steps.items()),
            ("weight_bits", self.weight_bits, 16),
        ]:
            low = 2 if name == "weight_bits" else 1
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
                raise GraphError("CONV-9", name, "integer out of range", value, f"{low}..{high}")
        if self.alpha != "percentile" and self.percentile != PERCENTILE:
            raise GraphError("CONV-9", "percentile", "goes with another alpha", self.alpha, 'alpha="percentile"')
        if not 50 < self.percentile <= 100:
            raise GraphError("CONV-9", "percentile", "out of range", self.percentile, "above 50, at most 100")

    @classmethod
    def of(cls, function: Callable[..., Any], given: Mapping[str, Any]) -> Options:
        """The options that a function was given by keyword. Errors: GraphError, UsageError for an unknown one, naming
        the nearest of them and of the function's own.
        """
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in given if name not in known]:
            others = [name for name in signature(function).parameters if name != "options"]
            limit = nearest(unknown[0], [*known, *others])
            raise UsageError("CONV-9", function.__name__, "unknown option", unknown[0], limit)
        return cls(**given)

    def check_names(self, folded: Folded) -> None:
        """Nothing, when every population that `steps` names takes its steps from there. Errors: GraphError."""
        known = set(folded.free)
        if isinstance(self.steps, Mapping) and (unknown := sorted(set(self.steps) - known - {""})):
            raise GraphError(
                "CONV-9",
                "steps",
                "no population of this name takes its steps from here",
                unknown[0],
                f"one of {', '.join(sorted(known))}",
            )

    def steps_of(self, name: str) -> int:
        """K of a population."""
        return int(self.steps.get(name, self.steps.get("", 8)) if isinstance(self.steps, Mapping) else self.steps)


def check_count(image_count: int) -> None:
    """Nothing, when this is a number of images. Errors: InputError."""
    if not isinstance(image_count, int | np.integer) or image_count < 1:
        raise InputError("CONV-8", "image_count", "not a number of images", image_count, "1 or more")


def digest(images: NDArray[np.integer]) -> str:
    """SHA-256 of images (B, C, H, W) as little-endian 64-bit integers, in hex."""
    found = hashlib.sha256()
    for image in images:
        found.update(image.astype("<i8").tobytes())
    return found.hexdigest()


@public
def convert(
    graph: Graph,
    calibrate: ArrayLike | None = None,
    *,
    image_count: int = 512,
    progress: Callable[[int], None] | None = None,
    memory_limit: int = 2**33,
    **options: Any,
) -> Network:
    """The FS network of a float graph: batch norm folded, alphas calibrated on the first `image_count` of `calibrate`
    (B, C, H, W), requantisation exact.

    Options (CONV-9): steps K = 8, or by population ({"": 8, "layer1.0.conv1": 6}); weight_bits 8 (2..16); alpha "mse",
    "max" or "percentile" (percentile=99.9); rounding "nearest" or "floor"; power_of_two thetas; bias_correction "none",
    "analytic" or "empirical". `calibrate` may be left out when every activation of the graph is a quantising one. Every
    choice and figure is in `provenance`. `memory_limit` is in bytes. Errors: GraphError [GRAPH-5, CONV-1 to CONV-9],
    InputError for the images, RangeError, and LimitError [RUN-3] before any image is looked at.
    """
    chosen = Options.of(convert, options)
    return Calibrated.of(graph, calibrate, image_count, progress, memory_limit).convert(chosen, memory_limit)


@dataclass(frozen=True, eq=False, repr=False)
class Calibrated(Brief):
    """A folded graph and what calibration images told of it: what `convert` and `search` start from."""

    folded: Folded
    images: NDArray[np.integer]
    seen: Mapping[str, Statistics]
    logits: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        graph: Graph | Folded,
        calibrate: ArrayLike | None,
        image_count: int = 512,
        progress: Callable[[int], None] | None = None,
        memory_limit: int = 2**33,
    ) -> Calibrated:
        """The graph folded, if it is not yet, and seen on its calibration images: fewer at once where the limit would
        be passed (RUN-3). Errors: GraphError, InputError, LimitError.
        """
        folded = graph if isinstance(graph, Folded) else fold(graph, memory_limit)
        if calibrate is None:
            if needs := folded.free:
                others = f"{', '.join(needs[:3])} and others do not"
                limit = f"give some, or activations that carry their own scale (quantise); {others}"
                raise GraphError("CONV-8", "calibration", "there are no images", None, limit)
            return cls(folded, np.empty((0, *folded.pixels.shape), np.uint8), {}, np.empty((0, 0), np.float32))
        check_count(image_count)
        x = folded.pixels.check(calibrate)[:image_count]
        values = sum(int(np.prod(unit.shape)) for unit in folded.units)
        batch = max(1, min(64, BATCH_VALUES // values))
        at_once = fitting(batch, lambda n: observing_bytes(folded, len(x), n), memory_limit)
        check_memory(observing_bytes(folded, len(x), at_once), memory_limit, "convert")
        return cls(folded, x, *observe(folded, x, batch, at_once, progress))

    def convert(self, options: Options, memory_limit: int = 2**33) -> Network:
        """The FS network under these options. Errors: GraphError, LimitError."""
        empirical = options.bias_correction == "empirical"
        bound = quantising_bytes(self.folded, len(self.images), empirical, BATCH)
        check_memory(bound, memory_limit, "convert")
        made = _Builder(self, options)
        for unit in self.folded.units:
            made.add(unit)
            made.forget(unit)
        return made.network()


class _Builder:
    """The network as far as it is made."""

    def __init__(self, calibrated: Calibrated, options: Options) -> None:
        self.calibrated, self.options, pixels = calibrated, options, calibrated.folded.pixels
        options.check_names(calibrated.folded)
        shape = pixels.shape
        self.sources = {
            "input": self.source(
                "input",
                shape,
                pixels.scale / np.array(pixels.std),
                np.array(pixels.mean) / pixels.scale,
                pixels.max_code,
            )
        }
        self.populations: list[Population] = [
            Input("input", shape, int(pixels.max_code).bit_length(), pixels.max_code, pixels.scale)
        ]
        self.projections: list[Projection] = []
        self.record: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, NDArray[np.integer]] = {}
        self.logit_scale = 1.0
        self.analytic, self.empirical = (options.bias_correction == kind for kind in ("analytic", "empirical"))
        if options.bias_correction != "none" and not len(calibrated.images):
            raise GraphError("CONV-9", "bias_correction", "there are no calibration images")
        if self.empirical:
            self.codes["input"] = calibrated.images

    def source(self, name: str, shape: Shape, scale: NDArray[Any], offset: NDArray[Any], top: int) -> Source:
        """A population as others read it: what its codes stand for, and how large they are."""
        seen = self.calibrated.seen.get(name)
        full = np.broadcast_to(scale, shape[0]).astype(np.float64)
        power = np.ones(shape[0]) if seen is None else seen.power / np.square(full)
        mean = None if seen is None else seen.mean / full[:, None, None]
        return Source(shape, full, np.broadcast_to(offset, shape[0]).astype(np.float64), top, power, mean)

    def add(self, unit: Unit) -> None:
        """Make the population of a unit and the projections into it."""
        if unit.pool is not None:
            pool = unit.pool
            self.populations.append(MaxPool(unit.name, unit.shape, pool.source, pool.kernel, pool.stride, pool.padding))
            source = self.sources[pool.source]
            self.sources[unit.name] = self.source(unit.name, unit.shape, source.scale, source.offset, source.top)
            if self.empirical:
                codes = self.codes[pool.source]
                few = (codes[first : first + BATCH] for first in range(0, len(codes), BATCH))
                # Of at most 16 bits: exact in 32.
                made = (max_pool(part.astype(np.float32), pool.kernel, pool.stride, pool.padding) for part in few)
                self.codes[unit.name] = np.concatenate([part.astype(np.uint16) for part in made])
            return
        sources = [self.sources[term.source] for term in unit.terms]
        per_code = [in_code_units(term, source) for term, source in zip(unit.terms, sources, strict=True)]
        if unit.activation is None:
            self.add_readout(unit, per_code, sources)
        else:
            self.add_fs(unit, per_code, sources)

    def add_fs(self, unit: Unit, per_code: list[Any], sources: list[Source]) -> None:
        """Make an FS population: scale, theta, integers (CONV-2 to CONV-6)."""
        how, options, seen = unit.activation or LINEAR, self.options, self.calibrated.seen.get(unit.name)
        steps, nearest = options.steps_of(unit.name), options.rounding == "nearest"
        coding = choose_coding(how, seen, steps, nearest, options.alpha, options.percentile)
        scale, offset, shape = coding.scale, coding.offset, unit.shape
        theta = choose_theta(unit, per_code, sources, coding, options.weight_bits, options.power_of_two)
        shift = coding.shift(theta)
        made = quantise(unit, per_code, sources, theta, scale / theta, shift, self.analytic)
        if self.empirical:
            made = self.corrected(unit, made, shift)
            self.codes[unit.name] = np.concatenate([coding.fired(v, theta) for v in self.membranes(unit, made)])
        self.populations.append(FS(unit.name, shape, coding.table(theta), made.bias, scale=scale, offset=offset))
        self.join(unit, made)
        self.sources[unit.name] = self.source(unit.name, shape, np.array(scale), np.array(offset), coding.largest)
        plain = [int(np.abs(w).max()) for w, term in zip(made.weights, unit.terms, strict=True) if not term.skip]
        self.record[unit.name] = {
            "steps": coding.steps,
            "rounding": coding.rounding,
            "alpha": scale * 2**coding.steps,
            "scale": scale,
            "offset": offset,
            "theta": [int(theta.min()), int(theta.max())],
            "weight_bits": max(plain, default=0).bit_length() + 1,
        }

    def add_readout(self, unit: Unit, per_code: list[Any], sources: list[Source]) -> None:
        """Make the readout: one membrane unit for all its channels (NET-8)."""
        channels = unit.shape[0]
        q_max = {False: 2 ** (self.options.weight_bits - 1) - 1, True: 2**15 - 1}
        units = [
            largest([w for w, t in zip(per_code, unit.terms, strict=True) if t.skip == skip], channels).max()
            / q_max[skip]
            for skip in q_max
        ]
        unit_of = max(*units, reach(unit, per_code, sources).max() / (REACH - slack(unit, sources))) or 1.0
        membrane_unit, zeros = np.full(channels, unit_of), np.zeros(channels, np.int64)
        made = quantise(unit, per_code, sources, zeros, membrane_unit, zeros, self.analytic)
        if self.empirical:
            made = self.corrected(unit, made, zeros)
        self.populations.append(Readout(unit.name, unit.shape, made.bias))
        self.join(unit, made)
        self.logit_scale = unit_of

    def membranes(self, unit: Unit, made: Quantised) -> Iterator[Ints]:
        """The membranes (b, C, H, W) of a unit for all calibration images, a few at a time."""
        bias = made.bias if made.bias.ndim == 3 else made.bias[:, None, None]
        for first in range(0, len(self.calibrated.images), BATCH):
            part = slice(first, first + BATCH)
            sums = [
                linear(term, self.codes[term.source][part].astype(np.float64), weights.astype(np.float64))
                for term, weights in zip(unit.terms, made.weights, strict=True)
            ]
            # Exact: REACH is far below 2^53.
            yield sum(sums).astype(np.int64) + bias  # type: ignore[union-attr]

    def corrected(self, unit: Unit, made: Quantised, shift: Ints) -> Quantised:
        """The integers with biases moved so that each channel's mean membrane is the float one (CONV-5)."""
        means = [v.mean(axis=(2, 3)) for v in self.membranes(unit, made)]
        ahead = np.concatenate(means).mean(axis=0) - shift - self.calibrated.seen[unit.name].before / made.membrane_unit
        less = np.rint(ahead).astype(np.int64)
        return replace(made, bias=made.bias - (less[:, None, None] if made.bias.ndim == 3 else less))

    def forget(self, unit: Unit) -> None:
        """Free the codes that no later unit reads."""
        for name in self.calibrated.folded.last_read.get(unit.name, ()):
            self.codes.pop(name, None)

    def join(self, unit: Unit, made: Quantised) -> None:
        """Add the projections into a unit."""
        for term, weights in zip(unit.terms, made.weights, strict=True):
            if weights.ndim == 2:
                self.projections.append(Dense(term.source, unit.name, weights, term.pooled))
            else:
                self.projections.append(
                    Conv2d(term.source, unit.name, weights, term.stride, term.padding, term.dilation, term.groups)
                )

    def network(self) -> Network:
        """The network, with what was chosen and found in its provenance."""
        done, graph = self.calibrated, self.calibrated.folded.graph
        options = {
            name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(self.options).items()
        }
        provenance = {
            "made_by": "fsref.convert",
            "graph": {"name": graph.name, "notes": list(graph.notes)},
            "options": options,
            "calibration": {
                "images": len(done.images),
                "sha256": digest(done.images),
            },
            "populations": self.record,
        }
        pixels = done.folded.pixels  # images come as L or RGB (CONV-7); other channels have no contract in a file
        contract = pixels if pixels.order else None
        return Network(
            self.populations, self.projections, graph.name, float(self.logit_scale), graph.classes, contract, provenance
        )
