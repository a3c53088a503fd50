"""Golden vectors (VECTOR-1 to VECTOR-5): what they expect, which mistakes they catch, their file, `fsref vectors`."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naive
from chip import BUGS, Chip
from fsref import FS, Conv2d, Dense, FsrefError, Gate, Input, MaxPool, Network, Readout, Table, View
from fsref.cli.main import main
from fsref.conformance.driven import Driven
from fsref.conformance.frames import load_frame, run_frame, to_hex
from fsref.conformance.replies import frames, items, judged
from fsref.errors import FileError, NetworkError, UsageError
from fsref.limits.chip import Limits
from fsref.limits.misfits import misfits
from fsref.vectors import aimed, forms, making
from fsref.vectors.case import SCOPES, Case, case_of
from fsref.vectors.chains import chains
from fsref.vectors.drawing import Draws
from fsref.vectors.flags import flagged
from fsref.vectors.making import make, of_pack
from fsref.vectors.pack import SCHEMA_FILE, Pack, Reject, canonical, lines, write
from fsref.vectors.protocol import PROTOCOLS, protocols, stalled
from fsref.vectors.reader import read
from fsref.vectors.room import Room
from fsref.verification.aims import first_populations
from fsref.verification.gate_causes import GATES
from handmade import oracle, residual, tiny

SMALL = Limits(name="small", kinds=("input", "fs", "readout", "dense"), steps=(2, 5), weight_bits=6, tables="relu")
NARROW = Limits(
    name="narrow",
    kinds=("input", "fs", "max_pool", "readout", "conv2d", "dense"),
    steps=(1, 8),
    weight_bits=8,
    bias_bits=18,
    membrane_bits=24,
    shape=(16, 8, 8),
    kernel=(3, 3),
    stride=(2, 2),
    padding=(1, 1),
    theta="layer",
    theta_power_of_two=True,
    tables="relu",
    bias_map=False,
)
DRAWN = "05ce5e9ac35a2f6dffe2ad06499bff0cec72894265042f513ab342ed5844f127"  # of ids of cases, with every NumPy
LARGE = 1_500  # integers of a case on which the naive oracle is not asked
UNSEEN = {  # of the mistakes of a chip, those that cannot show where only this is driven or answered
    "spikes": {"logits-clipped", "logits-16-bits"},
    "population": {bug for bug in BUGS if bug.startswith("pool-")},
    "neuron": set(BUGS)
    - set("strict saturates-late no-reset late-reset reset-by-threshold theta-power-of-two".split())
    - set("first-row-for-all d-without-sign steps-15 one-step-more train-reversed clamps-at-0".split()),
}


@cache
def pack(*scopes: str) -> Pack:
    """The level-1 pack without limits, of some scopes; of all unless told."""
    return make("pack", scopes=scopes or SCOPES)


@cache
def pools() -> Pack:
    """The level-1 pack of max-pools alone."""
    return make("pools", scopes=["max_pool"])


@cache
def small() -> Pack:
    """A pack that is made quickly."""
    return make("small", chip=SMALL)


def expected_by_naive(case: Case, net: naive.Net) -> dict[tuple[str, str], list[Any]]:
    """What the naive oracle expects of a case, from what is given."""
    place = {p.name: i for i, p in enumerate(case.net.populations)}
    labels = list(case.net.named_projections)
    if case.scope == "network":
        (image,) = (array.tolist() for array in case.given.values())
        seen = naive.simulate(net, image)
    else:
        seen = naive.Observed({}, {}, {}, {}, {}, [], -1, {})
        for (of, what), array in case.given.items():
            (seen.opening if what == "opening" else seen.trains)[place[of]] = array.tolist()
        for i in seen.trains:
            own = net.populations[i]
            steps = [(t, naive.spikes(net, seen, i, t)) for t in range(own.steps)]
            seen.codes[i] = [sum(own.rows["d"][c][t] * z[n] for t, z in steps) for n, c in enumerate(own.channel)]
        for j, projection in enumerate(net.projections):
            if projection.source in seen.trains and (projection.kind != "gate" or projection.factor in seen.trains):
                naive.deliver(net, seen, j)
        if case.scope != "projection":
            p = place[case.unit]
            one = net.populations[p]
            if case.scope == "population":
                into = [seen.sums[j] for j, projection in enumerate(net.projections) if projection.target == p]
                seen.opening[p] = [sum(parts) for parts in zip(one.bias, *into, strict=True)]
            if one.kind == "fs":
                table = list(zip(one.rows["T"], one.rows["h"], one.rows["d"], strict=True))
                fired = [naive.fire(v, *table[c]) for v, c in zip(seen.opening[p], one.channel, strict=True)]
                seen.trains[p], seen.codes[p] = [f[0] for f in fired], [f[1] for f in fired]
                seen.membranes[p] = [[f[2][t] for f in fired] for t in range(one.steps)]
            if one.kind == "max_pool":
                before = [naive.spikes(net, seen, one.source, t) for t in range(one.steps)]
                seen.trains[p] = [naive.pool(window, before) for window in one.windows]
                steps = [(t, naive.spikes(net, seen, p, t)) for t in range(one.steps)]
                seen.codes[p] = [sum(one.rows["d"][c][t] * z[n] for t, z in steps) for n, c in enumerate(one.channel)]
    found: dict[tuple[str, str], list[Any]] = {}
    for of, what in case.expected:
        if what == "sums":
            found[of, what] = seen.sums[labels.index(of)]
        else:
            name = {"spikes": "trains"}.get(what, what)
            found[of, what] = getattr(seen, name)[place[of]]
    return found


def caught(cases: Sequence[Case], bug: str, *observed: str) -> dict[str, Case]:
    """The first case that a chip answers wrongly, by what is looked at: all observables (""), one, or the logits."""
    chip, found = Chip(bug), dict[str, Case]()
    loaded = None
    for case in cases:
        keys = list(case.expected)
        if loaded is not case.net:
            chip.answer(load_frame(case.net).tolist())
            loaded = case.net
        run = run_frame(case.net, case.given, keys).tolist()
        for _ in range(1 + (case.protocol == "repeat")):
            reply = chip.answer(run)
            at = 1
            for key in keys:
                right = case.expected[key].reshape(-1).tolist()
                if reply[at : at + 1 + len(right)] != [len(right), *right]:
                    seen = {"", key[1], "logits" if key == (case.net.readout.name, "opening") else ""}
                    found = dict.fromkeys(seen & set(observed or ("",)), case) | found
                at += 1 + len(right)
        if found.keys() == set(observed or ("",)):
            break
    return found


def test_expected_is_what_the_naive_oracle_says() -> None:
    """Every array that a case expects is what the naive simulator says of what is given: of each network and scope the
    last case that is not large.
    """
    nets: dict[str, naive.Net] = {}
    assert {case.scope for case in pack().cases} == set(SCOPES)
    few = [case for case in pack().cases if sum(array.size for array in case.expected.values()) < LARGE]
    assert len(few) > len(pack().cases) / 2
    for case in {(case.net.id, case.scope): case for case in few}.values():
        if case.net.id not in nets:
            nets[case.net.id] = oracle(case.net)
        right = expected_by_naive(case, nets[case.net.id])
        assert {key: array.tolist() for key, array in case.expected.items()} == right, case.id


def test_a_right_chip_passes_and_wrong_ones_fail_in_scope_network() -> None:
    """Level 1 catches each mistake planted in a chip that answers all, or the logits alone, or the spikes alone, in
    scope network; a right chip passes.
    """
    cases, looked = pack("network").cases, ("", "logits", "spikes")
    assert caught(cases, "", *looked) == {}
    found = {bug: caught(cases, bug, *looked) for bug in BUGS}
    for observed in looked:
        assert {bug for bug in BUGS if observed not in found[bug]} == UNSEEN.get(observed, set())


def test_wrong_chips_fail_in_all_scopes_together() -> None:
    """Level 1 of all scopes catches each planted mistake within its 100 cases, too."""
    assert caught(pack().cases, "") == {}
    assert [bug for bug in BUGS if not caught(pack().cases, bug)] == []


def test_wrong_neurons_fail_alone() -> None:
    """The cases of scope neuron that are tried for level 1 catch each mistake of a neuron."""
    cases = list(aimed.for_limits(Limits(), ["neuron"], 0, aimed.TURNS[1]))
    assert caught(cases, "") == {}
    assert [bug for bug in BUGS if bug not in UNSEEN["neuron"] and not caught(cases, bug)] == []


def test_flags_are_the_mistakes_that_show() -> None:
    """A case has the flag of a mistake exactly when a chip with it answers the case otherwise."""
    for flag, bug in {"strict-comparison": "strict", "lowest-weight-clipped": "low-weight-clipped"}.items():
        cases = [c for c in pack("network").cases if len(c.net.populations) == 3]
        assert {c.id for c in cases if flag in c.flags} == {c.id for c in cases if caught([c], bug)}


def test_mistakes_of_gates_and_views_have_a_flag() -> None:
    """Every known mistake of gates, and every kind of bin of gates and views, is met in the level-1 pack without
    limits; its networks have factors that are maps, of one place, the source itself, and that wait.
    """
    flags = {flag for case in pack("network").cases for flag in case.flags}
    assert {cause.name for cause in GATES} <= flags
    assert {"GATE-1", "VIEW-1"} <= set(pack("network").bins) and pack("network").not_found == []
    nets = {case.net.name for case in pack("network").cases}
    assert {"gate_map", "gate_place", "gate_itself", "gate_waits", "view"} <= nets


def test_stale_state_shows() -> None:
    """A chip that keeps a membrane, a dropped candidate or weights answers each case alone rightly, fresh from a load,
    and is caught where cases follow one another (VECTOR-5).
    """
    cases = pack("network").cases
    for bug in ("stale-membrane", "pool-stale", "stale-weights", "stale-bias"):
        assert all(not caught([replace(case, protocol="")], bug) for case in cases[::3])
        assert caught(cases, bug)
    told = [case.protocol for case in protocols([cases[0]] * 16)]
    assert told[:2] == ["", ""] and set(told) == set(PROTOCOLS)
    assert [case.protocol for case in protocols(cases[:1])] == ["repeat"]


def test_level_1_has_at_most_100_cases_and_level_2_the_rest() -> None:
    """Level 2 begins with the cases of level 1, and goes on; no case stands in it twice."""
    one, two = pools(), make("pools", level=2, scopes=["max_pool"])
    assert len(pack().cases) == len(pack("network").cases) == aimed.MOST == 100
    found = [case.id for case in two.cases]
    assert found[: len(one.cases)] == [case.id for case in one.cases] and len(found) > 2 * len(one.cases)
    assert len(set(found)) == len(found)


def test_what_is_promised_is_reached() -> None:
    """A pack promises kinds of bins of every rule that its scopes can meet, and reaches them; of a network each bin is
    reached, proved unreachable, or named as not found.
    """
    assert pack().not_found == [] and {"NET-7", "FS-2", "PROJ-1", "POOL-1", "TIME-5"} <= set(pack().bins)
    for made in (pack(), make("residual", residual()), make("tiny", tiny(), scopes=["network"])):
        for counts in made.bins.values():
            assert counts["promised"] == counts["reached"] + counts["unreachable"] + counts["not_found"]
        left = {word.partition(" ")[0] for word in made.not_found}
        assert left == {rule for rule, counts in made.bins.items() if counts["not_found"]}


@pytest.mark.parametrize("chip", [SMALL, NARROW], ids=lambda chip: chip.name)
def test_networks_keep_to_the_limits(chip: Limits) -> None:
    """Every network of a pack for a chip fits it; there are cases in every scope that it can have."""
    made = small() if chip is SMALL else make("narrow", chip=chip, scopes=["projection", "max_pool"])
    assert [misfit for case in made.cases for misfit in misfits(case.net, chip)] == []
    assert {case.scope for case in made.cases} == (
        {*SCOPES} - {"max_pool"} if chip is SMALL else {"projection", "max_pool"}
    )


def test_frames_of_level_1_fit_small_buffers() -> None:
    """No frame or reply of the level-1 pack has more words than CONFORM-1 says."""
    for case in pack().cases:
        asked = [((of, what), values.size) for (of, what), values in case.expected.items()]
        words = len(load_frame(case.net)), len(run_frame(case.net, case.given, [key for key, _ in asked]))
        assert max(*words, 1 + sum(1 + size for _, size in asked)) <= 2**14


def test_a_pack_is_the_same_bytes(tmp_path: Path) -> None:
    """The same options give the same bytes, another seed others; what is drawn is what it was (VECTOR-2)."""
    again = make("pools", scopes=["max_pool"])
    write(pools(), tmp_path / "a")
    write(again, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    other = make("pools", scopes=["max_pool"], seed=1)
    assert {case.id for case in other.cases}.isdisjoint(case.id for case in again.cases)
    drawn = list(aimed.for_limits(Limits(), ["network", "neuron"], 0, [0]))
    assert hashlib.sha256(" ".join(case.id for case in drawn).encode()).hexdigest() == DRAWN


def test_a_pack_reads_back(tmp_path: Path) -> None:
    """What was written is read: cases, rejects, networks, manifest; and written again it is the same bytes."""
    write(pack(), tmp_path / "pack.jsonl")
    found = read(tmp_path / "pack.jsonl")
    assert list(lines(found)) == list(lines(pack()))
    assert [one.id for one in items(found)] == [one.id for one in items(pack())]


def mutants(text: str, count: int) -> Iterator[bytes]:
    """Packs with something wrong: bytes changed, lines dropped, doubled or exchanged, values replaced."""
    draw = random.Random(14)
    rows = text.splitlines(keepends=True)
    strange = [
        "null",
        "true",
        "-1",
        "1e999",
        "[]",
        "{}",
        '""',
        "18446744073709551616",
        "[[1],[1,2]]",
        "NaN",
        "9" * 5000,
    ]
    for number in range(count):
        some = list(rows)
        at = draw.randrange(len(some))
        match number % 5:
            case 0:
                line = some[at]
                place = draw.randrange(len(line))
                some[at] = line[:place] + chr(draw.randrange(256)) + line[place + 1 :]
            case 1:
                del some[at]
            case 2:
                some.insert(draw.randrange(len(some)), some[at])
            case 3:
                values = list(re.finditer(r"(?<=[:,\[])(-?\d+|\"[^\"]*\"|null)", some[at]))
                found = draw.choice(values)
                some[at] = some[at][: found.start()] + draw.choice(strange) + some[at][found.end() :]
            case _:
                some[at] = some[at][: draw.randrange(len(some[at]))]
        if draw.random() < 0.5:  # with the digest of what stands there now
            body = "".join(some[:-1]).encode("latin-1")
            some[-1] = canonical({"end": hashlib.sha256(body).hexdigest()}) + "\n"
        yield "".join(some).encode("latin-1")


def test_mutated_packs_give_one_clear_line(tmp_path: Path) -> None:
    """A pack is untrusted: whatever is wrong with it is one line that names a rule, or it is a whole pack."""
    few = Pack("few", 1, 0, SMALL, small().cases[:4], small().rejects[:3], small().bins)
    text = "".join(f"{line}\n" for line in lines(few))
    path = tmp_path / "mutant.jsonl"
    refused = 0
    for mutant in mutants(text, 200):
        path.write_bytes(mutant)
        try:
            found = read(path)
        except FsrefError as error:
            refused += 1
            assert "\n" not in str(error) and str(error).isprintable() and len(str(error)) < 2000
        else:
            assert set(list(lines(found))[:-1]) <= {*mutant.decode().splitlines()}
    assert refused > 150


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[:-1], "line {n}: is missing"),
        (lambda rows: [*rows, rows[-1]], "line {m}: stands behind the end"),
        (lambda rows: [rows[0], *rows[2:]], "of a network that does not stand before it"),
        (lambda rows: [*rows[:2], rows[1], *rows[2:]], "line 3: is a network that stands before it already"),
        (lambda rows: [rows[0].replace('"cases":4', '"cases":5'), *rows[1:]], "line {n}: is not the digest"),
        (lambda rows: [rows[0].replace(",", ", ", 1), *rows[1:]], "line 1: is not written as packs are"),
        (lambda rows: [rows[0].replace('"schema":1', '"schema":2'), *rows[1:]], "line 1: is of another schema: 2"),
        (lambda rows: [rows[0].replace('"bins":{', '"bins":{"FS-2":{"reached":1}'), *rows[1:]], "bins are no counts"),
        (lambda rows: [rows[0], rows[1].replace('"name":"', '"name":"\\ud800', 1), *rows[2:]], "line 2: manifest.json"),
    ],
)
def test_what_is_wrong_with_a_pack_is_said(tmp_path: Path, change: Any, told: str) -> None:
    """The line, what is wrong with it, and what would do."""
    right = list(lines(Pack("few", 1, 0, None, small().cases[:4], small().rejects[:2])))
    (tmp_path / "p").write_text("".join(f"{row}\n" for row in change(right)))
    with pytest.raises(FileError, match=re.escape(told.format(n=len(right), m=len(right) + 1))):
        read(tmp_path / "p")


def valid(value: Any, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether a value is of a schema: the part of JSON Schema that the schema of packs uses."""
    kinds = {"object": dict, "array": list, "string": str, "null": type(None)}
    kind = schema.get("type", [])
    fits = {
        "$ref": lambda ref: valid(value, whole["$defs"][ref.rpartition("/")[2]], whole),
        "oneOf": lambda some: sum(valid(value, one, whole) for one in some) == 1,
        "type": lambda _: any(
            type(value) is int if k == "integer" else isinstance(value, kinds[k])
            for k in ([kind] if isinstance(kind, str) else kind)
        ),
        "const": lambda one: type(value) is type(one) and value == one,
        "enum": lambda some: value in some,
        "minimum": lambda low: type(value) is not int or value >= low,
        "maximum": lambda high: type(value) is not int or value <= high,
        "maxLength": lambda most: not isinstance(value, str) or len(value) <= most,
        "pattern": lambda form: not isinstance(value, str) or re.search(form, value) is not None,
        "required": lambda names: not isinstance(value, dict) or set(names) <= set(value),
        "items": lambda one: not isinstance(value, list) or all(valid(v, one, whole) for v in value),
        "properties": lambda named: (
            not isinstance(value, dict) or all(valid(v, named[k], whole) for k, v in value.items() if k in named)
        ),
        "additionalProperties": lambda one: (
            not isinstance(value, dict)
            or all(
                one is not False and valid(v, one, whole)
                for k, v in value.items()
                if k not in schema.get("properties", {})
            )
        ),
    }
    return all(fits[word](of) for word, of in schema.items() if word not in ("$schema", "title", "$defs"))


