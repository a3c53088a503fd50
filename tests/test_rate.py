"""The rate-coded twin (RATE): equal to a naive one on drawn networks, mutants that are told, laws by hand, and the
digits.
"""

from __future__ import annotations

import json
import tracemalloc
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings

import fsref
import naive
import naive_rate
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Table, fs_relu, load, load_images
from fsref.activations.coding import Coding
from fsref.cli.main import main
from fsref.errors import FsrefError, InputError, LimitError, NetworkError, RangeError, UsageError
from fsref.formats.npz import to_bytes
from fsref.law.neuron import relu_theta
from fsref.metrics.energy import PRESETS
from fsref.rate_coding import neurons as twin
from fsref.rate_coding import ticks
from fsref.rate_coding.score import rate_score
from fsref.rate_coding.twin import rate_coded
from fsref.verification.strategies import Case, cases
from handmade import ONE, chain, draw, oracle, residual, tiny
from refusals import refused
from repeatable import LONG, drawn
from test_rules_bite import altered

ROOM = Path(fsref.__file__).parent / "rate_coding"
EVERY = [
    (setting, rounding, apart)
    for setting in ("classic", "best")
    for rounding in ("nearest", "floor")
    for apart in (False, True)
]
generated = settings(drawn, phases=[Phase.generate])
COUNT = 1600 if LONG else 96
TICKS = ticks.BLOCK + 3


