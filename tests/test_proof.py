"""Proofs for every image: what is proved is so on every image of networks small enough to try them all, and no planted
fault, in a rule or in a table, goes unseen.
"""

from __future__ import annotations

import inspect
import itertools
import json
import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import fsref
import naive
import repeatable
from fsref import FS, Conv2d, Dense, Gate, Input, MaxPool, Network, Readout, Table, fs_relu
from fsref.cli.main import main
from fsref.engines import dense, layers, reference
from fsref.engines.engine import ENGINES, engine_of
from fsref.errors import FileError, LimitError, NetworkError, UsageError
from fsref.law import bounds, neuron, projections, ranges, wiring
from fsref.law.neuron import Staircase, staircase
from fsref.testing import Case, Certificate, cases, prove
from fsref.verification import proof_rules, proof_sums
from fsref.verification.certificate import Certified, read_certificate, unmet
from fsref.verification.proof import working_bytes
from fuzz_values import bent, bent_json
from handmade import NETS, chain, gated, oracle, recorded, residual, tiny
from refusals import check_line, refused

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = sorted(ROOT.glob("reference_models/*/*.fs.npz"))


# --- networks of which every image can be tried


def small(seed: int) -> Network:
    """A network of at most 256 images: two populations of any tables, perhaps a max-pool, perhaps a skip."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> Any:
        return rng.integers(-5, 6, shape)

    def table(channels: int) -> Table:
        steps, rows = int(rng.integers(1, 5)), (channels,) if rng.integers(2) else ()
        if rng.integers(3):
            return fs_relu(steps, rng.integers(1, 9, rows) if rows else int(rng.integers(1, 9)))
        return Table(*(rng.integers(low, high, (*rows, steps)) for low, high in ((-15, 25), (-9, 20), (-3, 9))))

    def joined(source: Any, name: str) -> tuple[Any, tuple[int, int, int]]:
        channels, height, width = source.shape
        if not rng.integers(3):
            return Dense(source.name, name, numbers(2, channels * height * width)), (2, 1, 1)
        groups = int(rng.choice([g for g in (1, channels) if 2 % g == 0]))
        kernel, padding = (1, int(rng.integers(1, width + 1))), (0, *(int(x) for x in rng.integers(0, 2, 3)))
        stride, dilation = (1, int(rng.integers(1, 3))), (int(rng.integers(1, 3)), 1)
        shape = projections.window_shape(source.shape, kernel, stride, padding, dilation)
        weights = numbers(2, channels // groups, *kernel)
        return Conv2d(source.name, name, weights, stride, padding, dilation, groups), (2, *shape)

    steps = int(rng.integers(1, 3))
    shapes = [(1, 2, 2), (2, 1, 2), (1, 1, 3), (2, 1, 1)]
    parts: list[Any] = [Input("in", shapes[rng.integers(4)], steps, int(rng.integers(1, 2**steps)))]
    into: list[Any] = []
    for name in ("a", "b"):
        if len(parts) > 1 and parts[-1].shape[2] > 1 and fits(parts[-1].table.rows(2)[2]):
            parts.append(MaxPool("p", (2, parts[-1].shape[1], parts[-1].shape[2] - 1), "a", (1, 2), (1, 1)))
        q, shape = joined(parts[-1], name)
        into.append(q)
        if len(parts) > 1 and shape == (2, *parts[0].shape[1:]) and len(parts[0].shape) == 3:
            into.append(Conv2d("in", name, numbers(2, parts[0].shape[0], 1, 1)))
        parts.append(FS(name, shape, table(2), rng.integers(-9, 10, shape if rng.integers(2) else (2,))))
    into.append(Dense("b", "out", numbers(2, 2), pooled=True))
    return Network([*parts, Readout("out", (2, 1, 1), numbers(2))], into)


def fits(d: Any) -> bool:
    """Whether a max-pool may read trains worth d (C, K) (POOL-2)."""
    return bool((d > np.cumsum(d[:, ::-1], axis=1)[:, ::-1] - d).all())


def every_image(net: Network) -> Any:
    """All images there are, (B, C, H, W)."""
    pixels = itertools.product(range(net.input.max_code + 1), repeat=net.input.neurons)
    return np.array(list(pixels)).reshape(-1, *net.input.shape)


SMALL = range(400 if repeatable.LONG else 40)


@pytest.fixture(scope="module")
def tried() -> list[tuple[Network, Certificate, Any]]:
    """Small networks, their certificates, and the recording of every image there is."""
    nets = [small(seed) for seed in SMALL]
    return [(net, prove(net), recorded(net, every_image(net))) for net in nets]


def told(certificate: Certificate) -> Iterator[tuple[str, Certified]]:
    """What a certificate says of each population, by name."""
    return zip(certificate.names, certificate.populations, strict=True)


def test_events_are_quantized_on_every_image_of_small_networks(tried: Any) -> None:
    """A network that is proved has the same trains, codes and logits in all engines on each of its images, and no
    opening, membrane or code leaves the interval that the certificate says (PROOF-1, PROOF-2).
    """
    kinds = set()
    for net, certificate, trace in tried:
        assert certificate.holds, certificate.refuted
        for engine in ("events", "quantized"):
            other = recorded(net, every_image(net), engine=engine)
            assert fsref.diff(other, trace) is None
        for name, p in told(certificate):
            kinds.add(p.kind)
            for observable, interval in (("opening", p.final), ("membranes", p.membranes), ("codes", p.codes)):
                if interval is not None and (name, observable) in trace.arrays:
                    seen = trace[name, observable]
                    assert interval[0] <= seen.min() and seen.max() <= interval[1], (name, observable)
    assert kinds == {"input", "fs", "max_pool", "readout"}


def test_what_never_comes_never_comes(tried: Any) -> None:
    """No image brings about a code that is called unreachable, nor a spike of more neurons than are not dead; of the
    first population, which reads pixels alone, every other code and neuron does come (PROOF-6).
    """
    dead = unreachable = 0
    for net, certificate, trace in tried:
        for name, p in told(certificate):
            if p.kind not in ("input", "fs"):
                continue
            codes = np.unique(trace[name, "codes"])
            spans = [range(first, last + 1) for first, last in p.unreachable_codes]
            assert not [code for code in codes.tolist() if any(code in span for span in spans)]
            silent = (trace[name, "spikes"] == 0).all(axis=0)
            if p.kind == "fs":
                assert p.dead_neuron_count <= silent.sum()
                channels = silent.reshape(net[name].shape[0], -1).all(axis=1)
                assert all(channels[first : last + 1].all() for first, last in p.dead_channels)
                assert p.dead_channel_count == sum(last + 1 - first for first, last in p.dead_channels)
            dead += p.dead_neuron_count
            unreachable += p.unreachable_code_count
    assert dead > 20 and unreachable > 100  # of a fault that finds none, nothing above would tell


def test_dead_neurons_channels_and_codes_by_hand() -> None:
    """Of codes 0..3 times 2 with theta 4 a neuron has codes 0 and 1 of 0..7, its neighbour of bias -9 never spikes, and
    another, whose weight is -1, neither.
    """
    one = FS("a", (3, 1, 1), fs_relu(3, 4), [0, -9, 0])
    net = chain(one, Dense("in", "a", [[2], [2], [-1]]), given=Input("in", (1, 1, 1), 2, 3))
    found = prove(net).populations[1]
    assert (found.unreachable_code_count, found.unreachable_codes) == (6, ((2, 7),))
    assert (found.dead_neuron_count, found.dead_channel_count, found.dead_channels) == (2, 2, ((1, 2),))
    assert (found.codes, found.membranes, found.interval_count) == ((0, 1), (-9, 6), 4)


def arriving(net: Network, image: Any) -> Iterator[tuple[str, int, int, list[int]]]:
    """What every spike of an image delivers along every synapse: population, neuron, its bias, the deliveries."""
    other = oracle(net)
    seen = naive.simulate(other, image.ravel().tolist())
    for place, p in enumerate(net.populations):
        if p.kind not in ("fs", "readout"):
            continue
        parts: list[list[int]] = [[] for _ in other.populations[place].channel]
        for joint in (j for j in other.projections if j.target == place):
            source = other.populations[joint.source]
            for t in range(source.steps):
                for n, z in enumerate(naive.spikes(other, seen, joint.source, t)):
                    for m, w in joint.synapses[n] if z else []:
                        parts[m].append(w * source.rows["d"][source.channel[n]][t])
        yield from ((p.name, m, other.populations[place].bias[m], own) for m, own in enumerate(parts))


def saturating(parts: list[int], bits: int) -> int:
    """The sum of an accumulator of so many bits that stays at its ends."""
    total, top = 0, 2 ** (bits - 1)
    for part in parts:
        total = min(max(total + part, -top), top - 1)
    return total


def fit(values: Any, bits: int) -> bool:
    """Whether all values are what two's complement of so many bits holds."""
    return bool(-(2 ** (bits - 1)) <= values.min() and values.max() < 2 ** (bits - 1))


