"""For every rule, in every engine that holds it, a one-line saboteur that the networks of `fsref.testing` find among
their first 300.

Each test is named for its rule. It replaces one line of one engine by a typical mistake, runs the broken engine beside
the naive oracle, and demands a difference; `test_the_engines_as_they_are` shows that without a saboteur there is none.
"""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import fsref
import oracle
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, fs_relu
from fsref.engines import events
from fsref.engines.frames import Framing
from fsref.engines.kernels import Kernel
from fsref.law import projections
from fsref.law.populations import View
from fsref.verification.strategies import Case, cases

FIRST = 300
PACKAGE = Path(fsref.__file__).parent
PLANS = ("planes", "patches", "firing", "plan")  # of the events engine, each behind what it has from others
FILES = {
    name: PACKAGE / "engines" / f"{name}.py"
    for name in ("reference", "plain", "delivering", "events", "quantized", "layers", "frames", "dense", *PLANS)
} | {
    "kernels": PACKAGE / "engines" / "kernels" / "plain.py",
    "fast": PACKAGE / "engines" / "kernels" / "patches.py",
    "bytes": PACKAGE / "engines" / "kernels" / "dense.py",
}
PASSED = {  # what one of these files has from another
    *("aligned", "axes", "by_lanes", "firing", "join", "joined_of", "joins", "lane_weights", "lanes", "margins"),
    *("patches", "plan_of", "relaying", "rows_at_once", "weights_of", "NEVER", "Arena", "Arenas", "Delivery", "Kind"),
    *("Operation", "Plane", "Sent"),
}
Seen = list[tuple[Case, Any]]


def wide(weight: int, inputs: int) -> Case:
    """A sum of so many full codes by one weight, and 1: odd, whatever the weight."""
    net = Network(
        [Input("in", (inputs + 1, 1, 1), 16, 65_535), Readout("out", (1, 1, 1))],
        [Dense("in", "out", [[weight] * inputs + [1]])],
    )
    return Case(net, np.array([65_535] * inputs + [1], np.int64).reshape(1, -1, 1, 1))


def broad() -> Case:
    """More channels than a register has lanes: each its own, all to all, pooled; a bias at each place; three images."""
    rng = np.random.default_rng(9)
    populations = [
        Input("in", (20, 4, 3), 5, 31),
        FS("own", (20, 4, 3), fs_relu(8, 3), rng.integers(-9, 90, (20, 4, 3))),
        FS("all", (35, 4, 3), fs_relu(6, 40), rng.integers(-9, 90, 35)),
        MaxPool("pool", (35, 2, 2), "all", (2, 2), (2, 1)),
        Readout("out", (18, 1, 1)),
    ]
    projections = [
        Conv2d("in", "own", rng.integers(-9, 10, (20, 1, 3, 3)), padding=(1, 1, 1, 1), groups=20),
        Conv2d("own", "all", rng.integers(-9, 10, (35, 20, 3, 3)), padding=(2, 1, 0, 1)),
        Dense("pool", "out", rng.integers(-9, 10, (18, 140))),
    ]
    return Case(Network(populations, projections), rng.integers(0, 32, (3, 20, 4, 3)))


def quotients(by: int) -> Case:
    """Every code of a byte divided by many thetas, those without a remainder among them; both times a number."""
    theta = by * np.array([1, 3, 5, 7, 9, 11, 13, 21, 27, 41, 47, 49, 55, 61, 83, 85])
    populations = [
        Input("in", (1, 16, 16), 8, 255),
        FS("all", (16, 16, 16), fs_relu(8, theta)),
        Readout("out", (2, 1, 1)),
    ]
    weights = by * np.arange(1, 17).reshape(16, 1, 1, 1)
    projections = [Conv2d("in", "all", weights), Dense("all", "out", np.ones((2, 16), np.int64), pooled=True)]
    return Case(Network(populations, projections), np.arange(256).reshape(1, 1, 16, 16))


def strided() -> Case:
    """Windows and taps two and three places apart, more than a patch has, that begin inside and outside; and rows of
    taps two places apart that go in one patch.
    """
    rng = np.random.default_rng(11)
    populations = [
        Input("in", (2, 23, 20), 4, 15),
        FS("two", (5, 11, 10), fs_relu(4, 9), rng.integers(-9, 60, (5, 11, 10))),
        FS("apart", (33, 7, 5), fs_relu(3, 5), rng.integers(-9, 40, 33)),
        FS("three", (4, 5, 4), fs_relu(3, 31), rng.integers(-9, 90, 4)),
        FS("rows", (4, 7, 10), fs_relu(5, 9), rng.integers(-9, 90, 4)),
        Readout("out", (3, 1, 1)),
    ]
    projections = [
        Conv2d("in", "two", rng.integers(-4, 5, (5, 2, 3, 3)), (2, 2), (0, 1, 0, 0)),
        Conv2d("two", "apart", rng.integers(-4, 5, (33, 5, 3, 2)), (1, 2), (0, 0, 0, 1), (2, 1)),
        Conv2d("two", "three", rng.integers(-4, 5, (4, 5, 3, 2)), (2, 3), (1, 0, 0, 1)),
        Conv2d("two", "rows", rng.integers(-4, 5, (4, 5, 3, 1)), dilation=(2, 1)),
        Dense("apart", "out", rng.integers(-9, 10, (3, 33 * 35))),
        Dense("three", "out", rng.integers(-9, 10, (3, 80))),
        Dense("rows", "out", rng.integers(-9, 10, (3, 280))),
    ]
    return Case(Network(populations, projections), rng.integers(0, 16, (2, 2, 23, 20)))