def with_twin(case: Case) -> Case:
    """The case with another table in place of every one that is no FS-ReLU: one that is or, without pools, one of odd
    tops.
    """
    pooled, populations = any(isinstance(p, MaxPool) for p in case.net.populations), []
    for index, p in enumerate(case.net.populations):
        if isinstance(p, FS) and relu_theta(p.table) is None:
            channels, top = np.arange(p.shape[0]), 2**p.steps - 1
            theta = (channels * 7 + index) % 5 + 1 + (int(np.abs(p.bias).max()) >> p.steps)
            full, less = (Coding(1.0, 0, n, False).table(theta) for n in (top, top - (p.steps > 1 and not pooled)))
            d = np.where(channels[:, None] % 2, less.d, full.d)
            p = FS(p.name, p.shape, Table(T=theta[:, None] * d, h=theta[:, None] * d, d=d), p.bias)
        populations.append(p)
    return Case(Network(populations, case.net.projections), case.images)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A case with a twin, how it is run, and what the naive twin says of it; None when its membranes may leave 63
    bits.
    """

    case: Case
    net: naive.Net
    setting: str
    rounding: str
    apart: bool
    expected: dict[str, Any] | None


def expected(case: Case, net: naive.Net, best: bool, nearest: bool, apart: bool) -> dict[str, Any] | None:
    """What the naive twin says of a case."""
    late = naive_rate.depths(net, best)[-1] if apart else 0
    if not naive_rate.holds(net, TICKS + late, best, nearest):
        return None
    seen = [
        naive_rate.run(net, image, TICKS, best, nearest, apart)
        for image in case.images.reshape(len(case.images), -1).tolist()
    ]
    analog = [naive_rate.is_analog(net, p, best) for p in range(len(net.populations) - 1)]
    spiking = [p for p, is_analog in enumerate(analog) if not is_analog]
    totals = [naive_rate.total(one, late) for one in seen]
    return {
        "logits": [one.logits for one in seen],
        "predictions": [one.predictions for one in seen],
        "synops": [one.synops for one in seen],
        "spikes": [[[row[p] for row in total] for p in spiking] for total in totals],
        "per tick": [[sum(one.spikes[tick][p] for one in seen) for tick in range(TICKS + late)] for p in spiking],
        "work": [
            [sum(parts) for parts in zip(*rows, strict=True)] for rows in zip(*(one.work for one in seen), strict=True)
        ],
        "macs": seen[0].macs,
        "latency": list(range(1 + late, TICKS + 1 + late)),
        "inexact": [case.net.populations[p].name for p in spiking if net.populations[p].kind == "max_pool"],
    }


def differs(make: Any, one: Drawn) -> str:
    """What of a run first differs from the naive twin, "" when nothing does."""
    twin = make(one.case.net, one.setting, one.rounding)
    try:
        result = twin.run(one.case.images, TICKS, one.apart, range(1, TICKS + 1), threads=1)
    except RangeError:
        return "refused" * (one.expected is not None)
    if one.expected is None:
        return "not refused"
    found = {
        "logits": result.logits.tolist(),
        "predictions": result.predictions.tolist(),
        "synops": result.synops.tolist(),
        "spikes": [[rows[b].tolist() for rows in result.spikes.values()] for b in range(len(one.case.images))],
        "per tick": [rows.tolist() for rows in result.spikes_per_tick.values()],
        "work": np.stack(
            [result.work.openings, result.work.comparisons, result.work.resets, result.work.synops], axis=1
        ).tolist(),
        "macs": twin.macs,
        "latency": result.latency.tolist(),
        "inexact": list(result.inexact),
    }
    return next((name for name in found if one.expected[name] != found[name]), "")


@pytest.fixture(scope="module")
def many() -> list[Drawn]:
    """The first cases of the strategy that have a twin, each option in turn, and what the naive twin says of them."""
    found: list[Drawn] = []

    def add(case: Case) -> None:
        case = with_twin(case)
        net, (setting, rounding, apart) = naive.load(to_bytes(case.net)), EVERY[len(found) % len(EVERY)]
        told = expected(case, net, setting == "best", rounding == "nearest", apart)
        found.append(Drawn(case, net, setting, rounding, apart, told))

    @settings(generated, max_examples=COUNT)
    @given(cases(max_fs=3))
    def collect(case: Case) -> None:
        assume(not case.net.gates)  # RATE-1
        add(case)

    collect()
    add(Case(residual(), draw(residual(), 2)))  # groups behind what spikes
    return found


def test_twin_is_the_naive_one(many: list[Drawn]) -> None:
    """In every setting, in the same tick and apart, logits, classes, spikes, SynOps, work and latency are the naive
    twin's at every t (RATE, COUNT-8).
    """
    seen: Counter[str] = Counter()
    for one in many:
        assert naive_rate.takes(one.net)
        assert differs(rate_coded, one) == "", f"{one.setting} {one.rounding} apart {one.apart}\n{one.case}"
        fs = [p for p in one.case.net.populations if isinstance(p, FS)]
        seen.update(
            {
                f"{one.setting} {one.rounding} {one.apart}": 1,
                "pools": len(one.expected["inexact"]) > 0 if one.expected else 0,
                "deep": len(fs) > 1,
            }
        )
        seen["clipped"] += any(relu_theta(p.table) is None for p in fs)
        seen["fires"] += one.expected is not None and any(total > 0 for total in one.expected["synops"][0])
    assert len(seen) == len(EVERY) + 4 and min(seen.values()) >= COUNT // 16, seen


def overflows(net: naive_rate.Net, best: bool, nearest: bool, ticks: int) -> bool:
    """Whether a membrane may leave 64 bits within so many ticks, by the oracle (RATE-8)."""
    return not naive_rate.holds(net, ticks, best, nearest)


def test_the_last_tick_that_is_proved_is_the_naive_one(many: list[Drawn]) -> None:
    """The largest number of ticks that may run is the same to the tick when every synapse is counted by hand
    (RATE-8).
    """
    for one in many[:40]:
        best, nearest = one.setting == "best", one.rounding == "nearest"
        made = twin.neurons(one.case.net, one.setting, one.rounding)  # type: ignore[arg-type]
        reach = twin.reaches(one.case.net, made)
        breaks = partial(overflows, one.net, best, nearest)
        beyond = bisect_left(range(2**60), True, key=breaks)
        twin.check_ticks(reach, made, beyond - 1)
        if beyond < 2**60:
            with pytest.raises(RangeError, match="RATE-8"):
                twin.check_ticks(reach, made, beyond)


MUTANTS = [  # file, what it says, what it says instead
    ("kernels", "fires = u >= threshold[n]", "fires = u > threshold[n]"),
    ("kernels", "v[n] = u - threshold[n] * fires", "v[n] = u * (1 - fires)"),
    ("kernels", "v[n] = u - threshold[n] * fires", "v[n] = max(u - threshold[n] * fires, 0)"),
    ("kernels", "            own[n] = 0\n", ""),
    ("kernels", "runs[i, 0] + first", "runs[i, 0]"),
    ("kernels", "leaving, first = weights[channel]", "leaving, first = weights[0]"),
    ("kernels", "total += fan[spikes[e]]", "total += 1"),
    ("kernels", "sent[channel, place] > most", "sent[channel, place] >= most"),
    (
        "kernels",
        "most, passes = sent[channel, place], fired[channel, place]",
        "passes = passes or fired[channel, place]",
    ),
    ("kernels", "            fired[spikes[e] % channels, spikes[e] // channels] = 0\n", "            pass\n"),
    ("kernels", "total += fan[window * channels + channel]", "total += 1"),
    ("neurons", "L = zeros + p.max_code + 1", "L = zeros + p.max_code"),
    ("neurons", "1 + p.table.rows(p.shape[0])[2].sum(axis=1)", "p.table.rows(p.shape[0])[2].sum(axis=1)"),
    ("neurons", "half = one // 2 if", "half = 0 * one if"),
    (
        "neurons",
        "else zeros\n                found[p.name] = Neurons(L, one",
        "else one\n                found[p.name] = Neurons(L, one",
    ),
    ("neurons", "one * L // 2 if best else zeros", "zeros"),
    ("neurons", "one * L // 2 if best else zeros", "one * L // 2"),
    ("neurons", "below.levels, zeros", "below.levels - 1, zeros"),
    (
        "neurons",
        "found[p.name] = found[p.source]\n",
        "found[p.name] = found[p.source] + 1\n",
    ),
    (
        "neurons",
        "for q in net.into(p.name).values() if not made[q.source].analog]",
        "for q in net.into(p.name).values()]",
    ),
    ("ticks", "delayed(last[source], now[source])", "now[source]"),
    ("ticks", "delayed(last[source], now[source])", "(np.zeros(0, np.int32), now[source][1] * 0)"),
    ("ticks", "v[name] + np.cumsum(arriving + gains[name], axis=0)", "v[name] + np.cumsum(arriving, axis=0)"),
    ("ticks", "v[name] = logits[rows.stop - 1]", "v[name] = logits[rows.start]"),
    ("ticks", "                    arriving[:] = 0\n", ""),
    ("ticks", "runs[:, 1] + each * size", "runs[:, 1]"),
    ("ticks", "gain = gain + flat(", "gain = flat("),
    ("ticks", "            last = now\n", ""),
    ("ticks", "weights * levels[:, None]", "weights * levels[0]"),
    ("twin", "at = chosen - 1 + late", "at = chosen - 1"),
    ("twin", "classes_of(after[late:])", "classes_of(after[: len(after) - late])"),
    ("twin", "return self.checkpoints + self.depth", "return self.checkpoints"),
    ("twin", "ticks = int(steps) + late", "ticks = int(steps) + late + 1"),
    ("twin", "rate_work(*size, self.latency,", "rate_work(*size, self.checkpoints,"),
    ("twin", "for p in self.twin.net.fs]", "for p in self.twin.net.populations if p.name in self.spikes]"),
    ("twin", "looks + images * steps * classes", "looks"),
    ("twin", "synops + images * macs", "synops"),
    ("twin", "if self.neurons[q.source].analog)", ")"),
]


def mutant(file: str, old: str, new: str) -> Any:
    """`rate_coded` with one line of one file changed."""
    kernels = altered(ROOM / "kernels.py", *(old, new) * (file == "kernels"))
    made = altered(ROOM / "ticks.py", *(old, new) * (file == "ticks"), kernels=kernels)
    algebra = altered(ROOM / "neurons.py", *(old, new) * (file == "neurons"))
    names = {name: getattr(algebra, name) for name in ("neurons", "depth", "reaches", "check_ticks")}
    return altered(ROOM / "twin.py", *(old, new) * (file == "twin"), Machine=made.Machine, **names).rate_coded


def told(make: Any, many: list[Drawn]) -> bool:
    """Whether some case tells a twin from the naive one. One that raises is told, too."""
    for one in many:
        try:
            if differs(make, one):
                return True
        except (IndexError, ValueError, TypeError, OverflowError):
            return True
    return False


def test_the_twin_runs_as_plain_python(many: list[Drawn]) -> None:
    """Without a change and without Numba nothing is told."""
    assert not told(mutant("", "", ""), many[:24])


@pytest.mark.parametrize(("file", "old", "new"), MUTANTS)
def test_mutants_are_told(many: list[Drawn], file: str, old: str, new: str) -> None:
    """A typical mistake in one line is told by the drawn networks."""
    assert told(mutant(file, old, new), many)


def lone(theta: int, steps: int, bias: int) -> Network:
    """One neuron of constant gain: nothing but its bias."""
    return chain(FS("fs", ONE, fs_relu(steps, theta), [bias]), given=Input("in", ONE, 1, 1))


def test_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`fsref evaluate NET --rate T` shows accuracy against time, with --json the same figures; its options need --rate,
    and rounding is asked for (RATE).
    """
    given = [
        "evaluate",
        "digits",
        "--limit",
        "4",
        "--rate",
        "12",
        "--setting",
        "classic",
        "--apart",
        "--energy",
        "horowitz_2014",
    ]
    assert main([*given, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)["rate"]
    net = load("digits")
    images = load_images("digits", net, limit=4)
    result = rate_coded(net, "classic", "nearest").run(images.x, 12, apart=True)
    right = result.correct(images.y)
    rows = plain["checkpoints"]
    assert (plain["depth_ticks"], plain["inexact"], plain["image_count"]) == (5, ["pool"], 4)
    assert [(row["t"], row["latency_steps"], row["correct"]) for row in rows] == [
        (8, 13, right[7]),
        (12, 17, right[11]),
    ]
    assert plain["correct_at_every_t"] == right.tolist()
    assert [row["spikes_per_neuron"] for row in rows] == result.spikes_per_neuron.tolist()
    assert [row["synops_per_image"] for row in rows] == result.synops.mean(axis=0).tolist()
    spent = rate_score(result, images.y, PRESETS["horowitz_2014"]).energy_pj_per_image
    assert spent is not None and [row["energy_pj_per_image"] for row in rows] == spent.tolist()
    assert plain["costs"]["name"] == "horowitz_2014"
    assert main(given) == 0
    out = capsys.readouterr().out
    flat = " ".join(out.split())
    assert f"{spent[1]:,.1f}" in flat and "costs horowitz_2014 [COUNT-8]" in flat and "[RATE-5]" in flat
    row = f"12 {100 * right[11] / 4:.2f} {right[11]} 17 {result.spikes_per_neuron[1]:.3f}"
    assert row in flat and "latency t, and 5 ticks from layer to layer [RATE-6]" in flat
    assert "FS latency 33 steps; an image every 8 steps" in flat
    together = rate_score(rate_coded(net, "classic").run(images.x, 12), images.y)
    told = [row["scheduled_latency_steps"] for row in together.to_dict()["checkpoints"]]
    assert together.result.scheduled_latency.tolist() == told == [8 + 4, 12 + 4]
    assert "on FS" in str(together)
    assert repr(together.result) == f"<RateResult of <Twin of digits, id {net.id[:12]}, classic>: 4 images, T = 12>"
    replace(net, provenance={}).save(tmp_path / "silent.fs.npz")
    assert main(["evaluate", str(tmp_path / "silent.fs.npz"), "--data", "digits", "--rate", "8"]) == 2
    assert "--rounding" in capsys.readouterr().err
    for wrong, line in (
        (["--apart"], "--apart: goes with --rate [RUN-6]"),
        (["--setting", "best"], "--setting: goes with --rate [RUN-6]"),
        (["--rate", "0"], "--rate"),
    ):
        assert main(["evaluate", "digits", *wrong]) == 2
        assert line in capsys.readouterr().err


@pytest.mark.parametrize("theta", [1, 2, 7, 1000])
def test_constant_gain(theta: int) -> None:
    """Under a constant gain i a neuron has sent clamp(floor((start + n·i) / (theta·L)), 0, n) spikes after n ticks
    (RATE-2).
    """
    V, count = theta * 8, 3 * ticks.BLOCK + 1
    for gain in {-5, -1, 0, 1, theta - 1, theta, theta + 1, 3 * theta + 1, V - 1, V, V + 1, 5 * V}:
        for setting, start in (("classic", 0), ("best", V // 2)):
            result = rate_coded(lone(theta, 3, gain), setting, "floor").run(
                np.zeros((1, 1, 1, 1), np.int64), count, checkpoints=range(1, count + 1)
            )
            assert result.spikes["fs"][0].tolist() == [
                min(max((start + n * gain) // V, 0), n) for n in range(1, count + 1)
            ], gain


def test_input_spikes() -> None:
    """An input neuron has sent floor(n·q / (max_code + 1)) spikes after n ticks; an analog input sends none, and no
    operations are counted for it (RATE-4).
    """
    net = Network([Input("in", (1, 1, 1), 5, 16), Readout("out", (1, 1, 1), [1])], [Dense("in", "out", [[3]])])
    for code in range(17):
        x = np.full((1, 1, 1, 1), code)
        spiking, analog = (
            rate_coded(net, setting).run(x, 40, checkpoints=range(1, 41)) for setting in ("classic", "best")
        )
        sent = [n * code // 17 for n in range(1, 41)]
        assert spiking.spikes["in"][0].tolist() == spiking.synops[0].tolist() == sent
        assert spiking.logits[0, :, 0].tolist() == [n + 3 * 17 * s for n, s in enumerate(sent, 1)]
        assert analog.logits[0, :, 0].tolist() == [n + 3 * n * code for n in range(1, 41)]
        assert not analog.spikes
        assert not analog.synops.any()


def test_pool_passes_the_busiest_candidate() -> None:
    """A pool's spikes are those of the candidate ahead: of counts 1, 1 the first's, and its own count is not the
    largest (RATE-5).
    """
    net = Network(
        [Input("in", (1, 1, 2), 2, 3), MaxPool("pool", (1, 1, 1), "in", (1, 2), (1, 1)), Readout("out", (1, 1, 1))],
        [Dense("pool", "out", [[1]])],
    )
    result = rate_coded(net, "classic").run([[[[1, 2]]]], 8)
    per_tick = {name: rows.tolist() for name, rows in result.spikes_per_tick.items()}
    # 1 sends in ticks 4 and 8, 2 in ticks 2, 4, 6 and 8.
    assert per_tick == {"in": [0, 1, 0, 2, 0, 1, 0, 2], "pool": [0, 1, 0, 1, 0, 1, 0, 1]}
    assert result.inexact == ("pool",)
    late = rate_coded(net, "classic").run([[[[3, 3]]]], 4)
    assert late.spikes["pool"].tolist() == [[3]]
    analog = rate_coded(net, "best").run([[[[1, 2]]]], 8)
    assert analog.inexact == () and analog.logits[0, -1].tolist() == [16]


def test_other_tables_are_refused() -> None:
    """A table that is no clamped division is refused by population, channel and step; clipped ones are taken
    (RATE-1).
    """
    rng = np.random.default_rng(3)
    tried: Counter[bool] = Counter()
    for _ in range(100):
        good = (
            Coding(1.0, 0, int(rng.integers(1, 40)), False).table(rng.integers(1, 9, 2))
            if rng.random() < 0.7
            else fs_relu(4, rng.integers(1, 9, 2))
        )
        rows = {
            name: rng.permuted(np.broadcast_to(getattr(good, name), (2, good.steps)).copy(), axis=1)
            if rng.random() < 0.02
            else getattr(good, name).copy()
            for name in "Thd"
        }
        if rng.random() < 0.5:
            rows[str(rng.choice(list("Thd")))][..., rng.integers(good.steps)] += rng.integers(-1, 2)
        net = tiny(
            populations=[Input("in", (1, 2, 2), 4, 15), FS("hid", (2, 1, 1), Table(**rows)), Readout("out", (2, 1, 1))],
            projections=[Dense("in", "hid", [[1] * 4] * 2), Dense("hid", "out", [[1, 1]] * 2)],
        )
        takes = naive_rate.takes(oracle(net))
        tried[takes] += 1
        if takes:
            rate_coded(net, "best", "floor")
        else:
            with pytest.raises(NetworkError, match=r"RATE-1") as caught:
                rate_coded(net, "best", "floor")
            assert caught.value.place.startswith("hid channel ")
    assert min(tried.values()) > 15
    with refused(NetworkError, "RATE-1", "mid channel 0 step 0"):
        rate_coded(residual(), "best", "floor")
    far = Table(T=[2**58, 2**58], h=[2**58, 2**58], d=[2**31 - 1, 1])
    with refused(NetworkError, "RATE-1", "hid channel 0 step 0"):
        rate_coded(
            tiny(populations=[Input("in", (1, 2, 2), 4, 15), FS("hid", (3, 1, 1), far), Readout("out", (2, 1, 1))]),
            "best",
            "floor",
        )


def test_rounding_is_read_or_said() -> None:
    """The rounding half is taken out where the provenance says so, of a conversion by population before the options,
    and else has to be said (RATE-3).
    """
    made = {"made_by": "fsref.convert", "options": {"rounding": "nearest"}, "populations": {"hid": {"steps": 3}}}
    biases = {"nearest": [0, -3, -1], "floor": [1, -2, 0]}
    for provenance, expected in (
        (made, "nearest"),
        ({**made, "populations": {"hid": {"rounding": "floor"}}}, "floor"),
        ({**made, "options": {"rounding": "floor"}}, "floor"),
        ({"made_by": "hand", "rounding": "nearest"}, "nearest"),
        ({"rounding": "floor"}, "floor"),
    ):
        found = rate_coded(tiny(provenance=provenance), "classic").neurons["hid"]
        assert found.bias[:, 0, 0].tolist() == biases[expected]
        asked = rate_coded(tiny(provenance=provenance), "classic", "floor").neurons["hid"]
        assert asked.bias[:, 0, 0].tolist() == biases["floor"]
    for provenance in (
        {},
        {"made_by": "hand"},
        {"made_by": "fsref.convert"},
        {**made, "options": [], "populations": 3},
        {**made, "options": {"rounding": ["nearest"]}},
        {"made_by": "hand", "options": {"rounding": "nearest"}},
        {"rounding": "up"},
    ):
        with refused(UsageError, "RATE-3", "rounding"):
            rate_coded(tiny(provenance=provenance))


def test_signed_codes_need_no_rule() -> None:
    """A population whose codes have an offset converges like any other: what its spikes carry is the code, and the
    offset stands in the biases (RATE-2).
    """
    code, offset, count = 5, 3, 8 * 64  # hid sends 5 for the real value 2, its reader takes 3 back
    signed = FS("hid", (1, 1, 1), fs_relu(3, 4), [offset * 4], offset=offset)
    net = Network(
        [Input("in", (1, 1, 1), 3, 7), signed, Readout("out", (1, 1, 1), [-offset * 10])],
        [Dense("in", "hid", [[4]]), Dense("hid", "out", [[10]])],
    )
    result = rate_coded(net, "best", "floor").run([[[[code - offset]]]], count)
    assert result.logits[0, -1, 0] == count * 10 * (code - offset)


def test_beyond_63_bits_nothing_runs() -> None:
    """A run that might leave 63 bits does not start, to the tick; one tick less does (RATE-8)."""
    net = Network(
        [Input("in", (1, 1, 1), 1, 1), Readout("out", (2, 1, 1), [2**53, -(2**53)])], [Dense("in", "out", [[0], [0]])]
    )
    made = rate_coded(net, "classic")
    assert made.run([[[[1]]]], 1023).logits[0, -1].tolist() == [1023 * 2**53, -1023 * 2**53]
    with refused(RangeError, "RATE-8", "out channel 0", 1024 * 2**53):
        made.run([[[[1]]]], 1024)
    with refused(RangeError, "RATE-8", "fs channel 0"):
        rate_coded(lone(1, 3, 2**61), "best", "floor").run([[[[0]]]], 4)


def test_what_is_refused() -> None:
    """Unknown settings and roundings, no tick or too many, checkpoints that are none, images that are no codes: one
    line each (RATE-2, RATE-7, RATE-8).
    """
    made, x = rate_coded(tiny(), "classic", "floor"), draw(tiny(), 2)
    calls: list[tuple[type[FsrefError], str, str, Any]] = [
        (UsageError, "RATE-2", "setting", lambda: rate_coded(tiny(), "fast", "floor")),  # type: ignore[arg-type]
        (UsageError, "RATE-3", "rounding", lambda: rate_coded(tiny(), "best", "up")),  # type: ignore[arg-type]
        (InputError, "RUN-1", "images", lambda: made.run(x.astype(float), 8)),
        (LimitError, "RUN-3", "rate", lambda: made.run(x, 8, memory_limit=1000)),
        *((UsageError, "RUN-3", "memory_limit", lambda n=n: made.run(x, 8, memory_limit=n)) for n in (float("nan"),)),
        *((UsageError, "RUN-2", "run", lambda n=n: made.run(x, 8, threads=n)) for n in (0, -1, 2.0)),
        *((UsageError, "RATE-8", "steps", lambda t=t: made.run(x, t)) for t in (0, -1, 65_537, 2.0, True)),
        *(
            (UsageError, "RATE-7", "checkpoints", lambda at=at: made.run(x, 8, checkpoints=at))
            for at in ([], [0], [9], [2, 2], [3, 1], [1.0])
        ),
        *(
            (UsageError, "RATE-7", "checkpoints", lambda at=at: made.run(x, 8, checkpoints=at))
            for at in ([True], [[1]], [[1], 2])
        ),
        *(
            (UsageError, "RATE-7", "checkpoints", lambda at=at: made.run(x, 8, checkpoints=np.array(at, np.uint8)))
            for at in ([5, 3, 8], [5, 200, 8])
        ),
    ]
    for kind, rule, place, call in calls:
        with refused(kind, rule, place):
            call()
    with refused(InputError, "RUN-1", "labels"):
        made.run(x, 8).correct([0])


def test_memory_bound_holds() -> None:
    """The memory of a run never exceeds its bound, tables included, and a run whose bound exceeds the limit does not
    start (RUN-3).
    """
    rng = np.random.default_rng(5)
    wide = Network(
        [Input("in", (4, 25, 40), 2, 3), FS("hid", (500, 1, 1), fs_relu(3, 40)), Readout("out", (2, 1, 1))],
        [Dense("in", "hid", rng.integers(-3, 4, (500, 4000))), Dense("hid", "out", rng.integers(-3, 4, (2, 500)))],
    )
    deep = Network(
        [
            Input("in", (32, 8, 8), 3, 7),
            FS("hid", (32, 8, 8), fs_relu(3, 9)),
            MaxPool("pool", (32, 6, 6), "hid", (3, 3), (1, 1)),
            Readout("out", (2, 1, 1)),
        ],
        [
            Conv2d("in", "hid", rng.integers(-3, 4, (32, 1, 3, 3)), padding=(1, 1, 1, 1), groups=32),
            Dense("pool", "out", rng.integers(-3, 4, (2, 32 * 36))),
        ],
    )
    for net, count, ticks_run, threads in (
        (wide, 1, 2, 1),
        (wide, 8, 40, 2),
        (deep, 2, 20, 2),
        (deep, 30, 700, 1),
        (tiny(), 50, 3000, 2),
    ):
        for setting in ("best", "classic"):
            made, x = rate_coded(net, setting, "floor"), draw(net, count)  # type: ignore[arg-type]
            made.run(x[:1], 1)
            bound = made.memory_bound(count, ticks_run, ticks_run, 1, min(threads, count))
            tracemalloc.start()
            try:
                made.run(x, ticks_run, checkpoints=[ticks_run], threads=threads, memory_limit=bound)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak <= bound < 64 * peak, (count, ticks_run, threads, setting, peak, bound)
            with refused(LimitError, "RUN-3", "rate"):
                made.run(x, ticks_run, checkpoints=[ticks_run], threads=threads, memory_limit=bound - 1)


def test_threads_change_no_value() -> None:
    """One thread or several, progress called or not, the result is the same; default checkpoints double up to T."""
    net, done = load("digits"), []
    x = load_images("digits", net).x[:6]
    made = rate_coded(net, "best", "nearest")
    one, two = made.run(x, 20, threads=1), made.run(x, 20, threads=3, progress=done.append)
    assert one.checkpoints.tolist() == [8, 16, 20] and sum(done) == 6
    for name in ("predictions", "logits", "synops", "spikes_per_neuron"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_digits_approach_the_fs_network() -> None:
    """With many ticks the twin answers as the FS network does: on 40 digits at most one differs at T = 512, in either
    setting; at T = 8 many do.
    """
    net = load("digits")
    images = load_images("digits", net)
    x, y = images.x[:40], images.y[:40]
    predicted = fsref.run(net, x).predictions
    for setting in ("classic", "best"):
        result = rate_coded(net, setting, "nearest").run(x, 512)
        assert int((result.predictions[:, -1] != predicted).sum()) <= 1
        assert result.correct(y)[-1] >= int((predicted == y).sum()) - 1 and result.inexact == ("pool",)
        assert (np.diff(result.spikes_per_neuron) > 0).all()
        assert result.twin.net.name in str(rate_score(result, y))


def test_the_longest_run() -> None:
    """A run may have 65,536 ticks (RATE-8), and counts the spikes of all of them: in 15 of 16 at 15/16 of the scale."""
    made = rate_coded(chain(FS("a", ONE, fs_relu(4))), "best", "floor")
    result = made.run([[[[15]]]], 65_536, checkpoints=[65_536])
    assert result.spikes["a"].tolist() == [[61_440]] and result.predictions.shape == (1, 65_536)