def test_one_bit_less_is_too_few(tried: Any) -> None:
    """Accumulators of the bits told, saturating or wrapping, give every membrane of every image, in rising, falling and
    given order; where the width is told as exact, those of one bit less do not (PROOF-5).
    """
    exact = [0, 0]
    for net, certificate, trace in tried[:20]:
        certified = dict(told(certificate))
        less = dict.fromkeys(certified, False)
        for image in every_image(net):
            for name, _, bias, parts in arriving(net, image):
                bits, own = certified[name].saturating_bits, [bias, *parts]
                assert bits is not None
                for order in (own, [*parts, bias], sorted(own), sorted(own, reverse=True)):
                    assert saturating(order, bits) == sum(own)
                    less[name] |= bits > 1 and saturating(order, bits - 1) != sum(own)
        for name, p in certified.items():
            held = [trace[name, o] for o in ("opening", "membranes") if (name, o) in trace.arrays and p.wrapping_bits]
            if p.wrapping_bits is not None and p.saturating_bits is not None:
                assert all(fit(values, p.wrapping_bits) for values in held)
                assert p.saturating_bits >= p.wrapping_bits
            if p.saturating_exact and p.saturating_bits != 1:
                assert less[name], name
                exact[0] += 1
            if p.wrapping_exact and p.wrapping_bits != 1:
                assert p.wrapping_bits is not None
                assert not all(fit(values, p.wrapping_bits - 1) for values in held), name
                exact[1] += 1
    assert min(exact) > 10