def heavy() -> Case:
    """More spikes of a place than 16 bits add up at once; each channel to its own; membranes almost at the lowest."""
    rng = np.random.default_rng(13)
    populations = [
        Input("in", (40, 3, 3), 8, 255),
        FS("a", (20, 3, 3), fs_relu(8, 2000), rng.integers(-9, 9, 20)),
        FS("own", (40, 3, 3), fs_relu(8, 70)),
        FS("minus", (20, 3, 3), fs_relu(8, 2000), rng.integers(9_000_000, 10_000_000, 20)),
        FS("low", (1, 3, 3), fs_relu(8, 2**22), [-(2**31) + 2]),
        Readout("out", (3, 1, 1)),
    ]
    projections = [
        Conv2d("in", "a", rng.integers(90, 128, (20, 40, 3, 3)), padding=(1, 1, 1, 1)),
        Conv2d("in", "own", np.arange(-3, 37).reshape(40, 1, 1, 1), groups=40),
        Conv2d("in", "minus", rng.integers(-127, -90, (20, 40, 3, 3)), padding=(1, 1, 1, 1)),
        Conv2d("in", "low", np.zeros((1, 40, 1, 1), np.int64)),
        Dense("a", "out", rng.integers(-127, 128, (3, 180))),
        Dense("own", "out", rng.integers(-9, 10, (3, 360))),
        Dense("minus", "out", rng.integers(-9, 10, (3, 180))),
        Dense("low", "out", rng.integers(1, 10, (3, 9))),
    ]
    return Case(Network(populations, projections), np.full((1, 40, 3, 3), 255))


def beside() -> Case:
    """Each channel to its own at the same place, where others have delivered before; views with gaps of an input whose
    neurons all spike, and of a population, with others right behind them where codes are kept.
    """
    rng = np.random.default_rng(17)
    populations = [
        Input("in", (20, 3, 2), 4, 15),
        FS("a", (20, 3, 2), fs_relu(4, 60), rng.integers(90, 190, 20)),
        View("gaps", (20, 4, 2), "in", [-1, 0, 2, 1], [1, -1]),
        View("more", (20, 2, 3), "a", [1, 2], [1, -1, 0]),
        FS("sum", (20, 3, 2), fs_relu(6, 7), rng.integers(9, 90, 20)),
        FS("last", (3, 4, 2), fs_relu(5, 90), rng.integers(9, 90, 3)),
        Readout("out", (3, 1, 1)),
    ]
    joined = [
        Conv2d("in", "a", rng.integers(-4, 9, (20, 20, 1, 1))),
        Conv2d("in", "sum", rng.integers(-4, 9, (20, 20, 1, 1))),
        projections.scale("a", "sum", np.arange(-3, 17)),
        Conv2d("gaps", "last", rng.integers(-9, 10, (3, 20, 1, 1))),
        Dense("more", "out", rng.integers(-9, 10, (3, 120))),
        Dense("sum", "out", rng.integers(-9, 10, (3, 120))),
        Dense("last", "out", rng.integers(-9, 10, (3, 24))),
    ]
    return Case(Network(populations, joined), rng.integers(9, 16, (2, 20, 3, 2)))