def test_a_chip_that_gives_back_less(tmp_path: Path) -> None:
    """A pack for limits that name observables expects these alone; its flags are of mistakes that show in them, and no
    case is of a scope that has none. What its cases meet is counted whole.
    """
    able = ("spikes", "codes")
    made = make("less", chip=replace(SMALL, observables=able), scopes=["neuron", "projection"])
    write(made, tmp_path / "p")
    found = read(tmp_path / "p")
    assert list(lines(found)) == list(lines(made)) and "OBS-1" not in made.bins
    assert {case.scope for case in found.cases} == {"neuron"}
    assert {what for case in found.cases for _, what in case.expected} == set(able)
    assert {what for case in made.cases for _, what in case.expected} > set(able)  # what helps to name a cause
    for case in found.cases[::9]:
        shows = flagged([case_of(case.net, case.scope, case.unit, case.given)])[0]
        assert [*case.flags] == sorted(flag for flag, keys in shows.items() if {what for _, what in keys} & set(able))
    whole = of_pack(found.cases[0].net, replace(found, cases=made.cases), "p")
    assert of_pack(found.cases[0].net, found, "p").line == whole.line
    more = (tmp_path / "p").read_text().replace('"observables":["spikes","codes"]', '"observables":["spikes"]', 1)
    (tmp_path / "p").write_text(more)
    with pytest.raises(FileError, match="case has the unknown key"):
        read(tmp_path / "p")