# --- planted faults


def sabotage(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, old: str, new: str) -> None:
    """Put another text in the place of one in a function, wherever fsref took it from its module: engines, too, which
    would else take it later, and for good.
    """
    for engine in ENGINES:
        engine_of(engine)
    original = getattr(module, name)
    text = inspect.getsource(original)
    assert text.count(old) >= 1, f"this test edits {old!r} in {name}: bring it up to date"
    space = dict(vars(module))
    exec(compile(text.replace(old, new), f"{name}, sabotaged", "exec"), space)
    for user in [m for m in list(sys.modules.values()) if getattr(m, "__name__", "").startswith("fsref")]:
        if vars(user).get(name) is original:
            monkeypatch.setattr(user, name, space[name])


OWN = [
    (proof_rules, "products", "w * far * low,", "w * near * high,"),
    (proof_rules, "products", "np.minimum.reduce(four)", "np.minimum(four[0], four[3])"),
    (proof_rules, "fired", "v >= threshold", "v > threshold"),
    (proof_rules, "fired", "v - reset, v", "v, v"),
    (proof_rules, "fired", "np.where(fires, v - reset, v)", "v - reset"),
    (proof_rules, "fired", "code + worth, code", "worth, code"),
    (proof_rules, "fired", "2 * train + fires", "train + fires"),
    (proof_rules, "worth", "len(d) - 1 - t", "t"),
    (proof_rules, "worth", "code += own", "code = own"),
    (proof_rules, "pool_step", "(z or not spiking)", "True"),
    (proof_rules, "pool_step", "(z or not spiking)", "z"),
    (proof_rules, "pool_step", " if candidate)", ")"),
    (proof_rules, "inside", " - before", ""),
    (proof_rules, "inside", "at < size", "at <= size"),
    (proof_rules, "inside", " * dilation", ""),
    (proof_rules, "inside", " * stride", ""),
    (proof_rules, "ends", "// (outputs // q.groups) * inputs", "* 0"),
    (proof_rules, "ends", "np.where(w > 0, w * near, w * far)", "(w * near)"),
    (proof_rules, "ends", "places if q.pooled else 1", "1"),
    (proof_rules, "ends", "// places", "% source[0]"),
    (proof_rules, "bits", " + 1", ""),
    (proof_sums, "opened", "np.minimum(bias, 0), np.maximum(bias, 0)", "bias * 0, bias * 0"),
    (proof_sums, "opened", "added(bias, bias,", "added(bias * 0, bias * 0,"),
    (proof_sums, "opened", "lambda s: s.codes", "lambda s: s.parts"),
]
LAW = [
    (bounds, "projection_bounds", "low_taps + summed(up, low)", "low_taps"),
    (bounds, "projection_bounds", "= summed(down, high), ", "= summed(down, low), "),
    (bounds, "projection_bounds", "h * w if projection.pooled else 1", "1"),
    (bounds, "gate_bounds", "for b in factor", "for b in factor[:1]"),
    (ranges, "_bounds", "for ends in (source.parts, source.codes)", "for ends in (source.codes, source.codes)"),
    (ranges, "_bounds", "sent[q.by].codes, exact", "sent[q.source].codes, exact"),
    (ranges, "pieces", "b - reset))", "b))"),
    (ranges, "firing", "[first - 1 : last]", "[first:last]"),
    (ranges, "_hull", "np.max([i[:, 1]", "np.min([i[:, 1]"),
    (neuron, "staircase", "cut = threshold + reset", "cut = threshold + reset + 1"),
    (neuron, "staircase", "2 * train[fires] + 1", "2 * train[fires]"),
    (neuron, "staircase", "code[fires] + weight", "code[fires] + 1"),
    (ranges, "relu_firing", "** np.arange(1, steps + 1) - 1", "** np.arange(1, steps + 1) - 2"),
    (ranges, "relu_firing", "np.where(falls, m - 1, after[:, 1])", "after[:, 1]"),
    (ranges, "code_weights", "base_two(population.steps)", "2 * base_two(population.steps)"),
    (projections, "taps", "(size - 1 - start) // dilation + 1", "(size - start) // dilation + 1"),
    (wiring, "check_pool", "if len(wrong)", "if False"),
    (reference, "fire", "v >= T", "v > T"),
    (dense, "thresholds", "theta << table.steps", "theta << table.steps - 1"),
    (layers, "answer", 'side="right"', 'side="left"'),
]


