"""Every option of every verb: it acts, or it is refused; none is given twice, none waits for another in silence."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image

import fsref
import handmade
from fsref.cli import verbs
from fsref.cli.main import main
from fsref.cli.verb import Verb, When
from fsref.engines import events, quantized, reference
from fsref.metrics import parts
from fsref.simulation import workers
from fsref.verification.proof import prove
from nodes import drawn, residual
from refusals import error_of

# How each option acts: arguments of the verb, and more of them with the option among them, which make another outcome:
# output, files, exit code, threads, or the engine that ran.
NET, GRAPH = "tiny.fs.npz --data x.npz", "graph.npz --data images.npz"
MADE = "graph.npz made.fs.npz --data images.npz"
BESIDE = "made.fs.npz --data images.npz"
FOLDER = "tiny.fs.npz --data big"
NEURON = "--population hid --neuron 0"
MEMORIES = "tiny.fs.npz --format readmemh --out m"
DUMP = "tiny.fs.npz x.npz dump.npz"
VIEW = "tiny.fs.npz x.npz"
BIG = "graph.npz --data colour --out n.npz"
DEVICE = "tiny.fs.npz --examples 0 --dut ./device"
WRONG = "tiny.fs.npz --examples 0 --dut ./wrong"
FIT = "silu --steps 3 --range -1 1 --budget 200"
ACTS = {
    "info": {"--timeline": ("tiny.fs.npz", "--timeline"), "--json": ("tiny.fs.npz", "--json")},
    "run": {
        "--data": ("digits --images 0", "--data one.npz"),
        "--resize": (FOLDER, "--resize 2"),
        "--crop": (FOLDER, "--crop 2"),
        "--limit": (NET, "--limit 1"),
        "--images": (NET, "--images 1"),
        "--record": (NET, "--record hid"),
        "--observable": (f"{NET} --out r", "--observable codes"),
        "--events": (NET, "--events"),
        "--out": (NET, "--out r"),
        "--outputs": (NET, "--outputs o.npz"),
        "--engine": (NET, "--engine reference"),
        "--memory-limit": (NET, "--memory-limit 1K"),
        "--threads": (NET, "--threads 3"),
        "--batch": (NET, "--batch 1"),
        "--force": (f"{NET} --out there", "--force"),
        "--json": (NET, "--json"),
    },
    "evaluate": {
        "--data": ("digits --limit 1", "--data one.npz"),
        "--resize": ("tiny.fs.npz --data labelled", "--resize 2"),
        "--crop": ("tiny.fs.npz --data labelled", "--crop 2"),
        "--limit": (NET, "--limit 1"),
        "--rate": ("digits --limit 1", "--rate 8"),
        "--setting": ("digits --limit 1 --rate 8", "--setting classic"),
        "--rounding": ("digits --limit 1 --rate 8", "--rounding floor"),
        "--apart": ("digits --limit 1 --rate 8", "--apart"),
        "--engine": (NET, "--engine reference"),
        "--memory-limit": (NET, "--memory-limit 1K"),
        "--threads": (NET, "--threads 3"),
        "--batch": (NET, "--batch 1"),
        "--resume": (NET, "--resume kept"),
        "--dask": (NET, "--dask nothing://here"),
        "--energy": (NET, "--energy horowitz_2014"),
        "--beside": (NET, "--beside tiny.fs.npz"),
        "--cover": (NET, "--cover"),
        "--graph": (BESIDE, "--graph graph.npz"),
        "--mean": (f"{BESIDE} --graph graph.npz", "--mean 0.1"),
        "--std": (f"{BESIDE} --graph graph.npz", "--std 0.1"),
        "--scale": (f"{BESIDE} --graph graph.npz", "--scale 1"),
        "--max-code": (f"{BESIDE} --graph graph.npz", "--max-code 254"),
        "--order": (f"{BESIDE} --graph graph.npz", "--order BGR"),
        "--size": (f"{BESIDE} --graph graph.npz", "--size 3x9x9"),
        "--html": (NET, "--html r.html"),
        "--plots": (NET, "--plots p"),
        "--kind": (f"{NET} --plots p", "--kind png"),
        "--width": (f"{NET} --plots p", "--width 3.4in"),
        "--force": (f"{NET} --html there.html", "--force"),
        "--json": (NET, "--json"),
    },
    "check": {
        "--data": ("tiny.fs.npz", "--data x.npz"),
        "--resize": (FOLDER, "--resize 2"),
        "--crop": (FOLDER, "--crop 2"),
        "--limit": (NET, "--limit 1"),
        "--self": ("digits --data drawn:1", None),
        "--prove": ("tiny.fs.npz", "--prove"),
        "--out": ("tiny.fs.npz --prove", "--out other.json"),
        "--certificate": ("tiny.fs.npz", "--certificate tiny.json"),
        "--force": ("tiny.fs.npz --prove --out there.json", "--force"),
        "--engine": (NET, "--engine quantized --engine events"),
        "--observable": (NET, "--observable codes"),
        "--for": ("tiny.fs.npz", "--for chip.json"),
        "--memory-limit": (NET, "--memory-limit 1K"),
        "--threads": (NET, "--threads 3"),
        "--batch": (NET, "--batch 1"),
        "--json": (NET, "--json"),
    },
    "explain": {
        "--population": ("tiny.fs.npz 0 --data x.npz --neuron 0", "--population hid"),
        "--neuron": ("tiny.fs.npz 0 --data x.npz --population hid", "--neuron 0"),
        "--synapses": (f"tiny.fs.npz 0 --data x.npz {NEURON}", "--synapses 1"),
        "--data": (f"tiny.fs.npz 0 {NEURON}", "--data x.npz"),
        "--resize": (f"tiny.fs.npz big/a.png {NEURON}", "--resize 2"),
        "--crop": (f"tiny.fs.npz big/a.png {NEURON}", "--crop 2"),
        "--engine": (f"tiny.fs.npz 0 --data x.npz {NEURON}", "--engine reference"),
        "--plot": (f"tiny.fs.npz 0 --data x.npz {NEURON}", "--plot p.svg"),
        "--width": (f"tiny.fs.npz 0 --data x.npz {NEURON} --plot p.svg", "--width 3.4in"),
        "--force": (f"tiny.fs.npz 0 --data x.npz {NEURON} --plot there.svg", "--force"),
        "--json": (f"tiny.fs.npz 0 --data x.npz {NEURON}", "--json"),
    },
    "convert": {
        "--data": ("graph.npz --out n.npz", "--data images.npz"),
        "--resize": (BIG, "--resize 8"),
        "--crop": (BIG, "--crop 8"),
        "--test": (GRAPH, "--test others.npz"),
        "--limit": (GRAPH, "--limit 3"),
        "--image-count": (GRAPH, "--image-count 3"),
        "--out": (GRAPH, "--out other.npz"),
        "--steps": (GRAPH, "--steps 4"),
        "--weight-bits": (GRAPH, "--weight-bits 6"),
        "--alpha": (GRAPH, "--alpha max"),
        "--percentile": (f"{GRAPH} --alpha percentile", "--percentile 90"),
        "--rounding": (GRAPH, "--rounding floor"),
        "--power-of-two": (GRAPH, "--power-of-two"),
        "--bias-correction": (GRAPH, "--bias-correction empirical"),
        "--refit": (GRAPH, "--refit"),
        "--for": (GRAPH, "--for chip.json"),
        "--search": (GRAPH, "--search 50"),
        "--plot": (f"{GRAPH} --search 50", "--plot p.svg"),
        "--width": (f"{GRAPH} --search 50 --plot p.svg", "--width 3.4in"),
        "--resume": (f"{GRAPH} --search 50", "--resume kept"),
        "--dask": (f"{GRAPH} --search 50", "--dask nothing://here"),
        "--expect": (GRAPH, "--expect 5"),
        "--mean": (GRAPH, "--mean 0.1"),
        "--std": (GRAPH, "--std 0.1"),
        "--scale": (GRAPH, "--scale 1"),
        "--max-code": (GRAPH, "--max-code 300"),
        "--order": (GRAPH, "--order BGR"),
        "--size": (GRAPH, "--size 3x9x9"),
        "--memory-limit": (GRAPH, "--memory-limit 1K"),
        "--threads": (GRAPH, "--threads 3"),
        "--batch": (GRAPH, "--batch 1"),
        "--force": ("graph.npz --data images.npz --out there.npz", "--force"),
        "--json": (GRAPH, "--json"),
    },
    "compare": {
        "--data": ("graph.npz made.fs.npz", "--data images.npz"),
        "--resize": ("graph.npz made.fs.npz --data colour", "--resize 8"),
        "--crop": ("graph.npz made.fs.npz --data colour", "--crop 8"),
        "--limit": (MADE, "--limit 1"),
        "--against": ("made.fs.npz --data images.npz", "--against float32"),
        "--plot": (MADE, "--plot p.svg"),
        "--width": (f"{MADE} --plot p.svg", "--width 86mm"),
        "--mean": (MADE, "--mean 0.1"),
        "--std": (MADE, "--std 0.1"),
        "--scale": (MADE, "--scale 1"),
        "--max-code": (MADE, "--max-code 254"),
        "--order": (MADE, "--order BGR"),
        "--size": (MADE, "--size 3x9x9"),
        "--force": (f"{MADE} --plot there.svg", "--force"),
        "--json": (MADE, "--json"),
    },
    "export": {
        "--format": ("tiny.fs.npz", "--format onnx"),
        "--out": ("tiny.fs.npz --format onnx", "--out other.onnx"),
        "--codes": ("tiny.fs.npz --format onnx", "--codes hid"),
        "--data": (MEMORIES, "--data x.npz"),
        "--resize": (f"{MEMORIES} --data big", "--resize 2"),
        "--crop": (f"{MEMORIES} --data big", "--crop 2"),
        "--images": (f"{MEMORIES} --data x.npz", "--images 1"),
        "--record": (f"{MEMORIES} --data x.npz", "--record hid"),
        "--observable": (f"{MEMORIES} --data x.npz", "--observable codes"),
        "--feed": (f"{MEMORIES} --data x.npz", "--feed in"),
        "--layout": (MEMORIES, "--layout word=32"),
        "--fields": ("tiny.fs.npz --format aer --data x.npz", "--fields image,step,population,x,y,c"),
        "--force": ("tiny.fs.npz --format onnx --out there.onnx", "--force"),
        "--json": ("tiny.fs.npz --format onnx", "--json"),
    },
    "diff": {
        "--format": (DUMP, "--format csv"),
        "--layout": ("tiny.fs.npz x.npz memories", "--layout word=32"),
        "--isolated": (DUMP, "--isolated"),
        "--resize": ("tiny.fs.npz big one_dump.npz", "--resize 2"),
        "--crop": ("tiny.fs.npz big one_dump.npz", "--crop 2"),
        "--limit": ("tiny.fs.npz x.npz one_dump.npz", "--limit 1"),
        "--images": ("tiny.fs.npz x.npz one_dump.npz", "--images 1"),
        "--memory-limit": (DUMP, "--memory-limit 1K"),
        "--threads": (DUMP, "--threads 3"),
        "--batch": (DUMP, "--batch 1"),
        "--json": (DUMP, "--json"),
    },
    "conform": {
        "--dut": ("tiny.fs.npz --examples 0", "--dut ./device"),
        "--carrier": (DEVICE, "--carrier hex"),
        "--timeout": (DEVICE, "--timeout 0"),
        "--start-timeout": (DEVICE, "--start-timeout 0"),
        "--examples": ("tiny.fs.npz --dut ./device", "--examples 1"),
        "--junit": (DEVICE, "--junit r.xml"),
        "--replay": (WRONG, "--replay replay"),
        "--force": (f"{DEVICE} --junit there.html", "--force"),
        "--json": (DEVICE, "--json"),
    },
    "verify": {
        "--budget": ("tiny.fs.npz", "--budget 20"),
        "--examples": ("tiny.fs.npz theirs.onnx", "--examples 1"),
        "--population": ("tiny.fs.npz theirs.onnx", "--population hid"),
        "--out": ("tiny.fs.npz", "--out r.npz"),
        "--force": ("tiny.fs.npz --out there.npz", "--force"),
        "--json": ("tiny.fs.npz", "--json"),
    },
    "cover": {
        "--format": ("tiny.fs.npz dump.npz", "--format npz"),
        "--layout": ("tiny.fs.npz memories --format readmemh", "--layout word=32"),
        "--resize": ("tiny.fs.npz big", "--resize 2"),
        "--crop": ("tiny.fs.npz big", "--crop 2"),
        "--limit": ("tiny.fs.npz x.npz", "--limit 1"),
        "--images": ("tiny.fs.npz x.npz", "--images 1"),
        "--memory-limit": ("tiny.fs.npz x.npz", "--memory-limit 1K"),
        "--threads": ("tiny.fs.npz x.npz", "--threads 3"),
        "--batch": ("tiny.fs.npz x.npz", "--batch 1"),
        "--json": ("tiny.fs.npz x.npz", "--json"),
    },
    "rule": {"--json": ("POOL-1", "--json")},
    "view": {
        "--image": (VIEW, "--image 1"),
        "--dump": (VIEW, "--dump dump.npz"),
        "--format": (f"{VIEW} --dump dump.npz", "--format csv"),
        "--layout": (f"{VIEW} --dump memories", "--layout word=32"),
        "--images": (f"{VIEW} --dump one_dump.npz", "--images 1"),
        "--population": (VIEW, "--population hid"),
        "--out": (VIEW, "--out p.html"),
        "--resize": ("tiny.fs.npz big", "--resize 2"),
        "--crop": ("tiny.fs.npz big", "--crop 2"),
        "--engine": (VIEW, "--engine reference"),
        "--memory-limit": (VIEW, "--memory-limit 1K"),
        "--force": (f"{VIEW} --out there.html", "--force"),
        "--json": (VIEW, "--json"),
    },
    "fit": {
        "--steps": ("silu --range -1 1 --budget 200", "--steps 3"),
        "--range": ("silu --steps 3 --budget 200", "--range -1 1"),
        "--unit": (FIT, "--unit 0.125"),
        "--bits": (FIT, "--bits 5"),
        "--membranes": (FIT, "--membranes membranes.npy"),
        "--distribution": (FIT, "--distribution 0.5 0.25"),
        "--even": (f"{FIT} --distribution 0.5 0.25", "--even 0.5"),
        "--spikes": (FIT, "--spikes 0.25"),
        "--max-error": (FIT, "--max-error 1"),
        "--seed": (FIT, "--seed 1"),
        "--budget": ("silu --steps 2 --range -1 1 --unit 0.0625", "--budget 2"),
        "--out": (FIT, "--out n.json"),
        "--front": (FIT, "--front p.svg"),
        "--width": (f"{FIT} --front p.svg", "--width 8.6cm"),
        "--resume": (FIT, "--resume kept"),
        "--force": (f"{FIT} --out there.json", "--force"),
        "--json": (FIT, "--json"),
    },
}
ARGUMENTS = {"NET": "digits", "IMAGE": "0", "MODEL": "graph.npz", "GRAPH": "graph.npz", "RULE...": "POOL-1"}
ARGUMENTS |= {"FUNCTION": "silu"}
ARGUMENTS |= {"IMAGES": "digits", "DUMP": "dump.npz", "SOURCE": "digits", "[NET]": "digits"}
ARGUMENTS |= {"[THEIRS.onnx]": "theirs.onnx", "[[THEIRS.onnx]]": "theirs.onnx"}
NEEDS = {
    "--html": "matplotlib",
    "--plots": "matplotlib",
    "--plot": "matplotlib",
    "--front": "matplotlib",
    "--width": "matplotlib",
    "--kind": "matplotlib",
    "--format": "onnx",
    "--codes": "onnx",
}
COMMANDS = [verbs.verb(name) for name in verbs.VERBS]
VERBS = tuple(verb for verb in COMMANDS if isinstance(verb, Verb))  # those of a group have tests beside it
OPTIONS = [(v.name, o) for v in VERBS for p in v.params if isinstance(p, click.Option) for o in [max(p.opts, key=len)]]
ACTING = [(verb, option) for verb, options in ACTS.items() for option in options]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks, a graph and images of every form."""
    folder = tmp_path_factory.mktemp("files")
    handmade.saved(folder)
    graph, x = residual(), drawn(12)
    fsref.save(graph, folder / "graph.npz")
    fsref.save(fsref.convert(graph, x), folder / "made.fs.npz")
    np.savez(folder / "images.npz", x=x, y=graph.forward(x).argmax(axis=1))
    (folder / "chip.json").write_text('{"theta": "layer", "fan_in": 1}')
    np.savez(folder / "others.npz", x=x[::-1], y=np.arange(12) % 5)
    digits = fsref.load_images("digits", "digits", limit=3)
    np.savez(folder / "one.npz", x=digits.x[2:], y=digits.y[2:])
    (folder / "big").mkdir()
    Image.fromarray(np.diag([9, 3, 0, 15]).astype(np.uint8)).save(folder / "big" / "a.png")
    for name in ("0", "1"):
        (folder / "labelled" / name).mkdir(parents=True)
        Image.fromarray(np.diag([9, 3, 0, 15]).astype(np.uint8)).save(folder / "labelled" / name / "a.png")
    (folder / "there").mkdir()
    np.save(folder / "membranes.npy", np.linspace(0, 1, 9))
    (folder / "tiny.json").write_bytes(prove(handmade.tiny()).to_bytes())
    for name in ("there.html", "there.npz", "there.svg", "there.onnx", "there.json"):
        (folder / name).write_bytes(b"old")
    dump = handmade.recorded(net := handmade.tiny(), handmade.draw(net, 4))
    codes = {".".join(key): array for key, array in dump.arrays.items()}
    np.savez(folder / "dump.npz", **codes)
    np.savez(folder / "one_dump.npz", **{name: array[:1] for name, array in codes.items()})
    fsref.export(net, folder / "memories", "readmemh", trace=dump)
    with suppress(ImportError, fsref.errors.FsrefError):  # without onnx
        fsref.export(net, folder / "theirs.onnx", "onnx", codes=["hid"])
    (folder / "memories" / "manifest.json").unlink()
    for memory in (folder / "memories").glob("*.mem"):  # as a chip writes them
        memory.write_text(memory.read_text().partition("\n")[2])
    device = Path(__file__).parent / "devices" / "core.py"
    for name, bug in (("device", ""), ("wrong", "--bug above")):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{device}" {bug} "$@"\n')
        (folder / name).chmod(0o755)
    (folder / "colour").mkdir()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / "colour" / "a.png")
    return folder


