"""What `--json` writes: every key stands on its page and means the same in every command."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
import handmade
import nodes
from fsref import Network, Readout
from fsref.cli.main import main
from fsref.cli.options import SCHEMA

PAGE = (Path(fsref.__file__).parent / "guide" / "json.md").read_text(encoding="utf-8")
HEAD = {"fsref": fsref.__version__, "spec_version": fsref.SPEC_VERSION, "schema": SCHEMA}


def keys_of_page() -> set[str]:
    """The keys that the tables of the page list; *_pj is a pattern."""
    return {key for row in re.findall(r"^\| ([\w*, ]+) \|", PAGE, re.MULTILINE) for key in row.split(", ")} - {"key"}


def maps_of_page() -> set[str]:
    """The keys whose objects have names for keys."""
    section = PAGE.partition("not keys of this page:\n")[2].partition("\n\n")[0]
    return set(re.findall(r"\w+", section))


def keys_in(value: Any, maps: set[str]) -> Iterator[tuple[str, Any]]:
    """Every key below a JSON value with what stands under it; those of maps are names."""
    if isinstance(value, dict):
        for key, under in value.items():
            yield key, under
            for part in under.values() if key in maps and isinstance(under, dict) else [under]:
                if key not in maps or not isinstance(part, dict):
                    yield from keys_in(part, maps)
                elif key in ("fifo", "pipelines"):
                    yield from keys_in(part, maps)
    elif isinstance(value, list):
        for part in value:
            yield from keys_in(part, maps)


@pytest.fixture
def written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """The JSON of every verb in every form, by what was asked."""
    net = handmade.residual()
    net.save(tmp_path / "net.fs.npz")
    np.savez(tmp_path / "x.npz", x=handmade.draw(net, 4), y=np.array([0, 1, 2, 0]))
    dump = handmade.recorded(net, handmade.draw(net, 4))
    np.savez(tmp_path / "dump.npz", **{".".join(key): array for key, array in dump.arrays.items()})
    wrong = {".".join(key): array ^ (key[1] == "spikes") for key, array in dump.arrays.items()}
    np.savez(tmp_path / "wrong.npz", **wrong)
    model, data = str(tmp_path / "net.fs.npz"), ["--data", str(tmp_path / "x.npz")]
    floats, x = nodes.residual(), nodes.drawn(20)
    fsref.save(floats, tmp_path / "graph.npz")
    np.savez(tmp_path / "scored.npz", x=x, y=floats.forward(x).argmax(axis=1))
    graph, scored = str(tmp_path / "graph.npz"), ["--data", str(tmp_path / "scored.npz")]
    populations = [net.input, Readout("map", net.input.shape), *net.populations[1:]]
    several = str(tmp_path / "several.fs.npz")
    Network(populations, [fsref.scale("in", "map", [1, 2]), *net.projections], "residual").save(several)
    digits = ["digits", "--limit", "4"]
    pool = ["--population", "pool", "--neuron", "1"]
    (tmp_path / "chip.json").write_text('{"fan_in": 2, "kinds": ["input", "fs", "readout", "conv2d", "gate"]}')
    gates = str(tmp_path / "gates.fs.npz")
    handmade.gated().save(gates)
    np.savez(tmp_path / "one.npz", x=handmade.draw(handmade.gated(), 1))
    one = ["--data", str(tmp_path / "one.npz"), "--population", "slow", "--neuron", "5"]
    (tmp_path / "floats.json").write_text('{"T": [1, 0.3], "h": [1, 0.3], "d": [1, 0.3]}')
    fit = ["fit", "silu", "-K", "3", "--range", "-1", "1", "--unit", "0.0625", "--budget", "60"]
    asked = {
        "info": ["info", model],
        "gates": ["info", gates],
        "explain gate": ["explain", gates, "0", *one],
        "showcase": ["run", "digits"],
        "run": ["run", model, *data, "--record", "mid"],
        "events": ["run", model, *data, "--events"],
        "out": ["run", model, *data, "--out", str(tmp_path / "recording")],
        "evaluate": ["evaluate", *digits, "--energy", "horowitz_2014", "--rate", "12", "--beside", "digits"],
        "outputs": ["run", several, *data],
        "check": ["check", model, *data],
        "self": ["check", "digits", "--self"],
        "prove": ["check", model, "--prove", "--out", str(tmp_path / "certificate.json")],
        "explain": ["explain", model, "1", *data, "--population", "mid", "--neuron", "5"],
        "explain pool": ["explain", model, "1", *data, *pool],
        "rule": ["rule", "PROJ-2"],
        "convert": ["convert", graph, *scored, "--out", str(tmp_path / "made.npz"), "--expect", "100"],
        "search": ["convert", graph, *scored, "--out", str(tmp_path / "found.npz"), "--search", "5"],
        "for": ["convert", graph, *scored, "--out", str(tmp_path / "for.npz"), "--for", str(tmp_path / "chip.json")],
        "fit": ["check", model, "--for", str(tmp_path / "chip.json")],
        "errors": ["evaluate", str(tmp_path / "made.npz"), *scored, "--graph", graph],
        "compare": ["compare", graph, str(tmp_path / "made.npz"), *scored],
        "floats": ["compare", "--against", "float32", model, *data],
        "fitted": fit,
        "front": [*fit, "--front", str(tmp_path / "front.svg")],
        "round": ["table", "round", str(tmp_path / "floats.json"), "--range", "0", "2"],
        "table": ["table", "show", "sigmoid_published", "--against", "sigmoid", "--membrane", "0"],
        "diff": ["diff", model, data[1], str(tmp_path / "dump.npz"), "--isolated"],
        "differs": ["diff", model, data[1], str(tmp_path / "wrong.npz")],
        "verify": ["verify", model, "--budget", "20"],
        "view": ["view", model, data[1], "--dump", str(tmp_path / "dump.npz"), "-o", str(tmp_path / "view.html")],
        "export": ["export", model, "--format", "onnx", "--out", str(tmp_path / "net.onnx")],
    }
    found = {}
    for name, arguments in asked.items():
        assert main([*arguments, "--json"]) == (name in ("for", "fit", "differs")), name
        out = capsys.readouterr().out
        assert out.count("\n") == 1 and out.isascii()
        found[name] = json.loads(out)
    return found


def test_every_json_says_what_it_is(written: dict[str, dict[str, Any]]) -> None:
    """fsref, spec_version, schema, network and id stand in every object; network and id are those of NET."""
    net = handmade.residual()
    for name, found in written.items():
        assert {key: found[key] for key in HEAD} == HEAD, name
        of_no_network = ("rule", "table", "round", "fitted", "front")
        expected = (None, None) if name in of_no_network else (net.name, net.id)
        if name in ("convert", "compare", "search", "for", "outputs", "errors"):
            expected = ("residual", found["id"])
            assert re.fullmatch("[0-9a-f]{64}", found["id"])
        if name in ("gates", "explain gate"):
            expected = ("", handmade.gated().id)
        if name in ("showcase", "evaluate", "self"):
            expected = ("digits", fsref.load("digits").id)
        assert (found["network"], found["id"]) == expected, name


def test_a_key_means_the_same_everywhere(written: dict[str, dict[str, Any]]) -> None:
    """Every key is on the page, and its values are of one kind, or null."""
    page, maps = keys_of_page(), maps_of_page()
    kinds: dict[str, set[str]] = defaultdict(set)
    for found in written.values():
        for key, value in keys_in(found, maps):
            name = {int: "number", float: "number"}.get(type(value), type(value).__name__)
            kinds[key].add(name)
    unknown = {key for key in kinds if key not in page and not (key.endswith("_pj") and "*_pj" in page)}
    assert not unknown, f"not on the page: {sorted(unknown)}"
    two = {key: found for key, found in kinds.items() if len(found - {"NoneType"}) > 1}
    assert set(two) == {"difference", "place"}  # of `diff` and of others, since before they could be compared


def test_the_page_lists_no_key_that_is_not_written(written: dict[str, dict[str, Any]]) -> None:
    """Each key of the page stands in some object."""
    seen = {key for found in written.values() for key, _ in keys_in(found, maps_of_page())}
    idle = keys_of_page() - seen - {"*_pj"}
    assert not idle