def strided() -> Network:
    """Every kind at once; and behind channels of different codes groups, a stride of 2, and a dense projection."""
    rng = np.random.default_rng(2)
    net = residual(Table(*(rng.integers(low, high, (4, 5)) for low, high in ((-30, 60), (-20, 50), (-3, 9)))))
    parts = [*net.populations[:-1], FS("far", (2, 3, 3), fs_relu(5, 3), [4, -4]), net.readout]
    far = Conv2d("mid", "far", rng.integers(-4, 5, (2, 2, 2, 1)), (2, 1), (1, 0, 1, 0), groups=2)
    # Membranes beyond 32 bits, which no kernel takes.
    parts.insert(-1, FS("wide", (2, 1, 1), Table([2**40, 2], [2**40 - 5, 1], [2, 1]), [2**40, 2**40 - 1]))
    last = [Dense(*ends, rng.integers(-4, 5, (n, 48))) for *ends, n in (("mid", "wide", 2), ("mid", "out", 3))]
    return Network(parts, [*net.projections[:5], far, *last, *net.projections[5:]])


@pytest.mark.parametrize(("module", "name", "old", "new"), OWN + LAW, ids=lambda part: getattr(part, "__name__", None))
def test_planted_faults_are_caught(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, old: str, new: str
) -> None:
    """A fault in a rule that the prover reads itself, in one that the law or an engine computes by, or in what keeps
    networks out: the prover names what does not hold, and certifies nothing.
    """
    sabotage(monkeypatch, module, name, old, new)
    cases = {"check_pool": wrongly_pooled, "gate_bounds": gated, "_bounds": gated, "products": crossed}
    found = prove(cases.get(name, strided)())
    assert not found.holds and found.proved() == [] and "[" in found.refuted
    with refused(UsageError, "PROOF-7", says=found.refuted[:80]):
        found.to_bytes()
    assert "REFUTED" in str(found) and repr(found).endswith("REFUTED>")


