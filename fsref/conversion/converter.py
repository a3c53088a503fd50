"""convert: a float graph and calibration images become an FS network (CONV-1 to CONV-9)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.activations.coding import Coding, Reals, one_or_all
from fsref.conversion.activation import Activation
from fsref.conversion.borders import without_map
from fsref.conversion.calibration import Statistics, choose_coding, observe
from fsref.conversion.curves import Curve
from fsref.conversion.equalising import equalised
from fsref.conversion.fits import Fits, Stairs
from fsref.conversion.folded import Folded, Unit
from fsref.conversion.folding import fold
from fsref.conversion.memory import observing_bytes, quantising_bytes, refitting_bytes
from fsref.conversion.options import Options
from fsref.conversion.quantisation import (
    REACH,
    Quantised,
    choose_theta,
    in_code_units,
    largest,
    largest_weight,
    projections,
    quantise,
    reach,
    slack,
    too_narrow,
)
from fsref.conversion.refit import Refit
from fsref.conversion.room import Room, shrinking
from fsref.conversion.sent import BATCH, Sent
from fsref.conversion.sources import Factors, Source
from fsref.conversion.trained import Kept, as_trained, told, unkept
from fsref.errors import GraphError, InputError, public
from fsref.graph.arithmetic import viewed
from fsref.graph.graph import Graph
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Projection
from fsref.limits.misfits import Fit
from fsref.simulation.memory import check_memory, fitting
from fsref.tables import Brief, plural

BATCH_VALUES = 2**24  # float values of all populations in one batch of calibration images


def check_count(image_count: int) -> None:
    """Nothing, when this is a number of images. Errors: InputError."""
    if not isinstance(image_count, int | np.integer) or image_count < 1:
        raise InputError("CONV-8", "image_count", "not a number of images", image_count, "1 or more")


def batches(folded: Folded, images: int, memory_limit: int) -> tuple[int, int]:
    """How many calibration images make a batch, and how many of it are looked at together: fewer where the limit would
    be passed (RUN-3). Errors: LimitError.
    """
    values = sum(int(np.prod(unit.shape)) for unit in folded.units)
    batch = max(1, min(64, BATCH_VALUES // values))
    at_once = fitting(batch, lambda n: observing_bytes(folded, images, n), memory_limit)
    check_memory(observing_bytes(folded, images, at_once), memory_limit, "convert")
    return batch, at_once


def check_quantising(folded: Folded, images: int, options: Options, memory_limit: int) -> None:
    """Nothing, when populations that were seen on so many images can become integers within the limit (RUN-3). Errors:
    LimitError.
    """
    bound = quantising_bytes(folded, images, options.bias_correction == "empirical", BATCH)
    bound += refitting_bytes(folded, images, BATCH) if options.refit else 0
    check_memory(bound, memory_limit, "convert")


def check_conversion(folded: Folded, images: int, options: Options, memory_limit: int) -> None:
    """Nothing, when a conversion that calibrates on so many images stays within the limit, from shapes alone (RUN-3).
    Errors: LimitError.
    """
    batches(folded, images, memory_limit)
    check_quantising(folded, images, options, memory_limit)


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
    (B, C, H, W), requantisation exact; for a `chip`, the keys or the JSON file of its limits, one that fits (CHIP-3).

    Options (CONV-9): steps K = 8, or by population ({"": 8, "layer1.0.conv1": 6}); weight_bits 8 (2..16); alpha "mse",
    "max" or "percentile" (percentile=99.9); rounding "nearest" or "floor"; power_of_two thetas; bias_correction "none",
    "analytic" or "empirical"; chip. `calibrate` may be left out when every activation of the graph is a quantising one.
    Every choice and figure is in `provenance`. `progress` is called with the images just seen. `memory_limit` is in
    bytes. Errors: GraphError [GRAPH-5, CONV-1 to CONV-9, CHIP-3], InputError for the images, RangeError, and LimitError
    [RUN-3] before any image is looked at.
    """
    chosen = Options.of(convert, options)
    net = Calibrated.of(graph, calibrate, image_count, progress, memory_limit).convert(chosen, memory_limit)
    if chosen.chip is not None and (found := Fit.of(net, chosen.chip).misfits):
        problem = f"does not fit {chosen.chip.told}, {plural(len(found), 'misfit')}"
        raise GraphError("CHIP-3", net.name or "network", problem, None, "; ".join(map(str, found)))
    return net