Outcome = Callable[..., tuple[Any, ...]]


@pytest.fixture
def outcome(files: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """A function that runs a command line and returns all that became of it; its files are gone afterwards."""
    used: list[object] = []
    pool = workers.ThreadPoolExecutor

    class Watched(pool):  # type: ignore[misc, valid-type]
        """Notes threads and tasks."""

        def __init__(self, threads: int) -> None:
            used.append(threads)
            super().__init__(threads)

        def submit(self, *arguments: Any, **more: Any) -> Any:
            used.append("task")
            return super().submit(*arguments, **more)

    for engine in (events, quantized, reference):
        own = engine.simulator
        monkeypatch.setattr(engine, "simulator", lambda net, own=own: (used.append(own.__module__), own(net))[1])
    monkeypatch.setattr(workers, "ThreadPoolExecutor", Watched)
    monkeypatch.setattr(parts.time, "perf_counter", itertools.count(1.0).__next__)
    monkeypatch.chdir(files)

    def run(*arguments: str) -> tuple[Any, ...]:
        used.clear()
        monkeypatch.setattr(parts.time, "perf_counter", itertools.count(1.0).__next__)
        before = set(files.rglob("*"))
        code = main(arguments)
        written = {}
        for path in sorted(set(files.rglob("*")) - before, reverse=True):
            if path.is_dir():
                path.rmdir()
            else:
                written[path.relative_to(files)] = path.read_bytes()
                path.unlink()
        out, err = capsys.readouterr()
        return code, out, error_of(err), written, tuple(used)

    return run


def test_the_table_holds_every_option_of_every_verb() -> None:
    """An option that comes needs a line that says how it acts."""
    assert sorted(OPTIONS) == sorted(ACTING)


@pytest.mark.parametrize(("verb", "option"), ACTING)
def test_an_option_acts_or_is_refused(outcome: Outcome, verb: str, option: str) -> None:
    """With it the outcome is another than without it: what is printed or written, the exit code, what did the work."""
    if option in NEEDS:
        pytest.importorskip(NEEDS[option])
    base, more = ACTS[verb][option]
    if "theirs.onnx" in base:
        pytest.importorskip("onnxruntime")
    base, given = (base, [option]) if more is None else (base, more.split())
    assert option in given
    without = outcome(verb, *(["digits", "--data", "drawn:1"] if more is None else base.split()))
    found = outcome(verb, *(["digits"] if more is None else base.split()), *given)
    assert without != found
    assert not (without[0] == found[0] == 2 and without[2] == found[2])
    assert not re.search("RUN-6|Invalid value|Usage", without[2] + found[2])


def required(verb: Verb, but: str = "") -> list[str]:
    """The arguments and options that a verb needs, `but` one: "" for an argument, nothing for an option."""
    words = []
    for param in verb.params:
        name = max(param.opts, key=len)
        if isinstance(param, click.Argument):
            words.append("" if name == but else ARGUMENTS[param.make_metavar(click.Context(verb))])
        elif param.required and name != but:
            words += example(verb, name)
    return words


def example(verb: Verb, option: str) -> list[str]:
    """An option as one gives it, with a value that the verb takes; of flags and choices every one has one."""
    option, _, value = option.partition(" ")
    base, more = ACTS[str(verb.name)][option]
    words = [option] if more is None else more.split()
    return [option, value] if value else words


@pytest.mark.parametrize("verb", COMMANDS, ids=lambda verb: verb.name)
def test_the_list_of_verbs_says_what_their_help_says(verb: click.Command) -> None:
    """The list is printed without importing a verb, in the words that each has of its own."""
    assert verbs.VERBS[str(verb.name)] == (verb.help or "").partition("\n")[0]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_no_option_is_given_twice(outcome: Outcome, verb: Verb) -> None:
    """Neither one that takes one value, whose last would be taken, nor the same value of one that may be repeated."""
    for param in verb.params:
        if isinstance(param, click.Option):
            option = max(param.opts, key=len)
            words = [*required(verb, option), *example(verb, option), *example(verb, option)]
            code, out, err, written, _ = outcome(verb.name, *words)
            assert (code, out, written) == (2, "", {}), option
            assert re.fullmatch(rf"fsref: error: {option}: is given twice.* \[RUN-6\]\n", err), err


CONDITIONS = [
    (verb, option, condition) for verb in VERBS for condition in verb.conditions for option in condition.options
]


@pytest.mark.parametrize(("verb", "option", "condition"), CONDITIONS, ids=lambda part: getattr(part, "name", None))
def test_what_cannot_act_is_refused_before_anything_is_read(
    outcome: Outcome, verb: Verb, option: str, condition: Any
) -> None:
    """Every condition that a verb states holds, whatever the networks and images are."""
    words = [word if word not in ("digits", "graph.npz") else "not there" for word in required(verb)]
    if condition.needed:
        others: list[list[str]] = [[]]
        cases = [other for other in condition.others if isinstance(other, When)]
        if cases and "IMAGE" in (param.make_metavar(click.Context(verb)) for param in verb.params):
            words[1] = "one.png"
        if cases and "theirs.onnx" in words:
            words.remove("theirs.onnx")
        if cases and "--format" in words:
            forms = next(param.type.choices for param in verb.params if param.name == "form")
            words[-1] = next(form for form in forms if not any(case.holds({"form": form}) for case in cases))
    else:
        others = [example(verb, other) for other in condition.others]
    for other in others:
        code, out, err, written, used = outcome(verb.name, *words, *example(verb, option), *other)
        assert (code, out, written, used) == (2, "", {}, ())
        how = "goes" if condition.needed else "does not go"
        assert err.startswith(f"fsref: error: {option}: {how} with ") and err.endswith(" [RUN-6]\n")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("convert graph.npz --data images.npz -K 8,8", "--steps: is given twice: 8"),
        ("convert graph.npz --data images.npz -K 8,a=6,a=7", "--steps: is given twice: a=7"),
        ("convert graph.npz --data images.npz --scale 1,2", "--scale: not one number: 1,2"),
        ("run tiny.fs.npz --data x.npz --resize 9", "resize and crop are for image files"),
        ("explain tiny.fs.npz 0 --data x.npz --resize 9 --population hid --neuron 0", "resize and crop are for"),
        ("run tiny.fs.npz --data x.npz --json --events --observable codes", "--observable: goes with --out, or --json"),
        ("compare tiny.fs.npz tiny.fs.npz --data x.npz", "GRAPH: is an FS network, where the float graph is wanted"),
        ("compare digits digits --data digits", "GRAPH: is an FS network, where the float graph is wanted: digits"),
        ("convert tiny.fs.npz --data x.npz", "MODEL: is an FS network, where the float graph is wanted"),
        ("compare graph.npz graph.npz --data images.npz", "a float graph: fsref convert makes a network of it"),
        ("export graph.npz --format onnx", "a float graph: fsref convert makes a network of it"),
        ("export tiny.fs.npz --format coe --layout word=8,word=9", "--layout: is given twice: word"),
        ("export tiny.fs.npz --format coe --layout words=8", "--layout: unknown key: words (did you mean word?)"),
        ("export tiny.fs.npz --format coe --layout word=", "layout word: not a width in bits"),
        ("export tiny.fs.npz --format coe --layout none.json", "none.json: cannot be read"),
        ("export tiny.fs.npz --format aer", "export: a list of events needs a recording"),
        ("export tiny.fs.npz --format aer --data x.npz --observable codes", "--observable: aer holds no codes"),
        ("export tiny.fs.npz --format aer --data x.npz --fields step:3", "fields: do not say what an event is: step"),
        ("export tiny.fs.npz --format aer --data x.npz --fields step,population,neuron", "fields: leave out the image"),
        ("export tiny.fs.npz --format aer --data x.npz --fields step:9,neuron", "fields: are no fields: step:9,neuron"),
        ("export tiny.fs.npz --format coe --record hid", "this network comes without images: name some"),
        ("export tiny.fs.npz --format coe --out big --force", "--out: holds something else: big (--force replaces"),
        ("evaluate digits --energy big/a.png", "--energy: a file of costs has a name that ends in .json: big/a.png"),
    ],
)
def test_values_that_would_do_nothing_are_refused(outcome: Outcome, command: str, says: str) -> None:
    """A second K for one population, a second scale; a graph for a network and the other way round."""
    words = command.split()
    code, out, err, written, _ = outcome(*words)
    assert (code, out, written) == (2, "", {}) and says in err and err.count("\n") == 1, err


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_no_value_is_empty(outcome: Outcome, verb: Verb) -> None:
    """An empty path was the folder one stands in, an empty source none at all; arguments are held to it, too."""
    for param in verb.params:
        words = required(verb, max(param.opts, key=len))
        if isinstance(param, click.Argument):
            place = str(param.human_readable_name)
        elif not param.is_flag:  # type: ignore[attr-defined]
            place = max(param.opts, key=len)
            words += [place, *[""] * param.nargs]
        else:
            continue
        code, out, err, written, used = outcome(verb.name, *words)
        assert (code, out, written, used) == (2, "", {}, ())
        assert err == f"fsref: error: {place}: is empty [RUN-6]\n", err


def test_numbers_of_images_that_are_not_given_are_said(outcome: Outcome, files: Path) -> None:
    """`compare` takes 256 images, and says that there it ended; its help gives the number."""
    x = drawn(300)
    np.savez(files / "many.npz", x=x)
    out = outcome("compare", "graph.npz", "made.fs.npz", "--data", "many.npz")[1]
    assert out.endswith("\nimages  256 of many.npz, where --limit ends\n")
    assert outcome(*f"compare {MADE}".split())[1].endswith("\nimages  12 of images.npz\n")
    assert "[default: 256; x>=1]" in outcome("compare", "--help")[1]