def crossed() -> Network:
    """A gate of codes of both signs by codes of both signs: each of the four products of their ends is alone the least
    or the most of some channel.
    """
    both = (
        np.array([[40, -10], [10, -40], [10, -40], [40, -10]]),
        np.array([[40, -10], [40, -10], [10, -40], [10, -40]]),
    )
    first, second = (Table(np.tile([9, 3], (4, 1)), np.tile([5, -4], (4, 1)), d) for d in both)
    parts = [
        Input("in", (1, 1, 1), 4, 15),
        FS("a", (4, 1, 1), first),
        FS("by", (4, 1, 1), second),
        FS("product", (4, 1, 1), fs_relu(4, 99), [500] * 4),
        Readout("out", (1, 1, 1)),
    ]
    ones = np.ones((4, 1), np.int64)
    into = [Dense("in", "a", ones), Dense("in", "by", ones), Gate("a", "by", "product", [1, 1, 1, 1])]
    return Network(parts, [*into, Dense("product", "out", ones.T)])


@pytest.mark.parametrize("make", [strided, gated, crossed], ids=lambda make: make.__name__)
def test_without_a_fault_there_is_none(make: Callable[[], Network]) -> None:
    """The networks by which planted faults are caught are proved as they are."""
    assert prove(make()).holds


def wrongly_pooled() -> Network:
    """A max-pool of trains whose order is not that of their codes, which no network may have (POOL-2)."""
    pair = Conv2d("in", "a", [[[[1]]]])
    parts = [FS("a", (1, 1, 2), Table([4, 2], [4, 2], [1, 1])), MaxPool("p", (1, 1, 1), "a", (1, 2), (1, 1))]
    return chain(parts[0], pair, parts[1], given=Input("in", (1, 1, 2), 4, 15))


def changed(of: Staircase, **arrays: Any) -> Staircase:
    """A table with other arrays."""
    return replace(of, **{name: np.asarray(values) for name, values in arrays.items()})


def opened(of: Staircase, start: Any, like: Any) -> Staircase:
    """A table of intervals that begin at `start`, each with train and code of one that it had."""
    return changed(of, start=start, train=of.train[like], code=of.code[like])


def without(of: Staircase, k: int) -> Staircase:
    """A table that lacks an interval."""
    return changed(of, **{name: np.delete(getattr(of, name), k) for name in ("start", "train", "code")})


TABLES: dict[str, Callable[[Staircase], Staircase]] = {
    "an interval begins one late": lambda s: changed(s, start=s.start + (np.arange(len(s.start)) == 1)),
    "an interval begins one early": lambda s: changed(s, start=s.start - (np.arange(len(s.start)) == 1)),
    "all begin one late": lambda s: changed(s, start=s.start + 1),
    "a code is one too large": lambda s: changed(s, code=s.code + (np.arange(len(s.code)) == len(s.code) - 1)),
    "a train is another": lambda s: changed(s, train=s.train ^ (np.arange(len(s.train)) == 0)),
    "an interval is missing": lambda s: without(s, 1),
    "the last is missing": lambda s: without(s, len(s.start) - 1),
    "two begin together": lambda s: changed(s, start=np.append(s.start[0], s.start[:-1])),
    "the order is another": lambda s: changed(s, start=s.start[::-1], train=s.train[::-1], code=s.code[::-1]),
    "one begins beyond the end": lambda s: changed(s, start=np.append(s.start[:-1], 2**40)),
    "one more begins beyond the end": lambda s: opened(s, [*s.start, 2**40], [*range(len(s.start)), 0]),
    "one is empty": lambda s: opened(
        s, [s.start[0], *[s.start[0] + 1] * 2, *s.start[1:]], [0, 0, *range(len(s.start))]
    ),
    "there is no interval": lambda s: changed(s, start=s.start[:0], train=s.train[:0], code=s.code[:0]),
    "a code is left out": lambda s: changed(s, code=s.code[:-1]),
}