@dataclass(frozen=True, eq=False, repr=False)
class Calibrated(Brief):
    """A folded graph and what calibration images told of it: what `convert` and `search` start from."""

    folded: Folded
    images: NDArray[np.integer]
    seen: Mapping[str, Statistics]
    logits: NDArray[np.float32]
    fitted: dict[float | None, Fits] = field(default_factory=dict)  # by percentile: made when they are asked for

    def fits(self, options: Options) -> Fits:
        """The tables of populations that follow a curve, kept from one conversion to the next."""
        key = options.percentile if options.alpha == "percentile" else None
        return self.fitted.setdefault(key, Fits(self.folded, self.seen, key))

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
        batch, at_once = batches(folded, len(x), memory_limit)
        return cls(folded, x, *observe(folded, x, batch, at_once, progress))

    def convert(self, options: Options, memory_limit: int = 2**33) -> Network:
        """The FS network under these options. Errors: GraphError, LimitError."""
        check_quantising(self.folded, len(self.images), options, memory_limit)
        made = _Builder(self, options)
        for unit in self.folded.units:
            made.add(unit)
            if made.sent is not None:
                made.sent.forget(self.folded.last_read.get(unit.name, ()))
        return made.network()


class _Builder:
    """The network as far as it is made."""

    def __init__(self, calibrated: Calibrated, options: Options) -> None:
        self.calibrated, self.options, pixels = calibrated, options, calibrated.folded.pixels
        options.check_graph(calibrated.folded)
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
        self.populations: list[Population] = []
        self.projections: list[Projection] = []
        self.room = None if options.chip is None else Room(options.chip, options)
        self.record: dict[str, dict[str, Any]] = {}
        self.trained: dict[str, dict[str, Any]] = {}
        self.join(Input("input", shape, int(pixels.max_code).bit_length(), pixels.max_code, pixels.scale))
        self.logit_scale = 1.0  # of the last readout
        self.repeating = {p.shown: p.source for u in calibrated.folded.units if (p := u.product) is not None}
        self.analytic = options.bias_correction == "analytic"
        if options.bias_correction != "none" and not len(calibrated.images):
            raise GraphError("CONV-9", "bias_correction", "there are no calibration images")
        self.sent = Sent(calibrated.images, self.sources) if options.bias_correction == "empirical" else None
        self.refit = Refit(calibrated.folded, calibrated.images, BATCH) if options.refit else None

    def source(self, name: str, shape: Shape, scale: NDArray[Any], offset: NDArray[Any], top: int) -> Source:
        """A population as others read it: what its codes stand for, and how large they are."""
        seen = self.calibrated.seen.get(name)
        full = np.broadcast_to(scale, shape[0]).astype(np.float64)
        power = np.ones(shape[0]) if seen is None else seen.power / np.square(full)
        mean = None if seen is None else seen.mean / full[:, None, None]
        return Source(shape, full, np.broadcast_to(offset, shape[0]).astype(np.float64), top, power, mean)

    def add(self, unit: Unit) -> None:
        """Make the population of a unit and the projections into it."""
        wanted = [] if self.refit is None else self.refit.wanted()
        if self.sent is not None:
            self.sent.relay(unit)
        if (view := unit.view) is not None:
            if not (of := self.repeating.get(unit.name)) or self.sources[of].offset.any():  # else nothing reads it
                self.join(View(unit.name, unit.shape, view.source, view.rows, view.columns))
            below = self.sources[view.source]
            there = (
                view.there if below.there is None else viewed(below.there[None, None], view.rows, view.columns)[0, 0]
            )
            seen = self.source(unit.name, unit.shape, below.scale, below.offset, below.top)
            self.sources[unit.name] = replace(seen, there=None if there.all() else there)
            return
        if (pool := unit.pool) is not None:
            self.join(MaxPool(unit.name, unit.shape, pool.source, pool.kernel, pool.stride, pool.padding))
            source = self.sources[pool.source]
            if source.there is not None and source.offset.any():
                raise GraphError(
                    "CONV-1", unit.name, "a max-pool of signed values with gaps", pool.source, "a relu before"
                )
            self.sources[unit.name] = self.source(unit.name, unit.shape, source.scale, source.offset, source.top)
            return
        coding = None if unit.activation is None else self.coding(unit, unit.activation)
        if self.refit is not None and self.sent is not None:
            unit, coding = self.refit.fitted(unit, coding, wanted, self.sources, self.sent.codes)
        sources = [self.sources[term.source] for term in unit.terms]
        per_code = [in_code_units(term, source) for term, source in zip(unit.terms, sources, strict=True)]
        if coding is None:
            self.add_readout(unit, per_code, sources)
        else:
            self.add_fs(unit, coding, per_code, sources)

    def coding(self, unit: Unit, how: Activation) -> Coding:
        """The coding of a population (CONV-2, CONV-15)."""
        options, seen = self.options, self.calibrated.seen.get(unit.name)
        if isinstance(how, Curve):
            return self.calibrated.fits(options).coding(unit.name, options.steps_of(unit.name))
        steps, nearest = options.steps_of(unit.name), options.rounding == "nearest"
        made = choose_coding(how, seen, steps, nearest, options.alpha, options.percentile)
        if how.own is not None or seen is None or self.refit is not None:  # which chooses scales of channels itself
            return made
        return equalised(self.calibrated.folded, unit, seen.largest, made)

    def add_fs(self, unit: Unit, coding: Coding, per_code: list[Any], sources: list[Source]) -> None:
        """Make an FS population: theta, integers (CONV-3 to CONV-6, CHIP-3)."""
        options, scale, offset, shape = self.options, np.ravel(coding.scale), coding.offset, unit.shape

        def population(bias: Ints) -> FS:
            scales = tuple(np.broadcast_to(scale, shape[0]).tolist())
            return FS(unit.name, shape, table, bias, scale=scales, offset=offset)

        kept, most = self.kept(unit, sources, coding), np.full(shape[0], np.inf)
        factors = Factors.of(unit.product, self.sources)
        while kept is None:
            theta = choose_theta(unit, per_code, sources, coding, options, most, factors)
            shift = coding.shift(theta)
            table = coding.table(theta)
            made = quantise(unit, per_code, sources, theta, coding.unit / theta, shift, self.analytic, factors)
            made, beyond = self.fitted(unit, sources, made, shift, population)
            if (beyond <= 1).all():
                break
            most = np.where(beyond > 1, np.minimum(np.floor(theta / shrinking(beyond)), theta - 1), most)
        if kept is not None and kept.table is not None:
            made, table, theta = kept.made, kept.table, kept.made.theta
        if self.sent is not None:
            self.sent.fire(unit, made, table)
        self.place(unit, made, population(made.bias))
        self.sources[unit.name] = self.source(unit.name, shape, scale, np.array(offset), coding.largest)
        plain = [int(np.abs(w).max()) for w, term in zip(made.weights, unit.terms, strict=True) if not term.skip]
        self.record[unit.name] = {
            "steps": coding.steps,
            **coding.to_dict(),
            "scale": one_or_all(scale),
            "offset": offset,
            "theta": [int(theta.min()), int(theta.max())],
            "weight_bits": max(plain, default=0).bit_length() + 1,
        }
        if isinstance(coding, Stairs):
            self.record[unit.name]["membrane_unit"] = one_or_all(made.membrane_unit)

    def kept(self, unit: Unit, sources: list[Source], coding: Coding | None = None) -> Kept | None:
        """A unit of this coding, or a readout, as trained; None where it cannot be (CONV-14)."""
        if not self.calibrated.folded.trained:
            return None
        found, record = as_trained(unit, sources, coding, self.options.power_of_two)
        if found is not None and self.room is not None:
            if not self.room.holds(unit.name, found, self.into(unit, found.made)):
                found, record = None, unkept(f"its integers do not fit {self.room.chip.told}")
        self.trained[unit.name] = record
        return found

    def add_readout(self, unit: Unit, per_code: list[Any], sources: list[Source]) -> None:
        """Make a readout: one membrane unit for all its neurons (NET-8, CHIP-3)."""
        channels = unit.shape[0]
        q_max = {skip: largest_weight(self.options, skip) for skip in (False, True)}
        units = [
            largest([w for w, t in zip(per_code, unit.terms, strict=True) if t.skip == skip], channels).max()
            / q_max[skip]
            for skip in q_max
        ]
        unit_of = max(*units, reach(unit, per_code, sources).max() / (REACH - slack(unit, sources))) or 1.0
        zeros = np.zeros(channels, np.int64)

        def population(bias: Ints) -> Readout:
            return Readout(unit.name, unit.shape, bias, scale=None if last else float(unit_of))

        last, narrow = unit.name == self.calibrated.folded.units[-1].name, False
        kept = self.kept(unit, sources)
        while kept is None:
            made = quantise(unit, per_code, sources, zeros, np.full(channels, unit_of), zeros, self.analytic)
            made, beyond = self.fitted(unit, sources, made, zeros, population)
            if (beyond <= 1).all():
                break
            narrow = True
            unit_of *= float(shrinking(beyond.max()))
        if narrow and not any(weights.any() for weights in made.weights):
            raise too_narrow(self.options, unit.name, "all weights would be 0")
        if kept is not None:
            made, unit_of = kept.made, float(kept.made.membrane_unit[0])
        self.place(unit, made, population(made.bias))
        self.logit_scale = unit_of

    def fitted(
        self,
        unit: Unit,
        sources: list[Source],
        made: Quantised,
        shift: Ints,
        population: Callable[[Ints], FS | Readout],
    ) -> tuple[Quantised, Reals]:
        """The integers of a unit as the chip can hold them, their bias corrected, and how many times too large each
        channel is, (C,): above 1 it does not fit (CHIP-3, CHIP-4).
        """
        chip = self.options.chip
        if chip is not None and not chip.bias_map and made.bias.ndim == 3:
            made = without_map(unit, sources, made, self.options, self.calibrated.folded)
        beyond = self.beyond(unit, made, population)
        if self.sent is not None and (beyond <= 1).all():
            made = self.sent.corrected(unit, made, shift, self.calibrated.seen[unit.name].before)
            beyond = self.beyond(unit, made, population)
        return made, beyond

    def beyond(self, unit: Unit, made: Quantised, population: Callable[[Ints], FS | Readout]) -> Reals:
        """How many times too large the integers of each channel are for the chip, (C,); 0 where there is none."""
        if self.room is None:
            return np.zeros(unit.shape[0])
        return self.room.beyond(population(made.bias), self.into(unit, made), made)

    def place(self, unit: Unit, made: Quantised, population: FS | Readout) -> None:
        """Add the population of a unit behind the constants that it reads."""
        for constant in made.constants:
            self.join(constant.population, [constant.into])
        self.join(population, self.into(unit, made))

    def into(self, unit: Unit, made: Quantised) -> list[Projection]:
        """The projections into a unit."""
        return projections(unit, made, Factors.of(unit.product, self.sources))

    def join(self, population: Population, into: Sequence[Projection] = ()) -> None:
        """Add a population, and the projections into it."""
        self.populations.append(population)
        self.projections += into
        if self.room is not None:
            self.room.add(population, into)

    def network(self) -> Network:
        """The network, with what was chosen and found in its provenance."""
        done, graph = self.calibrated, self.calibrated.folded.graph
        provenance = {
            "made_by": "fsref.convert",
            "graph": {"name": graph.name, "notes": list(graph.notes)},
            "options": self.options.to_dict(),
            "calibration": {
                "images": len(done.images),
                "sha256": digest(done.images),
            },
            "populations": self.record,
        }
        if self.trained:
            provenance["trained"] = told(self.trained, done.folded)
        pixels = done.folded.pixels  # images come as L or RGB (CONV-7); other channels have no contract in a file
        contract = pixels if pixels.order else None
        return Network(
            self.populations, self.projections, graph.name, float(self.logit_scale), graph.classes, contract, provenance
        )