def test_level_2_goes_on_where_level_1_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a network level 1 looks at the first stimuli of each unit, level 2 at the others behind them, each once; what
    level 2 alone reaches is not promised by level 1. A search looks at what is judged, and tells how far it is.
    """
    net, done = residual(), []
    monkeypatch.setattr(aimed, "MOST", 3)
    monkeypatch.setattr(making, "MOST", 3)
    scopes = ["population", "max_pool"]
    one, two = (make("net", net, level=level, scopes=scopes, progress=done.append) for level in (1, 2))
    assert [case.id for case in two.cases[:3]] == [case.id for case in one.cases]
    assert len({case.id for case in two.cases}) == len(two.cases) > 20
    assert sum(done) >= 4 * (len(net.populations) - 1) and set(done) == {1}
    assert one.not_found == two.not_found
    for rule, counts in one.bins.items():
        assert counts["promised"] < two.bins[rule]["promised"] or counts == two.bins[rule]
    first = {p.name for p in first_populations(net)}  # whose stimuli are images
    assert set(aimed.searched(net, ["max_pool"], 5, 0)) == {p.name for p in net.pools} | first


def test_every_unit_of_a_bench_stalls() -> None:
    """In a pack of one network each unit that a chip in a test bench can be has a case whose steps come with gaps: its
    last that has nothing around it.
    """
    cases = make("net", residual(), scopes=["population", "max_pool"]).cases
    units = {(case.scope, case.unit) for case in cases}
    assert {(case.scope, case.unit) for case in cases if case.protocol == "stall"} == units
    alone = [replace(case, protocol="") for case in cases[:4]]
    assert [case.protocol for case in stalled([replace(case, scope="network", unit="out") for case in alone])] == [
        *("", "", "", "stall")
    ]
    assert [case.protocol for case in stalled([replace(alone[0], scope="neuron")])] == [""]


def test_lines_are_of_the_schema() -> None:
    """Every line of a pack is of the schema that is shipped; a line with a key less, more, or another value is not."""
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    found = [json.loads(line) for line in lines(small())]
    assert all(valid(line, schema, schema) for line in found)
    for line in (found[0], next(line["case"] for line in found if "case" in line)):
        whole = line if line is found[0] else {"case": line}
        for key in list(line):
            kept = line.pop(key)
            assert not valid(whole, schema, schema), key
            line[key] = 0.5
            assert not valid(whole, schema, schema), key
            line[key] = kept
        line["more"] = 1
        assert not valid(whole, schema, schema)


def loaded(words: Sequence[int]) -> Network:
    """The network of a load frame (ID-1), checked by the law. Errors: FsrefError, whose rule is ID-1 where the words
    are no network's.
    """
    left = list(words[1:])

    def take(count: int) -> list[int]:
        if count < 0 or count > len(left):
            raise NetworkError("ID-1", "words", "end early")
        found, left[:count] = left[:count], []
        return found

    def array() -> Any:
        (rank,) = take(1)
        shape = take(rank)
        return np.array(take(int(np.prod(shape))), np.int64).reshape(shape)

    count, projections = take(2)
    populations: list[Any] = []
    for n in range(count):
        kind, *shape, steps = take(5)
        name, size = f"p{n}", (shape[0], shape[1], shape[2])
        if kind == 0:
            populations.append(Input(name, size, steps, *take(1)))
        elif kind == 1:
            populations.append(FS(name, size, Table(array(), array(), array()), array()))
        elif kind == 2:
            source, kh, kw, sy, sx, *padding = take(9)
            populations.append(MaxPool(name, size, f"p{source}", (kh, kw), (sy, sx), tuple(padding)))  # type: ignore[arg-type]
        elif kind == 3:
            populations.append(Readout(name, size, array()))
        elif kind == 4:
            populations.append(View(name, size, f"p{take(1)[0]}", array(), array()))
        else:
            raise NetworkError("ID-1", "words", "unknown kind")
    joined: list[Any] = []
    for _ in range(projections):
        kind, source, target = take(3)
        ends = f"p{source}", f"p{target}"
        if kind == 0:
            sy, sx, top, down, bottom, right, dy, dx, groups = take(9)
            joined.append(Conv2d(*ends, array(), (sy, sx), (top, down, bottom, right), (dy, dx), groups))
        elif kind == 2:
            joined.append(Gate(ends[0], f"p{take(1)[0]}", ends[1], array()))
        else:
            (pooled,) = take(1)
            joined.append(Dense(*ends, array(), bool(pooled)))
    if left:
        raise NetworkError("ID-1", "words", "go on behind the network")
    return Network(populations, joined)


def test_every_reject_is_refused_by_the_law() -> None:
    """Each load that is to be refused breaks the rule that it names; a chip with the network loaded refuses each run;
    the networks of the cases are taken.
    """
    rejects = pack("network").rejects
    assert len({reject.id for reject in rejects}) == len(rejects) > 30
    for reject in rejects:
        if reject.frame[0] == 1:
            with pytest.raises(FsrefError) as refused:
                loaded(reject.frame)
            assert refused.value.rule == reject.rule, reject.flags
        elif reject.net is not None:
            chip = Chip()
            assert chip.answer(load_frame(reject.net).tolist()) == [1]
            assert chip.answer(reject.frame) == [5], reject.flags
    for case in pack("network").cases[:20]:
        assert loaded(load_frame(case.net).tolist()).id == case.net.id


def test_a_case_says_what_is_wrong_with_it() -> None:
    """What is given lacks, is too much, or has another shape; an unknown scope or unit."""
    net = residual()
    for scope, unit, given in (
        ("network", "out", {}),
        ("network", "out", {("in", "codes"): [1]}),
        ("neuron", "pool", {("pool", "opening"): [1]}),
        ("synapse", "mid", {}),
        ("projection", "in->out#7", {}),
    ):
        with pytest.raises(UsageError, match="VECTOR-1"):
            case_of(net, scope, unit, given)


def answered(made: Pack, chip: Chip) -> list[Any]:
    """The replies of a chip to the frames of a pack."""
    return [np.array(chip.answer(words.tolist()), np.int64) for words in frames(made)]


def refusing(made: Pack) -> list[Any]:
    """The replies of a right device, which refuses what is to be refused."""
    rejects = {one.frame for one in made.rejects}
    chip = Chip()
    return [
        np.array([5] if tuple(words.tolist()) in rejects else chip.answer(words.tolist()), np.int64)
        for words in frames(made)
    ]


def verdicts(driven: Iterator[Driven]) -> list[str]:
    """The verdicts that are no pass."""
    return [one.verdict for one in driven if not one.passed]


def test_replies_are_judged() -> None:
    """Right replies pass; a wrong, a missing and a surplus one, and a reject that is taken, are told."""
    made = small()
    right = refusing(made)
    assert verdicts(judged(made, iter(right))) == []
    assert len(list(judged(made, iter(right)))) == len(items(made)) == len(made.cases) + 2 * len(made.rejects)
    assert set(verdicts(judged(made, iter(right[:-20])))) == {"silence"}
    assert verdicts(judged(made, iter([*right, right[0]]))) == ["longer"]
    wrong = list(right)
    wrong[1] = right[1].copy()
    wrong[1][-1] += 1
    (found,) = (one for one in judged(made, iter(wrong)) if not one.passed)
    assert found.verdict == "differs" and found.difference is not None
    told = [tuple(w.tolist()) for w in frames(made)].index(made.rejects[0].frame)
    taken = [*right[:told], np.array([1]), *right[told + 1 :]]
    assert verdicts(judged(made, iter(taken)))[0] == "accepted"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A pack on disk, with two rejects."""
    some = Pack("some", 1, 0, SMALL, small().cases[:12], small().rejects[:2], small().bins)
    write(some, tmp_path / "some.jsonl")
    return tmp_path / "some.jsonl"