@pytest.mark.parametrize("fault", TABLES)
def test_a_table_with_a_fault_is_refused(fault: str) -> None:
    """A table that is handed to the prover, wrong for one channel in one place, is not proved (PROOF-3)."""
    net, asked = residual(), []

    def stairs(T: Any, h: Any, d: Any, low: int, high: int) -> Staircase:
        right = staircase(T, h, d, low, high)
        asked.append(len(right.start))
        return TABLES[fault](right) if len(asked) == 3 else right

    found = prove(net, stairs)
    assert asked[2] > 2 and "stem channel 2" in found.refuted and found.refuted.endswith("[PROOF-3]")
    assert len(found.populations) == 1


class Off:
    """The reference engine, with one train in a million wrong: that of a membrane 41."""

    working_bytes = staticmethod(reference.working_bytes)

    def simulator(self, net: Network) -> Any:
        run = reference.simulator(net)

        def simulate(images: Any, wanted: Any) -> Any:
            for one in run(images, wanted):
                if one.opening is not None and one.trains is not None:
                    one = replace(one, trains=np.where(one.opening == 41, 0, one.trains).astype(np.uint16))
                yield one

        return simulate


def test_every_engine_is_fired_at_every_step() -> None:
    """The neurons of any engine are fired at both ends of every interval; one wrong at a single one is named by engine
    and membrane (PROOF-8).
    """
    net = tiny()  # theta 2, K = 3: intervals of two membranes each
    table = fs_relu(6, 1)
    near = replace_table(net, table)
    found = prove(near, engines=[reference, Off()])
    assert "of Off fires another train at membrane 41" in found.refuted and found.refuted.endswith("[PROOF-8]")
    held = prove(near, engines="events")
    assert held.holds and held.engines == ("events",) and held.fired == 2 * held.populations[1].interval_count
    with refused(UsageError, "RUN-2", "prove"):
        prove(net, engines=[])


def replace_table(net: Network, table: Table) -> Network:
    """A network whose first fs population has another table."""
    parts = [replace(p, table=table) if p.kind == "fs" else p for p in net.populations]
    return replace(net, populations=parts)


@settings(repeatable.drawn, max_examples=400 if repeatable.LONG else 15)
@given(cases())
def test_drawn_networks_are_proved(case: Case) -> None:
    """Every drawn network has a certificate, the same whatever names it has."""
    found = prove(case.net)
    assert found.holds, found.refuted
    assert [p.index for p in found.populations] == [*range(len(case.net.populations))]


def test_handmade_networks_are_proved() -> None:
    """Networks with tables of no order, negative resets and codes, skips, groups, dilation, padding, bias maps; sums
    beyond what 64 bits would hold are done in Python's integers.
    """
    for make in (*NETS.values(), strided):
        assert prove(make()).holds
    wide = chain(FS("a", (1, 1, 1), Table([2**58], [0], [1]), [2**62 - 1 - 15]), given=Input("in", (1, 1, 1), 4, 15))
    found = prove(wide)
    assert found.holds and found.populations[1].final == (2**62 - 16, 2**62 - 1)
    assert (found.populations[1].wrapping_bits, found.populations[1].wrapping_exact) == (63, True)