@pytest.fixture(scope="session")
def first_cases() -> Seen:
    """The first 300 cases of the strategy, sums beyond 2^24, 2^31 and 2^53, and what the oracle sees of each."""
    found: Seen = []

    @settings(
        max_examples=FIRST,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(cases())
    def collect(case: Case) -> None:
        found.append((case, oracle.observe(case)))

    collect()
    sums = [
        wide(2**10, 1),
        wide(2**16 - 1, 1),
        wide(2**31 - 1, 128),
        quotients(1),
        quotients(2**15),
        heavy(),
        strided(),
        beside(),
        broad(),
    ]
    return [*found[:FIRST], *((case, oracle.observe(case)) for case in sums)]


class Uncompiled(Kernel):
    """A kernel that runs as the Python it is."""

    as_python = True


def altered(path: Path, old: str = "", new: str = "", compiled: bool = True, **names: Any) -> types.ModuleType:
    """The module of a file with one line changed, and `names` put in after it ran."""
    text = path.read_text(encoding="utf-8")
    if old:
        assert text.count(old) == 1, f"{text.count(old)} places in {path.name} read: {old}"
        text = text.replace(old, new)
    if not compiled:  # every kernel is Python, too
        text = re.sub(r"^( *)@(Kernel|Part)$", r"\1@Uncompiled", text, flags=re.MULTILINE)
    module = types.ModuleType(f"altered_{path.stem}")
    module.__dict__.update(__file__=str(path), Uncompiled=Uncompiled)
    sys.modules[module.__name__] = module
    exec(compile(text, str(path), "exec"), module.__dict__)
    module.__dict__.update(names)
    return module


def sabotaged(file: str, old: str = "", new: str = "") -> Any:
    """An engine with one line of `file` changed; a change in plain loops breaks the engine `plain`, one in what plans
    and makes patches breaks `events`, one in layers or in what plans and makes byte dots `quantized`.
    """
    names: dict[str, Any]
    if file == "layers":  # and nothing else, whatever the kernels could do
        made = vars(altered(FILES["layers"], old, new))
        names = {name: made[name] for name in ("answer", "gated", "layer", "membranes", "pooled", "shown", "kinds")}
        return altered(
            FILES["quantized"], **names, framing_of=lambda net: Framing({}, {}, 0, False), frames_of=lambda net: {}
        )
    if file in ("bytes", "dense", "frames"):
        names = {}
        if file == "frames":
            made = vars(altered(FILES["frames"], old, new))
            planned = "framing_of", "frames_of", "begins", "by_channel", "digits", "divides", "is_pooled"
            names = {name: made[name] for name in planned}
        elif file == "bytes":
            names = {"drive": altered(FILES["bytes"], old, new, compiled=False).drive}
        dense = altered(FILES["dense"], *((old, new) if file == "dense" else ()), **names)
        framing = {name: own for name, own in names.items() if name in ("framing_of", "frames_of")}
        return altered(FILES["quantized"], dense=dense, **framing)
    if file == "kernels":
        kernels = altered(FILES["kernels"], old, new)
        made = altered(FILES["delivering"], kernels=kernels)
        return altered(FILES["plain"], kernels=kernels, deliverer=made.deliverer)
    if file == "delivering":
        made = vars(altered(FILES["delivering"], old, new))
        return altered(
            FILES["plain"], **{name: made[name] for name in ("by_place", "deliverer", "reached", "sum_type")}
        )
    if file not in (*PLANS, "fast"):
        return altered(FILES[file], old, new)
    names = {}
    if old:  # in Python, which tells what a compiled kernel does outside its arrays
        names["kernels"] = altered(FILES["fast"], *((old, new) if file == "fast" else ()), compiled=False)
    names["SIZES"] = names["WIDE_SIZES"] = (1, 2, 4)  # so that drawn networks, which are small, need several patches
    for own in PLANS:
        made = altered(FILES[own], *((old, new) if file == own else ()), **names)
        names |= {name: value for name, value in vars(made).items() if name in PASSED}
    return altered(FILES["events"], **names)


def miscounted(case: Case, seen: list[Any], engine: Any) -> bool:
    """Whether a run that records nothing gives other logits, or other numbers of spikes, than the oracle sees."""
    for place, activity in enumerate(engine.simulator(case.net)(case.images, {})):
        if activity.population == case.net.readout.name:
            if activity.opening.reshape(len(seen), -1).tolist() != [observed.logits for observed in seen]:
                return True
        elif activity.counts is not None:
            if activity.counts.tolist() != [sum(n.bit_count() for n in observed.trains[place]) for observed in seen]:
                return True
    return False


def bites(rule: str) -> Any:
    """A test over the saboteurs of a rule."""
    return pytest.mark.parametrize(
        ("file", "old", "new"), SABOTEURS[rule], ids=[f"{file}{i}" for i, (file, _, _) in enumerate(SABOTEURS[rule])]
    )


def found(cases: Seen, file: str, old: str, new: str) -> bool:
    """Whether some case tells the sabotaged engine from the oracle. An engine that raises is told, too."""
    broken = sabotaged(file, old, new)
    for case, seen in cases[::-1] if file in (*PLANS, "fast") else cases:  # the broad one first
        try:
            with np.errstate(all="ignore"):
                if oracle.first_difference(case, seen, broken) is not None or miscounted(case, seen, broken):
                    return True
        except (AssertionError, IndexError, ValueError, TypeError, OverflowError):
            return True
    return False


SABOTEURS: dict[str, list[tuple[str, str, str]]] = {
    "VIEW_1": [  # rows for columns, -1 for the last or the first place, a place beside
        ("reference", "[(0, 0)] * 3 + [(0, 1)] * 2", "[(0, 0)] * 5"),
        ("reference", "with_blank[..., view.rows[:, None]", "with_blank[..., view.rows[::-1][:, None]"),
        ("plain", "own = np.flatnonzero(places >= 0)", "own = np.arange(len(places))"),
        ("plain", "np.stack([places[own], own, np", "np.stack([places[own], np.sort(own), np"),
        ("layers", "np.where(places < 0, size, places)", "np.where(places < 0, 0, places)"),
        ("layers", ".take(rows, axis=1).take(columns, axis=2)", ".take(rows, axis=1).take(columns[::-1], axis=2)"),
        ("dense", "np.where(beyond.ravel(), blank, ", "np.where(beyond.ravel() & False, blank, "),
        ("dense", "source.at(source.top + y, source.left + x)", "source.at(source.top + y, source.left + x[::-1])"),
        ("frames", "(0, 0, 1, 0)", "(0, 0, 0, 0)"),
        ("fast", "if y >= 0 and x >= 0:", "if y >= 0 or x >= 0:"),
        ("fast", "y, x = numbers[ys + i], numbers[xs + j]", "y, x = numbers[ys + j], numbers[xs + i]"),
        ("firing", "arenas.numbers.put(p.rows), arenas.numbers.put(p.columns)", "(arenas.numbers.put(p.rows),) * 2"),
    ],
    "GATE_1": [  # a sum, no weight, no factor, the factor of another place or channel
        ("reference", "[:, None, None] * factor", "[:, None, None] + factor"),
        ("reference", "plane * gate.weights.astype(np.int64)[:, None, None]", "plane"),
        ("reference", "factors[projection.by])", "factors[projection.by][:, :, :1, :1])"),
        ("layers", "* weights * factor.astype(kind)", "* weights"),
        ("layers", "* weights * factor", "* factor"),
        ("layers", "* factor.astype(kind))", "* np.roll(factor.astype(kind), 1, -1))"),
        ("quantized", "known[q.by][1])", "known[q.source][1])"),
        ("kernels", "place if shared > 1 else 0]", "0]"),
        ("kernels", "+= weights[channel] * d[channel, t] * registers", "+= d[channel, t] * registers"),
        ("delivering", "= gate.weights.astype(np.int64), net", "= abs(gate.weights.astype(np.int64)), net"),
    ],
    "GATE_2": [  # a factor of which some steps are missing, that is not worth its d, or not there yet
        ("reference", "codes(spikes[q.by], d[q.by])", "codes(spikes[q.by][:, :-1], d[q.by][:, :-1])"),
        ("reference", "codes(spikes[q.by], d[q.by])", "spikes[q.by].sum(axis=1)"),
        ("kernels", "channel * shared] += worth[channel, t]", "channel * shared] = worth[channel, t]"),
        ("kernels", "channel * shared] += worth[channel, t]", "channel * shared] += 1"),
        ("kernels", "for t in range(ends.size - 1):", "for t in range(ends.size - 2):"),
        ("events", "found[max(q.sources,", "found[min(q.sources,"),
        ("plan", "for n in q.sources)]))", "for n in ())]))"),
    ],
    "NET_5": [  # bias per step, no bias, bias of a neighbour
        ("reference", "np.broadcast_to(population.bias_map, population.shape) +", "4 * population.bias_map +"),
        ("plain", "np.broadcast_to(p.bias_map, shape).copy()", "np.broadcast_to(p.bias_map, shape) * 2"),
        ("plain", "np.broadcast_to(p.bias_map, shape)", "np.broadcast_to(np.roll(p.bias_map, 1, 0), shape)"),
        ("quantized", "sum(totals.values(), bias)", "sum(totals.values(), 0 * bias)"),
        ("dense", "bias[..., : p.shape[0]] = p.bias_map", "bias[..., : p.shape[0]] = 0 * p.bias_map"),
        ("dense", "np.arange(places) * channels if mapped", "np.arange(places) * 0 if mapped"),
        ("dense", "-= self.source(name, q).low *", "-= 0 *"),
        ("fast", "loads(numbers, bias + p * bias_step + c, 16, 1)", "loads(numbers, bias + c, 16, 1)"),
        ("firing", "numbers.put(bias)", "numbers.put(np.roll(bias, 1, -1))"),
    ],
    "NET_6": [  # stale membrane
        (
            "reference",
            "        v = v + total\n",
            "        v = v + total + np.roll(total, 1, 0) * (np.arange(len(total)) > 0)[:, None, None, None]\n",
        ),
        (
            "plain",
            "        for b in range(len(v)):\n",
            "        for b in range(len(v)):\n            v[b] += v[b - 1] * (b > 0)\n",
        ),
        (
            "quantized",
            "return sum(totals.values(), bias), sums",
            "v = sum(totals.values(), bias)\n        v[1:] += v[:-1]\n        return v, sums",
        ),
        (
            "bytes",
            "for k in range(many):\n                seen = repeats",
            "for k in range(1, many):\n                seen = repeats",
        ),
        ("fast", "stores(v, place + c, loads(numbers, bias + p * bias_step + c, 16, 1))", "pass"),
        ("fast", "logits[b, c], v[leave + c] = v[leave + c], bias[c]", "logits[b, c] = v[leave + c]"),
    ],
    "NET_7": [  # bits of the input from the wrong end
        ("reference", "(codes >> (steps - 1 - t)) & 1 == 1", "(codes >> t) & 1 == 1"),
        ("plain", "trains = images.astype(np.uint16)", "trains = images.astype(np.uint16) >> 1"),
        ("kernels", "int(own[n]) >> (steps - 1 - t) & 1", "int(own[n]) >> t & 1"),
        ("quantized", "known[p.name] = trains, trains ", "known[p.name] = trains >> 1, trains "),
        ("bytes", "codes[c, p] >> (8 * k)", "codes[c, p] >> (8 * k + 1)"),
        ("fast", "= codes[b, c, y, x]", "= codes[b, c, y, x] >> 1"),
    ],
    "FS_2": [  # > for >=
        ("reference", "z = v >= T[:, t]", "z = v > T[:, t]"),
        ("kernels", "fires = own[n] >= threshold", "fires = own[n] > threshold"),
        ("kernels", "threshold, reset = T[c, t], h[c, t]", "threshold, reset = T[c - 1, t], h[c, t]"),
        ("layers", "divide(v.astype(kind, copy=False), divisor)", "divide(v.astype(kind, copy=False) - 1, divisor)"),
        ("layers", 'side="right")', 'side="left")'),
        ("fast", "return u >= now, left, now", "return u > now, left, now"),
        ("fast", "now = T >> 1", "now = T"),
        ("firing", "by_fours(held(T), NEVER)", "by_fours(held(np.roll(T, 1, 1)), NEVER)"),
        ("bytes", "keep(left >= divisor, one)", "keep(left > divisor, one)"),
        ("bytes", "v = keep(v > none, v)", "v = v"),
        ("bytes", "spread(0.5, ", "spread(0.0, "),
        ("bytes", "z = v >= again", "z = v > again"),
    ],
    "FS_3": [  # h a step late, h of a neighbour, reset without a spike
        ("reference", "v = v - h[:, t] * z", "v = v - h[:, t - 1] * z"),
        ("reference", "v = v - h[:, t] * z", "v = v - h[:, t]"),
        ("kernels", "T[c, t], h[c, t]", "T[c, t], h[c, t - 1]"),
        ("kernels", "T[c, t], h[c, t]", "T[c, t], h[c - 1, t]"),
        ("layers", "v = v - h[:, t, None, None]", "v = v - h[:, t - 1, None, None]"),
        ("bytes", "keep(z, again(loads(numbers, t + channels, ", "keep(z, again(loads(numbers, t, "),
        ("fast", "u - keep(u >= now, loads(numbers, h, 16, 1))", "u - loads(numbers, h, 16, 1)"),
        ("fast", "two(u, T, numbers, place + 32, h + 32, relu)", "two(u, T, numbers, place + 32, h, relu)"),
        ("fast", "least(u, u - now)", "least(u, u - T)"),
        ("fast", "keep(u > code, u) if relu else u", "u"),
        ("firing", "by_fours(h, 0)", "by_fours(T, 0)"),
    ],
    "FS_4": [  # d of another step or channel, code not clamped, a step too few
        ("reference", "d[projection.source][:, t, None, None]", "d[projection.source][:1, t, None, None]"),
        (
            "reference",
            "code = code + d[:, t, None, None] * spikes[:, t]",
            "code = code + d[:, t - 1, None, None] * spikes[:, t]",
        ),
        ("kernels", "worth = d[channel, t]", "worth = d[channel, t - 1]"),
        ("bytes", "numbers, t + 2 * channels", "numbers, t + channels"),
        ("kernels", "worth = d[channel, t]", "worth = d[0, t]"),
        ("plain", "code += d[:, t, None, None]", "code += abs(d[:, t, None, None])"),
        ("layers", "0, 2**table.steps - 1)", "0, 2**table.steps)"),
        ("patches", "rows[:, :, None] * sent.d[:, :, None]", "rows[:, :, None] * abs(sent.d[:, :, None])"),
        ("patches", "whole << by for by", "whole << max(0, by - 1) for by"),
        ("fast", "widen(uppers, np.int32) << sh", "widen(uppers, np.int32) << sh - 1"),
        ("dense", "theta << table.steps, WORD) - 1", "theta << table.steps, WORD)"),
    ],
    "FS_1": [  # K of a neighbour: a step too few
        ("reference", "in range(net.steps[projection.source])", "in range(net.steps[projection.source] - 1)"),
        ("kernels", "    steps = T.shape[1]\n", "    steps = T.shape[1] - 1\n"),
        ("layers", "2**table.steps - 1)", "2 ** (table.steps - 1) - 1)"),
        ("patches", "self.highs - 1 - t, steps - 1 - t", "self.highs - 1 - t, steps - t"),
        ("firing", "(steps - begin) // 4", "(steps - begin) // 4 - 1"),
    ],
    "PROJ_1": [  # padding off by one, stride or dilation ignored, kernel flipped, stray border
        ("reference", "start = first * stride - before + at", "start = max(0, first * stride - before + at - 1)"),
        (
            "reference",
            "projection.stride[0], r * projection.dilation[0])",
            "projection.stride[0], (kh - 1 - r) * projection.dilation[0])",
        ),
        ("reference", "projection.stride[1], c * projection.dilation[1])", "projection.stride[1], c)"),
        ("kernels", "weights[channel]\n", "weights[channel][::-1]\n"),
        ("delivering", "place = target * stride + tap * dilation - before", "place = target * stride + tap - before"),
        (
            "delivering",
            "place = target * stride + tap * dilation - before",
            "place = np.abs(target * stride + tap * dilation - before)",
        ),
        ("delivering", "reached(width, target[2], padding[1],", "reached(width, target[2], padding[0],"),
        ("delivering", "reached(height, target[1], padding[0],", "reached(height, target[1], padding[2],"),
        ("delivering", "columns[2] = np.argsort(order)[columns[2]]", "columns[2] = columns[2]"),
        ("delivering", "(r * kw + c) * size", "((kh - 1 - r) * kw + c) * size"),
        ("layers", "np.arange(kernel) * dilation - before", "np.arange(kernel) * dilation - before + 1"),
        (
            "layers",
            "np.arange(count)[:, None] * stride + np.arange(kernel) * dilation",
            "np.arange(count)[:, None] * stride + np.arange(kernel)",
        ),
        ("layers", "np.where((at < 0) | (at >= size), size, at)", "np.clip(at, 0, size - 1)"),
        ("fast", "base = first + i * down + j * along", "base = first + j * down + i * along"),
        ("planes", "(residue * dilation - before) % stride", "(residue * dilation + before) % stride"),
        (
            "planes",
            "target = (first + before - taps[-1] * dilation) // stride",
            "target = (first + before - taps[0] * dilation) // stride",
        ),
        ("planes", "self.target + some.start * self.apart", "self.target + some.start"),
        ("planes", "min(self.places, targets - target)", "min(self.places, targets - target - 1)"),
        ("planes", "max(0, self.apart - self.apart * (some.stop - some.start) - target)", "max(0, -target)"),
        ("patches", "r * y.apart * target.row + n", "r * target.row + n"),
        ("planes", "(len(kind.taps) - 1) * kind.apart + kind.places", "len(kind.taps) - 1 + kind.places - 1"),
        ("dense", "np.arange(target.shape[1]) * sy - top + source.top", "np.arange(target.shape[1]) * sy + source.top"),
        ("dense", "* dilation[0] * source.columns", "* source.columns"),
    ],
    "PROJ_3": [  # wrong group, channel offset ignored
        (
            "reference",
            "source = plane.reshape(batch, groups, channels // groups, height, width)",
            "source = plane.reshape(batch, groups, channels // groups, height, width)[:, ::-1]",
        ),
        ("kernels", "out[channel * out.shape[0] // channels]", "out[0]"),
        ("kernels", "out[channel * out.shape[0] // channels]", "out[channel % out.shape[0]]"),
        ("layers", "multiply(a, matrices[r])", "multiply(a, matrices[r, ::-1])"),
        ("layers", "filters[r, :, c, 0]", "filters[r, ::-1, c, 0]"),
        ("fast", "here = place + r * apart + k * across + c", "here = place + r * apart + k * across"),
        ("fast", "code * loads(numbers, joined + c, 16, 1)", "code * loads(numbers, joined, 16, 1)"),
        ("patches", "q.weights[theirs].transpose", "q.weights[::-1][theirs].transpose"),
        ("patches", "q.weights[:, 0].transpose(1, 2, 0)", "q.weights[::-1, 0].transpose(1, 2, 0)"),
        ("dense", "o[:, None] // (outputs // groups) * inputs", "o[:, None] % groups * inputs"),
        ("dense", "q.weights.reshape(p.shape[0], -1).T", "q.weights[::-1].reshape(p.shape[0], -1).T"),
    ],
    "PROJ_4": [  # neurons in (H, W, C) order
        ("reference", "plane.reshape(batch, -1)", "plane.transpose(0, 2, 3, 1).reshape(batch, -1)"),
        ("delivering", "(1, 1) if pooled else (height, width)", "(1, 1) if pooled else (width, height)"),
        ("layers", "reshape(-1, *source).transpose(0, 2, 3, 1)", "reshape(-1, *source)"),
        ("fast", "j * along, start + p * per_place", "j * along, start"),
    ],
    "PROJ_5": [  # a mean, a maximum, the first place alone
        (
            "reference",
            "plane.reshape(batch, channels, -1).sum(axis=2)",
            "plane.reshape(batch, channels, -1).max(axis=2)",
        ),
        ("delivering", "np.arange(n) * (not pooled)", "np.arange(n)"),
        ("layers", "codes.sum(axis=(1, 2), dtype=np.int64)", "codes[:, 0, 0]"),
        ("bytes", "range(op[AT], op[AT] + op[COUNT])", "range(op[AT], op[AT] + 1)"),
        ("patches", "moves = (0, 0) if still", "moves = (0, 0) if not still"),
    ],
    "PROJ_6": [  # the last projection wins
        ("reference", "        v = v + total\n", "        v = population.bias_map + total\n"),
        ("plain", "                v[b] += total\n", "                v[b] = total + p.bias_map\n"),
        ("quantized", "sum(totals.values(),", "sum(list(totals.values())[-1:],"),
        ("bytes", "sums = sums << terms[n, RISE]", "sums = none"),
        ("dense", '{**term, "rise": last - shift}', '{**term, "rise": 0}'),
        ("dense", "(rest + 2**6) % 2**7 - 2**6", "(rest + 2**6) % 2**7"),
        ("fast", "stores(v, here + c, loads(v, here + c, 16, 1) + more)", "stores(v, here + c, more)"),
        ("fast", "a, e = c, d", "break"),
    ],
    "POOL_1": [  # OR of all candidates, the first candidate, stride
        ("reference", "still_in &= candidates[:, :, t] | ~fired", "still_in &= candidates[:, :, t] | ~fired | True"),
        (
            "reference",
            "fired = (candidates[:, :, t] & still_in).any(axis=0)",
            "fired = (candidates[:, :, t] & still_in)[0]",
        ),
        ("kernels", "own[window, tap] = 255", "own[window, tap] = 0"),
        ("kernels", "if own[window, tap] != 255:", "if own[window, tap] != 255 and 255 not in own[window]:"),
        ("layers", "        .max(axis=3)\n", "        .min(axis=3)\n"),
        ("layers", "a.shape[3]).max(axis=2)", "a.shape[3]).min(axis=2)"),
        ("fast", "select(best < word, word, best)", "select(word < best, word, best)"),
        ("fast", "select(best < word, word, best)", "best | word"),
        ("bytes", "seen > largest, seen, largest", "largest > seen, seen, largest"),
        ("bytes", "largest < seen, seen, largest", "seen < largest, seen, largest"),
    ],
    "POOL_3": [  # padding off by one, padded places as candidates that spike
        ("reference", "seen(width, pool.shape[2], left, sx, c)", "seen(width, pool.shape[2], left + 1, sx, c)"),
        ("reference", "seen(height, pool.shape[1], top, sy, r)", "seen(height, pool.shape[1], 0, sy, r)"),
        ("plain", "p.shape[axis + 1], p.padding[axis],", "p.shape[axis + 1], 0,"),
        ("plain", "p.padding[axis], p.kernel[axis]", "p.padding[1 - axis], p.kernel[axis]"),
        ("layers", "np.iinfo(a.dtype).min,", "np.iinfo(a.dtype).max,"),
        ("fast", "max(0, i * sy - top), max(0, j * sx - left)", "max(0, i * sy), max(0, j * sx)"),
    ],
    "RANGE_1": [  # a type for products or accumulators that does not hold every partial sum
        ("layers", "np.float32 if reach <= 2**24", "np.float32 if reach <= 2**30"),
        ("layers", "np.float64 if reach <= 2**53", "np.float64 if reach <= 2**63"),
        ("delivering", "np.int32 if reach < 2**31", "np.int32 if reach < 2**36"),
        ("patches", "float(up.max()) < 2**15 and", "float(up.max()) < 2**17 and"),
        ("patches", "float(down.min()) >= -(2**15)", "float(down.min()) >= -(2**19)"),
        ("patches", "int((2**15 - 1) // float", "int((2**18 - 1) // float"),
        ("firing", "NEVER = 2**31 - 1", "NEVER = 2**36"),
    ],
    "FS_5": [  # a table that is not quite an FS-ReLU taken for one
        (
            "layers",
            "if theta is not None:",
            "if theta is not None or table.T[..., -1].min() > 0 and not (theta := table.T[..., -1]).sum() < 0:",
        ),
    ],
    "EVENT_2": [  # first spike the lowest bit
        ("reference", "(train << np.uint16(1)) | spikes[:, t]", "train | spikes[:, t] << np.uint16(t)"),
        ("kernels", "bit = np.uint16(1 << (steps - 1 - t))\n        for c", "bit = np.uint16(1 << t)\n        for c"),
        ("layers", "= stair.train[place],", "= stair.train[place] ^ 1,"),
        ("bytes", "train = train + train + keep(z, one)", "train = train + keep(z, one)"),
        ("fast", "stores(words, told + p * C + c, code)", "stores(words, told + p * C + c, code << 1)"),
        ("fast", "(word >> (steps - 1 - t))", "(word >> t)"),
    ],
}


@pytest.mark.parametrize("file", FILES)
def test_the_engines_as_they_are(file: str, first_cases: Seen) -> None:
    """Without a saboteur the same loading of the same files agrees with the oracle on all 300."""
    whole = sabotaged(file)
    assert [first for case, seen in first_cases if (first := oracle.first_difference(case, seen, whole))] == []
    assert not any(miscounted(case, seen, whole) for case, seen in first_cases)


@bites("FS_1")
def test_FS_1(file: str, old: str, new: str, first_cases: Seen) -> None:
    """An engine with the K of a neighbour, a step too few, is told."""
    assert found(first_cases, file, old, new)


@bites("GATE_1")
def test_GATE_1(file: str, old: str, new: str, first_cases: Seen) -> None:
    """A gate that adds, leaves out its weight or factor, or takes the factor of another place or channel is told."""
    assert found(first_cases, file, old, new)


@bites("GATE_2")
def test_GATE_2(file: str, old: str, new: str, first_cases: Seen) -> None:
    """A factor that is not whole, not worth its d, or not there yet when the source delivers is told."""
    assert found(first_cases, file, old, new)


@bites("NET_5")
def test_NET_5(file: str, old: str, new: str, first_cases: Seen) -> None:
    """A bias added per step, left out or taken from a neighbour is told."""
    assert found(first_cases, file, old, new)


@bites("NET_6")
def test_NET_6(file: str, old: str, new: str, first_cases: Seen) -> None:
    """A membrane that keeps something of the image before is told."""
    assert found(first_cases, file, old, new)


@bites("NET_7")
def test_NET_7(file: str, old: str, new: str, first_cases: Seen) -> None:
    """Pixels sent from the wrong end are told."""
    assert found(first_cases, file, old, new)


@bites("FS_2")
def test_FS_2(file: str, old: str, new: str, first_cases: Seen) -> None:
    """> for >= is told, and so is the threshold of a neighbour."""
    assert found(first_cases, file, old, new)


@bites("FS_3")
def test_FS_3(file: str, old: str, new: str, first_cases: Seen) -> None:
    """A reset a step late, of a neighbour, or without a spike is told."""
    assert found(first_cases, file, old, new)


@bites("FS_4")
def test_FS_4(file: str, old: str, new: str, first_cases: Seen) -> None:
    """d of another step or channel, of the wrong sign, or a code beyond the last is told."""
    assert found(first_cases, file, old, new)


@bites("PROJ_1")
def test_PROJ_1(file: str, old: str, new: str, first_cases: Seen) -> None:
    """Padding off by one, stride or dilation ignored, a flipped kernel or a replicated border is told."""
    assert found(first_cases, file, old, new)


@bites("PROJ_3")
def test_PROJ_3(file: str, old: str, new: str, first_cases: Seen) -> None:
    """A wrong group and an ignored channel offset are told."""
    assert found(first_cases, file, old, new)


@bites("PROJ_4")
def test_PROJ_4(file: str, old: str, new: str, first_cases: Seen) -> None:
    """Another order of neurons than C order is told."""
    assert found(first_cases, file, old, new)


@bites("PROJ_5")
def test_PROJ_5(file: str, old: str, new: str, first_cases: Seen) -> None:
    """A pooled dense that takes the maximum, one place, or weights by place is told."""
    assert found(first_cases, file, old, new)


@bites("PROJ_6")
def test_PROJ_6(file: str, old: str, new: str, first_cases: Seen) -> None:
    """A merge in which the last projection wins is told."""
    assert found(first_cases, file, old, new)


@bites("POOL_1")
def test_POOL_1(file: str, old: str, new: str, first_cases: Seen) -> None:
    """An OR over the window, a pool of one candidate, and a minimum are told."""
    assert found(first_cases, file, old, new)


@bites("POOL_3")
def test_POOL_3(file: str, old: str, new: str, first_cases: Seen) -> None:
    """A pool's padding off by one, and padded places that count, are told."""
    assert found(first_cases, file, old, new)


@bites("VIEW_1")
def test_VIEW_1(file: str, old: str, new: str, first_cases: Seen) -> None:
    """Rows for columns, a place too far, and a place that shows nothing but sends are told."""
    assert found(first_cases, file, old, new)


@bites("RANGE_1")
def test_RANGE_1(file: str, old: str, new: str, first_cases: Seen) -> None:
    """Sums in a type that the proved interval outgrows are told."""
    assert found(first_cases, file, old, new)


@bites("FS_5")
def test_FS_5(file: str, old: str, new: str, first_cases: Seen) -> None:
    """Floor division for a table that is not an FS-ReLU is told."""
    assert found(first_cases, file, old, new)


@bites("EVENT_2")
def test_EVENT_2(file: str, old: str, new: str, first_cases: Seen) -> None:
    """A train word with its bits the other way round is told."""
    assert found(first_cases, file, old, new)


def builds(module: Any) -> dict[str, bool]:
    """Whether each builder of a projections module delivers, spike for spike, what its rule says of random codes."""
    random = np.random.default_rng(7)
    told = dict.fromkeys(("scale", "shortcut", "sum_pool"), True)
    for _ in range(30):
        channels, size = int(random.integers(1, 5)), int(random.integers(2, 6))
        a, factors = random.integers(0, 8, (channels, size, size)), random.integers(-9, 10, channels)
        stride, more = int(random.integers(1, 3)), int(random.integers(0, 4))
        offset = None if random.integers(2) else int(random.integers(0, more + 1))
        side = (size - 1) // stride + 1
        skip = np.zeros((channels + more, side, side), np.int64)
        for c in range(channels):
            skip[c + (more // 2 if offset is None else offset)] = factors[c] * a[c, ::stride, ::stride]
        pooled = np.zeros((channels, size - 1, size), np.int64)
        for y in range(size - 1):
            for x in range(size):
                pooled[:, y, x] = a[:, y : y + 2, max(0, x - 1) : x + 1].sum(axis=(1, 2))
        wanted = {
            "scale": (module.scale("input", "fs", factors), factors[:, None, None] * a),
            "shortcut": (module.shortcut("input", "fs", factors, channels + more, (stride, stride), offset), skip),
            "sum_pool": (module.sum_pool("input", "fs", channels, (2, 2), (1, 1), (0, 1, 0, 0)), pooled),
        }
        for name, (built, expected) in wanted.items():
            plain = projections.Conv2d(
                "input", "fs", built.weights, built.stride, built.padding, built.dilation, built.groups
            )
            net = fsref.Network(
                [
                    fsref.Input("input", a.shape, 3, 7),
                    fsref.FS("fs", expected.shape, fsref.fs_relu(1)),
                    fsref.Readout("logits", (1, 1, 1)),
                ],
                [plain, projections.Dense("fs", "logits", np.ones((1, len(expected)), np.int64), pooled=True)],
            )
            activity = list(events.simulator(net)(a[None], {"fs": frozenset({"sums"})}))[1]
            told[name] &= np.array_equal(activity.sums["input->fs"][0], expected)
    return told


@pytest.mark.parametrize(
    ("old", "new"),
    [("values[:, None, None, None], groups=len(values)", "values[::-1, None, None, None], groups=len(values)")],
)
def test_PROJ_8(old: str, new: str) -> None:
    """scale delivers one factor per channel, and the factor of another channel is told."""
    assert builds(projections)["scale"]
    assert not builds(altered(PACKAGE / "law" / "projections.py", old, new))["scale"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("weights[first + np.arange(len(values)),", "weights[0 * first + np.arange(len(values)),"),
        ("weights, stride=stride)", "weights[::-1], stride=stride)"),
        ("(channels - len(values)) // 2\n", "channels - len(values)\n"),
    ],
)
def test_PROJ_9(old: str, new: str) -> None:
    """shortcut joins channel c to c + offset, and an ignored or another offset is told."""
    assert builds(projections)["shortcut"]
    assert not builds(altered(PACKAGE / "law" / "projections.py", old, new))["shortcut"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("padding=padding, groups=channels", "padding=padding[::-1], groups=channels"),
        ("np.ones((channels, 1", "2 * np.ones((channels, 1"),
    ],
)
def test_PROJ_10(old: str, new: str) -> None:
    """sum_pool adds up its window, and another window or divisor is told; a divisor that varies with the place is
    refused.
    """
    assert builds(projections)["sum_pool"]
    with pytest.raises(fsref.errors.NetworkError, match=r"PROJ-10"):
        fsref.sum_pool("a", "b", 3, (2, 2), padding=(1, 1, 0, 0), count_include_pad=False)
    try:
        told = builds(altered(PACKAGE / "law" / "projections.py", old, new))["sum_pool"]
    except fsref.errors.NetworkError:
        told = False
    assert not told
