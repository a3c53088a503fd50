"""Energy (COUNT-5, COUNT-6, COUNT-8): the formula term by term, the dense ANN synapse by synapse, the numbers of the
presets, tables that are refused.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fsref
import handmade
import refusals
from fsref.errors import FileError, UsageError
from fsref.law.network import Network
from fsref.law.neuron import fs_relu
from fsref.law.populations import FS
from fsref.metrics.counts import count
from fsref.metrics.energy import (
    KINDS,
    PRESETS,
    PRICED,
    Costs,
    costs_of,
    dense_work,
    energy,
    horowitz_2014,
    in_joules,
    read_costs,
)
from fsref.rate_coding.score import rate_score
from fsref.rate_coding.twin import rate_coded

PRIMES = Costs("primes", *(float(p) for p in (2, 3, 5, 7, 11, 13, 17, 19)))


def counted(net: Network) -> Any:
    trace = fsref.run(net, handmade.draw(net, 3), record=fsref.Record(observables=("spikes",))).trace
    assert trace is not None
    return count(trace)


def test_energy_is_the_sum_of_its_terms() -> None:
    """Each kind of operation costs what the table says, and no two kinds are mixed up."""
    counts = counted(handmade.unordered())
    total = counts.total
    assert int(total.scalings) > 0
    wanted = 3 * total.scalings + 5 * (total.synops + total.resets) + 7 * total.comparisons + 11 * total.synops
    wanted += (
        13 * (total.openings + total.comparisons + total.resets)
        + 17 * (total.synops + total.comparisons)
        + 19 * total.membrane_updates
    )
    found = energy(counts, PRIMES)
    assert found.fs_energy_pj_per_image == int(wanted) / 3
    assert found.to_dict()["fs_energy_pj_per_image"] == found.fs_energy_pj_per_image
    for kind, price in zip(KINDS, PRICED, strict=True):
        dearer = energy(counts, replace(PRIMES, **{price: getattr(PRIMES, price) + 1}))
        assert round(3 * (dearer.fs_energy_pj_per_image - found.fs_energy_pj_per_image)) == found.fs[kind]
        assert dearer.ann_energy_pj_per_image - found.ann_energy_pj_per_image == found.ann[kind]
    assert [in_joules(pj) for pj in (0, 999.9, 1000, 3_055_478_955.6, 2.5e12)] == [
        "0.0 pJ",
        "999.9 pJ",
        "1.0 nJ",
        "3.1 mJ",
        "2,500.0 mJ",
    ]
    text = str(found)
    assert (
        f"energy per image  FS {in_joules(found.fs_energy_pj_per_image)}, "
        f"dense ANN {in_joules(found.ann_energy_pj_per_image)}"
    ) in text
    assert f"= {found.fs_energy_pj_per_image:,.1f}" in text and f"= {found.ann_energy_pj_per_image:,.1f}" in text


@pytest.mark.parametrize("make", [handmade.tiny, handmade.residual, handmade.unordered])
def test_the_dense_ann_does_every_synapse_once(make: Any) -> None:
    """Multiply-accumulates are the naive list of synapses; biases and comparisons are of neurons; codes do not
    matter.
    """
    net, oracle = make(), handmade.oracle(make())
    macs = sum(len(leaving) for joint in oracle.projections for leaving in joint.synapses)
    biases = sum(len(one.bias) for one in oracle.populations)
    compared = sum(len(one.bias) for one in oracle.populations if one.kind == "fs")
    found = energy(counted(net), PRIMES)
    assert found.ann["multiplications"] == int(dense_work(net).synops) == macs
    assert found.ann_energy_pj_per_image == macs * (2 + 5 + 11 + 17 + 19) + biases * (13 + 19) + compared * (
        7 + 13 + 17
    )
    assert found.fs["multiplications"] == found.ann["scalings"] == 0


@pytest.mark.parametrize("setting", ["classic", "best"])
def test_rate_coding_is_under_the_same_table(setting: Any) -> None:
    """At every checkpoint the twin's energy is the sum of its terms; the sums of an analog input are multiplied and
    added once per image (COUNT-8).
    """
    net = handmade.residual(fs_relu(5, 9))
    oracle = handmade.oracle(net)
    x = handmade.draw(net, 3)
    result = rate_coded(net, setting, "nearest").run(x, 9, checkpoints=[2, 9])
    macs = sum(len(leaving) for joint in oracle.projections if joint.source == 0 for leaving in joint.synapses) * (
        setting == "best"
    )
    fs, out = (sum(len(one.bias) for one in oracle.populations if one.kind == kind) for kind in ("fs", "readout"))
    spent = rate_score(result, [0, 0, 0], PRIMES).energy_pj_per_image
    assert spent is not None and result.twin.macs == macs and (macs > 0) == (setting == "best")
    for i, t in enumerate((2, 9)):
        spikes = sum(int(result.spikes[p.name][:, i].sum()) for p in net.populations if isinstance(p, FS))
        synops, biases, looks = int(result.synops[:, i].sum()) + 3 * macs, 3 * t * (fs + out), 3 * t * fs
        wanted = 2 * 3 * macs + 5 * (synops + spikes) + 7 * looks + 11 * synops + 13 * (biases + looks + spikes)
        wanted += 17 * (synops + looks) + 19 * (biases + synops + spikes)
        assert spikes and spent[i] == wanted / 3
    assert rate_score(result, [0, 0, 0]).energy_pj_per_image is None


def test_presets_are_the_numbers_of_the_paper() -> None:
    """Horowitz 2014, 45 nm, in pJ; each number says where it is from."""
    costs = horowitz_2014()
    assert (costs.multiplication_pj, costs.scaling_pj, costs.addition_pj, costs.comparison_pj) == (0.2, 3.1, 0.1, 0.1)
    access = {name: {getattr(c, p) for p in PRICED if "read" in p or "write" in p} for name, c in PRESETS.items()}
    assert access == {
        "horowitz_2014": {20.0},
        "horowitz_2014_8kb": {10.0},
        "horowitz_2014_1mb": {100.0},
        "horowitz_2014_dram": {1300.0},
        "horowitz_2014_arithmetic": {0.0},
    }
    for preset in PRESETS.values():
        assert set(preset.sources) == set(PRICED)
        assert "ISSCC 2014" in preset.source
        for name, text in preset.sources.items():
            price = getattr(preset, name)
            assert f": {price:g} pJ" in text or (price == 1300 and "1.3 to 2.6 nJ" in text)
    for unknown in ("2mb", ["8kb"]):
        with refusals.refused(UsageError, "COUNT-5", value=unknown):
            horowitz_2014(unknown)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "1", None, True, 10**400, [1]])
def test_costs_that_are_refused(value: Any) -> None:
    """No cost is negative, endless or no number; one line says which."""
    with refusals.refused(UsageError, "COUNT-5", "costs primes weight_read_pj"):
        replace(PRIMES, weight_read_pj=value)


def test_a_table_from_a_file(tmp_path: Path) -> None:
    table = {name: i / 2 for i, name in enumerate(PRICED)}
    path = tmp_path / "chip.json"
    path.write_text(json.dumps({**table, "sources": {"addition_pj": "measured"}}))
    assert costs_of(str(path)) == Costs("chip.json", **table, sources={"addition_pj": "measured"})
    assert costs_of("horowitz_2014") is PRESETS["horowitz_2014"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"{", FileError),
        (b"[]", FileError),
        (b"\xff", FileError),
        (b'{"addition_pj": 1}', FileError),
        (b"[" * 100_000, FileError),
        (b"[" * 60_000, FileError),
        (b'{"BODY", "colour_pj": 1}', FileError),
        (b'{"BODY", "addition_pj": 1}', FileError),
        (b'{"BODY", "name": 3}', FileError),
        (b'{"BODY", "sources": {"addition_pj": 3}}', FileError),
        (b'{"BODY", "name": "\\ud800"}', FileError),
        (b'{"BODY", "sources": {"addition_pj": "\\udfff"}}', FileError),
        (b'{"NAN"}', UsageError),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: bytes, kind: Any) -> None:
    """What is no whole table of costs is refused in one line: half JSON, missing, unknown and double costs, NaN, too
    deep, too large.
    """
    body = ", ".join(f'"{name}": 1' for name in PRICED)
    path = tmp_path / "costs.json"
    path.write_bytes(text.replace(b'"BODY"', body.encode()).replace(b'"NAN"', body.replace("1", "NaN", 1).encode()))
    with refusals.refused(kind, "COUNT-5"):
        read_costs(path)


def test_a_misspelt_cost_is_named(tmp_path: Path) -> None:
    """A key that is no cost is told before the cost that is missing for it."""
    table = {name: 1 for name in PRICED if name != "addition_pj"}
    (tmp_path / "chip.json").write_text(json.dumps({**table, "adition_pj": 1}))
    with refusals.refused(FileError, "COUNT-5", value="adition_pj"):
        read_costs(tmp_path / "chip.json")


def test_what_is_no_table(tmp_path: Path) -> None:
    with refusals.refused(FileError, "COUNT-5"):
        costs_of(str(tmp_path / "missing.json"))
    with refusals.refused(UsageError, "COUNT-5", "costs", "horowitz"):
        costs_of("horowitz")


@pytest.mark.parametrize(
    ("pj", "text"),
    [
        (0.04, "0.0 pJ"),
        (999.9, "999.9 pJ"),
        (1000, "1.0 nJ"),
        (999_900, "999.9 nJ"),
        (1e6, "1.0 uJ"),
        (4_560_000, "4.6 uJ"),
        (999_900_000, "999.9 uJ"),
        (1e9, "1.0 mJ"),
        (1e12, "1,000.0 mJ"),
    ],
)
def test_energies_to_read(pj: float, text: str) -> None:
    """A unit for every thousand: pJ, nJ, uJ, mJ."""
    assert in_joules(pj) == text


def test_the_units_of_an_energy() -> None:
    """A unit begins at 1,000 of the one before it."""
    told = {999_949: "999.9 nJ", 10**6: "1.0 uJ", 3_050_000: "3.0 uJ", 999_949_999: "999.9 uJ", 10**9: "1.0 mJ"}
    assert {pj: in_joules(pj) for pj in told} == told


def test_a_file_of_costs_may_have_65536_bytes(tmp_path: Path) -> None:
    """One byte more is refused (COUNT-5)."""
    path, table = tmp_path / "costs.json", json.dumps(dict.fromkeys(PRICED, 1))
    path.write_text(table.ljust(65_536))
    assert read_costs(path).addition_pj == 1
    path.write_text(table.ljust(65_537))
    with refusals.refused(FileError, "COUNT-5", says="at most 65536 bytes"):
        read_costs(path)