def test_memory_is_refused_before_the_proof() -> None:
    """What a proof takes is bounded before it starts, and the bound is above the peak (RUN-3)."""
    many = chain(FS("a", (6, 1, 1), fs_relu(12, [1, 2, 3, 4, 5, 6])), given=Input("in", (1, 1, 2), 16, 2**16 - 1))
    wide = chain(
        FS("a", (2, 64, 64), fs_relu(2)),
        Conv2d("in", "a", np.ones((2, 1, 1, 1), np.int64)),
        given=Input("in", (1, 64, 64), 1, 1),
    )
    for net in (many, wide):
        bound = working_bytes(net)
        with refused(LimitError, "RUN-3", "prove"):
            prove(net, memory_limit=bound - 1)
        prove(tiny())  # what is made once is made
        tracemalloc.start()
        try:
            assert prove(net, memory_limit=bound).holds
            assert bound / 16 < tracemalloc.get_traced_memory()[1] <= bound
        finally:
            tracemalloc.stop()


# --- certificates


def edited(net: Network, rng: np.random.Generator) -> Network | None:
    """The network with one bit of one integer the other way; None where that is no network."""
    joints = [("projections", k, ("weights",)) for k in range(len(net.projections))]
    held = [("populations", k, ("bias",)) for k, p in enumerate(net.populations) if p.kind in ("fs", "readout")]
    tables = [("populations", k, ("table", a)) for k, p in enumerate(net.populations) if p.kind == "fs" for a in "Thd"]
    kind, index, path = (joints + held + tables)[rng.integers(len(joints + held + tables))]
    parts = list(getattr(net, kind))
    old = parts[index]
    array = np.array(getattr(old.table, path[1]) if path[0] == "table" else getattr(old, path[0]), np.int64)
    array.ravel()[rng.integers(array.size)] ^= 1 << int(rng.integers(7))
    value = replace(old.table, **{path[1]: array}) if path[0] == "table" else array
    try:
        parts[index] = replace(old, **{path[0]: value})
        return replace(net, **{kind: parts})
    except NetworkError:
        return None


def test_a_certificate_refuses_edited_networks(tmp_path: Path) -> None:
    """The certificate of digits is refused by each of 200 networks that differ from it in one bit of a weight, bias,
    threshold, reset or d; by id, before anything is proved (PROOF-7).
    """
    net, rng = fsref.load("digits"), np.random.default_rng(1)
    path = SHIPPED[0].with_name("certificate.json")
    assert read_certificate(path, net)["id"] == net.id
    ids = set()
    while len(ids) < 200:
        other = edited(net, rng)
        if other is not None and other.id not in ids:
            with refused(FileError, "PROOF-7", str(path), net.id, says=other.id):
                read_certificate(path, other)
            ids.add(other.id)


def test_a_certificate_is_a_function_of_the_id(tmp_path: Path) -> None:
    """The same bytes come of the network under other names, of its file, and once more; what they say is JSON
    (PROOF-7).
    """
    net, found = tiny(), prove(tiny())
    renamed = Network(
        [replace(p, name=f"x{i}") for i, p in enumerate(net.populations)],
        [replace(q, source=f"x{i}", target=f"x{i + 1}") for i, q in enumerate(net.projections)],
        name="other",
    )
    net.save(tmp_path / "tiny.fs.npz")
    assert renamed.id == net.id
    assert {prove(x).to_bytes() for x in (net, renamed, tmp_path / "tiny.fs.npz")} == {found.to_bytes()}
    assert json.loads(found.to_bytes()) == found.to_dict() and unmet(found.to_dict(), found) == ()
    assert found.to_bytes().isascii() and max(map(len, found.to_bytes().splitlines())) < 1000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "not a certificate in JSON"),
        (b"\xff", "not a certificate in JSON"),
        (b"[" * 10**5, "not a certificate in JSON"),
        (b"[1]", "not a certificate"),
        (b'{"certificate": 1, "id": "x", "law": ' + b"[" * 400 + b"]" * 400 + b"}", "nested 401 deep"),
        (b'{"certificate": 1, "id": 3}', "not a certificate"),
        (b'{"id": "x"}', "not a certificate"),
        (b'{"id": "x", "id": "y", "certificate": 1}', "`id` twice"),
        (b'{"certificate": 2, "id": "x"}', "is of another form: 2"),
        (b'{"certificate": true, "id": "x"}', "is of another form: True"),
        (b'{"certificate": 1, "id": "\\u001b[2J"}', "is of another network"),
        (b'{"certificate": 1, "id": "x"' + b" " * 2**24 + b"}", "file is too large"),
    ],
)
def test_files_that_are_no_certificates(tmp_path: Path, text: bytes, says: str) -> None:
    """Each is one line of a FileError, whatever the file holds."""
    path = tmp_path / "c.json"
    path.write_bytes(text)
    with refused(FileError, "PROOF-7", str(path), says=says):
        read_certificate(path, tiny())


