"""A network: populations in topological order joined by projections (NET-1 to NET-8), checked and its ranges proved
when made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from types import MappingProxyType
from typing import Any, assert_never

from fsref.errors import NetworkError, public
from fsref.law.identity import identity
from fsref.law.images import Pixels
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Relay, View, class_count, positive
from fsref.law.projections import Gate, Projection
from fsref.law.ranges import Range, code_weights, prove, width_bits
from fsref.law.schedule import Schedule, schedule
from fsref.law.synapses import fan_out
from fsref.law.wiring import check_places, check_pool, check_projections, check_view
from fsref.tables import Sheet, Shown, plural, short, sizes
from fsref.version import SPEC_VERSION, latest

SINCE_1_3 = "1.3"  # FILE-3: outputs, views, a scale per channel
SINCE_1_4 = "1.4"  # GATE


@public
@dataclass(frozen=True, eq=False, repr=False)
class Network(Shown):
    """A checked network: populations and projections as NET-1 to NET-8 ask, every range proved (RANGE-1 to RANGE-5).

    `logit_scale` is the real value of one logit, `classes` their names (two where there is one logit), `contract` how
    pixels became codes, `provenance` where it comes from (FILE-3). Errors: NetworkError, RangeError.
    """

    populations: Sequence[Population]
    projections: Sequence[Projection]
    name: str = ""
    logit_scale: float = 1.0
    classes: Sequence[str] = ()
    contract: Pixels | None = None
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    ranges: Mapping[str, Range] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("populations", "projections", "classes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_places(self.populations)
        check_projections(self.populations, self.projections)
        for relay in self.relays:
            match relay:
                case MaxPool():
                    check_pool(relay, self[relay.source], self.code_weights[relay.source])
                case View():
                    check_view(relay, self[relay.source])
                case _:
                    assert_never(relay)
        self._check_meaning()
        object.__setattr__(self, "ranges", prove(self.populations, self.projections))

    def _check_meaning(self) -> None:
        """Nothing, when what is told to people fits the network (NET-8, FILE-3); else NetworkError."""
        positive(self.logit_scale, "NET-8", "logit_scale")
        if not all(isinstance(name, str) for name in self.classes):
            raise NetworkError("NET-8", "classes", "not names", self.classes)
        if self.classes and len(self.classes) not in (self.readout.shape[0], self.class_count):
            limit = f"the readout has {self.readout.shape[0]}"
            raise NetworkError("NET-8", "classes", "not one name per logit", len(self.classes), limit)
        if self.readout.scale is not None:
            problem, limit = "is the last readout, whose scale is logit_scale", str(self.logit_scale)
            raise NetworkError("NET-8", f"{self.readout.name} scale", problem, self.readout.scale, limit)
        for p in self.populations:
            if isinstance(p, Input | Readout) and p.scale is not None:
                positive(p.scale, "FILE-3", f"{p.name} scale")
        if self.contract is None:
            return
        if not isinstance(self.contract, Pixels):
            raise NetworkError("FILE-3", "contract", "not an input contract", type(self.contract).__name__, "a Pixels")
        if self.contract.order not in ("L", "RGB"):
            limit = "L or RGB: images of a network are never turned"
            raise NetworkError("FILE-3", "contract order", "not an order a network has", self.contract.order, limit)
        said = (self.contract.shape, self.contract.max_code, self.contract.scale)
        if said != (known := (self.input.shape, self.input.max_code, self.input.scale)):
            raise NetworkError(
                "FILE-3", "contract", "shape, max_code, scale are not the input's", said, f"the input has {known}"
            )

    def __getitem__(self, name: str) -> Population:
        """The population of this name; KeyError when there is none."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Population]:
        return {p.name: p for p in self.populations}

    @property
    def input(self) -> Input:
        """The input population."""
        assert isinstance(self.populations[0], Input)
        return self.populations[0]

    @property
    def spec_version(self) -> str:
        """The lowest version of the law that has every rule this network needs, 1.2 at least: what its files name, so
        that older readers read all they can (ID-4).
        """
        newer = not self.is_classifier or self.readout.shape[0] == 1
        newer = newer or any(isinstance(p, View) for p in self.populations)
        newer = newer or any(isinstance(p.scale, tuple) for p in self.fs)
        return latest([SINCE_1_4] * bool(self.gates) + [SINCE_1_3] * newer)

    @property
    def readout(self) -> Readout:
        """The last population, a readout: the only one of a classifier."""
        assert isinstance(self.populations[-1], Readout)
        return self.populations[-1]

    @cached_property
    def readouts(self) -> tuple[Readout, ...]:
        """The readouts, in order: the outputs of the network (NET-8)."""
        return tuple(p for p in self.populations if isinstance(p, Readout))

    @property
    def is_classifier(self) -> bool:
        """Whether the only readout is of shape (classes, 1, 1): only such a network has classes (NET-8)."""
        return len(self.readouts) == 1 and not self.readout.is_map

    @property
    def class_count(self) -> int:
        """How many classes a classifier tells apart: one per logit, two where there is one logit (NET-8); 0 of any
        other network.
        """
        return class_count(self.readout.shape) if self.is_classifier else 0

    @property
    def class_names(self) -> Sequence[str]:
        """The names of the classes of a classifier, one each; () where they have none, as where the channels of another
        network have, or a single logit (NET-8).
        """
        return self.classes if len(self.classes) == self.class_count else ()

    @cached_property
    def output_neurons(self) -> int:
        """The neurons of all readouts."""
        return sum(p.neurons for p in self.readouts)

    @property
    def output_scales(self) -> dict[str, float]:
        """The real value of one unit of each readout, by name (NET-8)."""
        return {p.name: float(self.logit_scale if p.scale is None else p.scale) for p in self.readouts}

    @cached_property
    def fs(self) -> tuple[FS, ...]:
        """The populations of FS neurons, in order."""
        return tuple(p for p in self.populations if isinstance(p, FS))

    @cached_property
    def pools(self) -> tuple[MaxPool, ...]:
        """The max-pools, in order."""
        return tuple(p for p in self.populations if isinstance(p, MaxPool))

    @cached_property
    def relays(self) -> tuple[Relay, ...]:
        """The max-pools and views, in order: what they read spikes in the same steps (TIME-1)."""
        return tuple(p for p in self.populations if isinstance(p, MaxPool | View))

    @cached_property
    def gates(self) -> dict[str, Gate]:
        """The gates by name, in list order (GATE-1)."""
        return {name: q for name, q in self.named_projections.items() if isinstance(q, Gate)}

    @cached_property
    def integrating(self) -> tuple[FS | Readout, ...]:
        """The populations that have membranes, fs and readouts, in order."""
        return tuple(p for p in self.populations if isinstance(p, FS | Readout))

    @cached_property
    def spiking(self) -> tuple[Population, ...]:
        """The populations that spike: all but readouts, in order."""
        return tuple(p for p in self.populations if not isinstance(p, Readout))

    @cached_property
    def named_projections(self) -> dict[str, Projection]:
        """The projections by name, in list order: source->target, with #0, #1, ... when several join the same two
        (NET-2).
        """
        plain = [f"{q.source}->{q.target}" for q in self.projections]
        joining, before = Counter(plain), Counter[str]()
        named = {}
        for name, q in zip(plain, self.projections, strict=True):
            named[name if joining[name] == 1 else f"{name}#{before[name]}"] = q
            before[name] += 1
        return named

    def into(self, name: str) -> dict[str, Projection]:
        """The projections into a population by their names, in list order; KeyError for an unknown population."""
        return {q: self.named_projections[q] for q in self._ends[name][0]}

    def out_of(self, name: str) -> dict[str, Projection]:
        """The projections that deliver the spikes of a population by their names, in list order; a gate delivers those
        of its source alone. KeyError for an unknown population.
        """
        return {q: self.named_projections[q] for q in self._ends[name][1]}

    @cached_property
    def _ends(self) -> dict[str, tuple[list[str], list[str]]]:
        """By population the names of the projections into it and out of it."""
        ends: dict[str, tuple[list[str], list[str]]] = {p.name: ([], []) for p in self.populations}
        for name, q in self.named_projections.items():
            ends[q.target][0].append(name)
            ends[q.source][1].append(name)
        return ends

    def sources(self, name: str) -> tuple[str, ...]:
        """The populations that a population reads, that of a max-pool or view and the factors of gates among them, once
        each; KeyError for an unknown one.
        """
        p = self[name]
        relayed = (p.source,) if isinstance(p, MaxPool | View) else ()
        return (*relayed, *dict.fromkeys(source for q in self.into(name).values() for source in q.sources))

    @cached_property
    def code_weights(self) -> dict[str, Ints]:
        """d of every population that spikes, by name, (C, K) (NET-7, FS-4, POOL-4)."""
        weights: dict[str, Ints] = {}
        for population in self.spiking:
            weights[population.name] = code_weights(population, weights)
        return weights

    @cached_property
    def steps(self) -> dict[str, int]:
        """K of every population, by name; 0 for a readout."""
        return {p.name: 0 if isinstance(p, Readout) else self.code_weights[p.name].shape[1] for p in self.populations}

    @cached_property
    def schedule(self) -> Schedule:
        """When each population receives and fires (TIME-1 to TIME-4)."""
        return schedule(self.populations, self.projections, self.steps)

    @cached_property
    def synapses(self) -> dict[str, int]:
        """The synapses of each projection by its name (PROJ-7)."""
        ends = {name: (q, self[q.source].shape, self[q.target].shape) for name, q in self.named_projections.items()}
        return {name: int(fan_out(*joined).sum()) for name, joined in ends.items()}

    @property
    def neurons(self) -> int:
        """The neurons of all populations."""
        return sum(p.neurons for p in self.populations)

    @property
    def fs_neurons(self) -> int:
        """The FS neurons."""
        return sum(p.neurons for p in self.fs)

    @cached_property
    def id(self) -> str:
        """The SHA-256 over integers and topology alone, 64 hexadecimal digits (ID-1)."""
        return identity(self.populations, self.projections, self.steps)

    @public
    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to one npz, complete or not at all, the same bytes for the same network (FILE-4)."""
        from fsref.formats.npz import save  # the one import that looks up: users expect net.save(path)

        save(self, path)

    def __repr__(self) -> str:
        return short(
            f"<Network {self.name or 'without a name'}: {len(self.populations)} populations, id {self.id[:12]}>"
        )

    def sheet(self) -> Sheet:
        """The network as a table: a line per population with its widths (RANGE-1, RANGE-2) and windows (TIME-1,
        TIME-4); below it schedule and id.
        """
        plan, rows = self.schedule, []
        for p in self.populations:
            into, proved = self.into(p.name), self.ranges[p.name]
            bits = (width_bits(proved.any_order), width_bits(proved.final)) if into else (None, None)
            synapses = sum(self.synapses[q] for q in into) if into else None
            windows = _ends_of(plan.receives[p.name]), _ends_of(plan.fires[p.name])
            rows.append(
                (p.name, p.kind, sizes(p.shape), self.steps[p.name] or None, p.neurons, synapses, *bits, *windows)
            )
        weights = sum(int(q.weights.size) for q in self.projections)
        size = f"{plural(self.neurons, 'neuron')}, {plural(sum(self.synapses.values()), 'synapse')}"
        title = f"{self.name or 'network'}: {size}, {plural(weights, 'weight')}, law {SPEC_VERSION}"
        facts = ("population", "kind", "shape", "K", "neurons", "synapses in")
        head = (*facts, "any_order bits", "final bits", "receives in", "fires in")
        one, two = plural(plan.interval_one_buffer, "step"), plan.interval_two_buffers
        interval = f"{one} with one membrane buffer, {two} with two"
        stand = [
            (f"{p.name} stands", f"from step {plan.start[p.name]}") for p in self.readouts if len(self.readouts) > 1
        ]
        below = [("latency", plural(plan.latency, "step")), *stand, ("initiation interval", interval)]
        return Sheet(title, head, rows, left=3, above=[("id", self.id)], below=below)


def _ends_of(window: range) -> str:
    """A window as its first and last step, "" when it is empty."""
    return f"{window[0]}..{window[-1]}" if window else ""