def replies(path: Path, right: Sequence[Any]) -> Path:
    """A file of replies in hex."""
    path.write_text("".join(f"{to_hex(reply)}\n" for reply in right))
    return path


def test_vectors_check_says_case_population_neuron_and_both_values(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 where all is right; else 1, and the first that is wrong with case, population, neuron, expected and
    observed; garbage, a missing and a surplus reply are told, too.
    """
    made = read(file)
    right = refusing(made)
    assert main(["vectors", "check", str(file), str(replies(tmp_path / "r", right))]) == 0
    assert "all pass" in " ".join(capsys.readouterr().out.split())
    wrong = [reply.copy() for reply in right]
    wrong[1][-1] += 1
    assert main(["vectors", "check", str(file), str(replies(tmp_path / "r", wrong))]) == 1
    out = " ".join(capsys.readouterr().out.split())
    case = made.cases[0]
    value = int(right[1][-1])
    assert case.id in out and "neuron" in out and f"{value}" in out and f"{value + 1}" in out
    (tmp_path / "r").write_text("xx\n" + "".join(f"{to_hex(reply)}\n" for reply in right[1:-3]))
    assert main(["vectors", "check", str(file), str(tmp_path / "r"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {one["verdict"] for one in told["cases"]} == {"pass", "garbage", "silence"} and not told["agrees"]


def test_the_pipe(file: Path) -> None:
    """fsref vectors show --hex PACK | my_sim | fsref vectors check PACK -: a simulator that refuses what it should."""
    fsref = [sys.executable, "-m", "fsref", "vectors"]
    shown = subprocess.run([*fsref, "show", "--hex", str(file)], capture_output=True, timeout=120)
    assert shown.returncode == 0 and shown.stderr == b""
    rejects = {one.frame for one in read(file).rejects}
    chip, lines_out = Chip("strict"), []
    for line in shown.stdout.decode().splitlines():
        words = [int(word, 16) - (int(word, 16) >> 63 << 64) for word in line.split()]
        reply = [5] if tuple(words) in rejects else chip.answer(words)
        lines_out.append(" ".join(f"{word & (2**64 - 1):x}" for word in reply))
    given = "\n".join(lines_out).encode()
    checked = subprocess.run([*fsref, "check", str(file), "-"], input=given, capture_output=True, timeout=120)
    assert checked.returncode == 1 and b"differs" in checked.stdout and checked.stderr == b""


def test_vectors_make_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pack is made for a chip, replaced with --force alone, listed, and a case of it shown with all its integers."""
    limits, path = tmp_path / "chip.json", tmp_path / "made.jsonl"
    limits.write_text(json.dumps(SMALL.to_dict()))
    order = ["vectors", "make", str(path), "--for", str(limits), "--scope", "projection"]
    assert main(order) == 0
    assert "projection" in capsys.readouterr().out
    before = path.read_bytes()
    assert main(order) == 2 and "--force" in capsys.readouterr().err
    assert main([*order, "--force"]) == 0 and path.read_bytes() == before
    assert main(["vectors", "make", str(limits), "--for", str(limits), "--force"]) == 2
    capsys.readouterr()
    assert main(["vectors", "show", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cases"] == len(told["each"]) and told["limits"]["name"] == "small"
    named = told["each"][0]["id"]
    assert main(["vectors", "show", str(path), "--case", named]) == 0 and named in capsys.readouterr().out
    assert main(["vectors", "show", str(path), "--case", "nothing"]) == 2
    assert main(["vectors", "show", str(path), "--hex", "--json"]) == 2


def test_a_pack_that_left_a_bin_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a promised bin was neither reached nor proved unreachable the manifest says so, and exit code 1."""
    net = tmp_path / "net.fs.npz"
    residual().save(net)
    assert main(["vectors", "make", str(tmp_path / "p"), "--net", str(net), "--scope", "network"]) == 1
    assert "not found" in capsys.readouterr().out
    assert read(tmp_path / "p").not_found


def test_a_reject_has_an_id() -> None:
    """The id of a reject is that of its frame and network."""
    assert Reject((1, 2), "NET-1", ("a",)).id == Reject((1, 2), "NET-4", ()).id != Reject((1, 3), "NET-1", ()).id


@pytest.mark.parametrize(
    "limits", [Limits(), Limits(kernel=(2, 2), shape=(5, 4, 4)), Limits(kernel=(1, 3)), Limits(padding=(0, 0))]
)
def test_windows_and_dense_meet_in_each_place(limits: Limits) -> None:
    """Into each of the first three populations of a chain a conv2d comes behind another and behind a dense, and a dense
    behind a conv2d: what is lost when the second is added shows there (VECTOR-3).
    """
    nets = [net for form in chains() if (net := forms.made(form, Room(limits, Draws(1)))) is not None]
    seen = set()
    for net in nets:
        for place, p in enumerate(net.populations[1:4], 1):
            kinds = [type(q).__name__ for q in net.into(p.name).values()]
            seen |= {(place, first, second) for first, second in pairwise(kinds)}
    orders = (("Conv2d", "Conv2d"), ("Conv2d", "Dense"), ("Dense", "Conv2d"))
    assert {(place, *kinds) for place in (1, 2, 3) for kinds in orders} <= seen


def test_a_chip_without_groups_and_dilations_has_its_windows() -> None:
    """Level 1 of a chip that has neither groups nor dilations has no network less with a conv2d for that, but those
    that are there for groups, or for a window of few taps that sees all, alone.
    """
    wanted, seen = (
        [forms.made(form, Room(limits, Draws(1))) for form in forms.forms()]
        for limits in (Limits(), Limits(dilation=(1, 1), groups=1))
    )
    lost = [net.name for net, own in zip(wanted, seen, strict=True) if net is not None and own is None]
    assert all("grouped" in name or name == "read_window" for name in lost), lost
    windows = [q for net in seen if net is not None for q in net.projections if isinstance(q, Conv2d)]
    assert len(windows) > 100 and {q.dilation for q in windows} == {(1, 1)}
    assert all(q.groups in (1, q.weights.shape[1] * q.groups) for q in windows)


def test_the_largest_kernels_and_sources_stand_first_and_behind() -> None:
    """The largest kernel of a chip, and a dense from more neurons than ten bits count, are the first projection of a
    network of level 1 and the third: counters of too few bits show there (VECTOR-3).
    """
    limits = Limits(kernel=(5, 4), padding=(2, 2), shape=(16, 9, 9))
    nets = [net for form in chains() if (net := forms.made(form, Room(limits, Draws(1)))) is not None]
    for place in (0, 2):
        each = [net.projections[place] for net in nets]
        assert any(isinstance(q, Conv2d) and q.kernel == (5, 4) for q in each)
        assert any(isinstance(q, Dense) and q.weights.shape[1] > 1024 and not q.pooled for q in each)