def test_a_changed_certificate_is_refused_or_differs(tmp_path: Path) -> None:
    """Nothing is believed of a certificate with bytes or values changed: it is none, or says something else than what
    is proved, unless it says the same in other words.
    """
    net, found, path = tiny(), prove(tiny()), tmp_path / "c.json"
    draw, differing = random.Random(3), 0
    for number in range(300):
        data = (bent if number % 2 else bent_json)(draw, found.to_bytes())
        path.write_bytes(data)
        try:
            told = read_certificate(path, net)
        except FileError as error:
            check_line(error)
            continue
        places = unmet(told, found)
        assert bool(places) == (json.dumps(told, sort_keys=True) != json.dumps(found.to_dict(), sort_keys=True))
        assert all(place.isprintable() and len(place) < 500 for place in places)
        differing += bool(places)
    assert differing > 50


def test_the_shipped_certificates_are_of_the_shipped_networks() -> None:
    """Every network that is shipped has a certificate beside it, of its id; those of the small ones come out again byte
    for byte, of all of them where there is time.
    """
    assert len(SHIPPED) == 6
    for path in SHIPPED:
        net, committed = fsref.load(path), path.with_name("certificate.json")
        told = read_certificate(committed, net)
        assert len(told["populations"]) == len(net.populations) and len(told["statements"]) == 4
        if repeatable.LONG or path.stem.split(".")[0] in ("digits", "resnet8"):
            assert prove(net).to_bytes() == committed.read_bytes()


def called(capsys: Any, *words: object) -> SimpleNamespace:
    """What a command line gives."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return SimpleNamespace(code=code, out=out, err=err)


def test_prove_on_the_command_line(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints the table, writes the certificate, and holds it against the network again; what does not hold ends with
    1 and writes nothing, the certificate of another network with 2.
    """
    net, path = tmp_path / "tiny.fs.npz", tmp_path / "c.json"
    tiny().save(net)
    done = called(capsys, "check", net, "--prove", "--out", path)
    assert done.code == 0 and "proved in " in done.out and f"written  {path}" in done.out.replace("\n         ", "")
    assert path.read_bytes() == prove(tiny()).to_bytes()
    again = called(capsys, "check", net, "--certificate", path)
    assert again.code == 0 and "holds" in again.out
    other = called(capsys, "check", "digits", "--certificate", path)
    assert other.code == 2 and tiny().id in other.err and fsref.load("digits").id in other.err and other.out == ""
    bent = json.loads(path.read_bytes())
    bent["populations"][1]["wrapping_bits"] -= 1
    (tmp_path / "bent.json").write_text(json.dumps(bent))
    differs = called(capsys, "check", net, "--certificate", tmp_path / "bent.json")
    assert differs.code == 1 and f"DIFFERS  {tiny().populations[1].name}: wrapping_bits: observed" in differs.out
    assert differs.out.index("DIFFERS") < differs.out.index("population ")
    sabotage(monkeypatch, proof_rules, "fired", "v >= threshold", "v > threshold")
    refuted = called(capsys, "check", net, "--prove", "--out", tmp_path / "none.json")
    assert refuted.code == 1 and "REFUTED" in refuted.out and not (tmp_path / "none.json").exists()
    assert json.loads(called(capsys, "check", net, "--prove", "--json").out)["refuted"].endswith("[PROOF-3]")
