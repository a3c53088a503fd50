"""The command lines that read a broken file, and two more for what Python alone reads: `show` prints what a file loads
as, `differ` compares a recording.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import onnx

import fsref
import fsref.cli.main as command_line
from fsref.errors import FsrefError
from fsref.simulation.difference import NotCompared
from fuzz_archives import disagreement
from fuzz_drive import drive, replayed
from fuzz_seeds import Case

MEMORY = "256M"  # what verbs are told with --memory-limit
LIMITS = {"memory_limit": ("--memory-limit", MEMORY), "threads": ("--threads", "1")}
GOOD, OUT = "../good", "../out"
NET, DRAWN, FROM_ONNX, TEN = (f"{GOOD}/{name}.fs.npz" for name in ("net", "drawn", "from_onnx", "ten"))
GRAPH, X, PICTURE = (f"{GOOD}/{name}" for name in ("graph.npz", "x.npz", "picture.png"))
CONTRACT = "--mean 0.4,0.5,0.6 --std 0.2,0.25,0.3"
WRITTEN = f"{OUT}/new.fs.npz"
VIEW = f"{OUT}/view.html"
LINES = {  # by kind; @ is the case, and what follows ! refuses a valid case, too
    "npz": f"""
        info @
        info @ --timeline
        run @ --data {X}
        run @ --data {X} --engine reference --record stem --observable membranes --json
        run @ --data {X} --events --limit 2
        run @ --data {X} --out {OUT}/recording
        run @ --data {PICTURE}
        check @ --data {PICTURE}
        check @ --data drawn:2
        explain @ 1 --data {X} --population stem --neuron 3
        explain @ {PICTURE} --population out --neuron 1
        view @ {X} --image 1 -o {VIEW}
        evaluate @ --data {X} --energy horowitz_2014
        evaluate @ --data {X} --rate 8
        export @ --format onnx --out {OUT}/new.onnx
        compare {GRAPH} @ --data {X}
        show @""",
    "images": f"""
        run {NET} --data @
        evaluate {DRAWN} --data @
        check {NET} --data @
        explain {NET} 1 --data @ --population stem --neuron 3
        convert {GRAPH} --data @ --out {WRITTEN}
        view {NET} @ -o {VIEW}
        compare {GRAPH} {NET} --data @""",
    "graph": f"""
        convert @ --data {X} --out {WRITTEN}
        convert @ --data {X} --out {WRITTEN} --steps 4 --bias-correction empirical
        convert @ --data {PICTURE} --mean 0 --std 1 --size 3x8x8 --out {WRITTEN}
        compare @ {NET} --data {X}
        ! info @
        show @""",
    "onnx": f"""
        convert @ {CONTRACT} --data {X} --out {WRITTEN}
        convert @ {CONTRACT} --data {X} --out {WRITTEN}
        convert @ {CONTRACT} --data {X} --size 3x8x8 --steps 4 --out {WRITTEN}
        compare @ {FROM_ONNX} {CONTRACT} --data {X}
        ! info @""",
    "picture": f"""
        run {NET} --data @
        run {NET} --data @
        run {DRAWN} --data @
        run {DRAWN} --data @ --resize 8
        run {DRAWN} --data @ --crop 8
        ! run {DRAWN} --data @ --resize 65536
        ! run {DRAWN} --data @ --resize 1099511627776 --crop 8
        explain {NET} @ --population stem --neuron 3
        view {NET} @ -o {VIEW}
        check {NET} --data @
        convert {GRAPH} --data @ --out {WRITTEN}
        compare {GRAPH} {NET} --data @""",
    "npy": f"""
        run {DRAWN} --data @
        explain {DRAWN} @ --population stem --neuron 3
        view {DRAWN} @ --population stem -o {VIEW}
        check {DRAWN} --data @
        ! convert {GRAPH} --data @ --out {WRITTEN}""",
    "csv": f"""
        run {NET} --data @
        evaluate {NET} --data @
        evaluate {DRAWN} --data @
        check {DRAWN} --data @ --limit 2
        convert {GRAPH} --data @ --out {WRITTEN}
        compare {GRAPH} {NET} --data @""",
    "costs": f"""
        evaluate {NET} --data {X} --energy @
        evaluate {NET} --data {X} --energy @ --rate 8""",
    "recording": f"""
        show @
        differ @
        differ @ {GOOD}/recording
        diff {DRAWN} {X} @ --images 0:2
        info @/network.fs.npz
        view {DRAWN} {X} --dump @ --images 0:2 -o {VIEW}""",
    "dataset": f"""
        run {TEN} --data @
        run {TEN} --data @ --limit 2
        evaluate {TEN} --data @
        check {TEN} --data @ --limit 2
        explain {TEN} 0 --data @ --population out --neuron 3""",
    "memories": f"""
        diff {DRAWN} {X} @ --images 0:2
        diff {DRAWN} {X} @ --images 0:2 --isolated
        view {DRAWN} {X} --dump @ --images 0:2 -o {VIEW}""",
    "dump": f"""
        diff {DRAWN} {X} @ --images 0:2
        diff {DRAWN} {X} @ --images 0:2 --isolated
        view {DRAWN} {X} --dump @ --images 0:2 -o {VIEW}
        ! diff {NET} {X} @
        ! view {NET} {X} --dump @ -o {VIEW}""",
    "layout": f"""
        export {DRAWN} --format readmemh --layout @ --data {X} --images 0:2 --out {OUT}/memories
        export {DRAWN} --format mif --layout @ --out {OUT}/memories
        ! diff {DRAWN} {X} {GOOD}/dump.aer --images 0:2 --layout @""",
    "chip": f"""
        check {NET} --for @
        convert {GRAPH} --for @ --data {X} --out {WRITTEN}""",
    "certificate": f"""
        check {DRAWN} --certificate @
        ! check {NET} --certificate @""",
    "vectors": f"""
        vectors show @
        vectors show @ --hex
        vectors show @ --frames
        vectors check @ {GOOD}/replies.hex
        vectors check @ {GOOD}/replies.bin --frames
        vectors bench @ --out {OUT}/bench
        vectors bench @ --out {OUT}/bench --unit mid
        vectors bench @ --out {OUT}/bench --language c
        ! cover {DRAWN} @ --format pack""",
    "replies": f"""
        vectors check {GOOD}/vectors.jsonl @
        ! vectors check {GOOD}/vectors.jsonl @ --frames""",
    "greeting": """
        drive frames @""",
    "answers": """
        drive frames @""",
    "lines": """
        drive hex @""",
    "batch": """
        drive files @""",
    "replay": f"""
        replay @
        replay @ {GOOD}/fuzz_player.py frames answers""",
    "device": f"""
        ! info @
        ! run @ --data {X}
        ! run {NET} --data @
        ! run {NET} --data cifar10:@
        ! check @ --data drawn:2
        ! explain {NET} @ --population stem --neuron 3
        ! evaluate {NET} --data {X} --energy @
        ! export @ --format onnx --out {OUT}/new.onnx
        ! compare @ {NET} --data {X}
        ! convert @ --data {X} --out {WRITTEN}
        ! convert {GRAPH} --data @ --out {WRITTEN}
        ! diff {DRAWN} {X} @
        ! view @ {X} -o {VIEW}
        ! view {NET} {X} --dump @ -o {VIEW}
        ! check {NET} --for @
        ! check {NET} --certificate @
        ! export {DRAWN} --format readmemh --layout @ --out {OUT}/memories
        ! show @""",
}
AS_JSON, AS_PAGE = 0.3, 0.03  # shares of the command lines that can; a page takes a second


def lines_of(case: Case, content: bool = False) -> list[list[str]]:
    """Every command line that reads a case, without its limits; or those alone that are `content` with a valid one."""
    told = LINES["images" if case.name == "images.npz" else case.kind].strip().splitlines()
    chosen = [line.strip().removeprefix("! ") for line in told if not (content and line.strip().startswith("!"))]
    return [[word.replace("@", case.name) for word in line.split()] for line in chosen]


def limited(line: list[str]) -> list[str]:
    """The command line with a limit on what it may take, where its verb knows one."""
    if line[0] in OWN or {"--for", "--certificate"} & {*line} and line[0] == "check":
        return line
    verb = getattr(import_module(f"fsref.cli.{line[0]}"), line[0])
    known = {option.name for option in verb.params}
    return [*line, *(word for name, words in LIMITS.items() if name in known for word in words)]


def drawn_lines(draw: Random, case: Case, count: int) -> list[list[str]]:
    """Some of the command lines that read a case, perhaps as JSON."""
    lines = lines_of(case)
    made = []
    for line in draw.sample(lines, min(count, len(lines))):
        more = ["--json"] if draw.random() < AS_JSON and line[0] not in OWN else []
        more += ["--html", f"{OUT}/page.html"] if draw.random() < AS_PAGE and line[0] == "evaluate" else []
        made.append(limited([*line, *more]))
    return made


def called(line: list[str]) -> int:
    """The exit code of a command line, called in this process."""
    if line[0] not in OWN:
        return command_line.main(line)
    try:
        for shown in OWN[line[0]](*line[1:]):
            print(repr(shown))
            print(shown)
    except FsrefError as error:
        print(f"fsref: error: {error}", file=sys.stderr)
        return 2
    return 0


def _show(path: str) -> list[Any]:
    """What a file or recording is, to print."""
    if Path(path).is_dir():
        trace = fsref.read_trace(path)
        return [trace, trace.events()]
    return [fsref.load_graph(path) if path == "one.npz" else fsref.load(path)]


def _differ(path: str, other: str = "") -> list[Any]:
    """The first difference of a recording and another, or the reference."""
    trace = fsref.read_trace(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotCompared)
        if other:
            return [fsref.diff(trace, fsref.read_trace(other))]
        return [fsref.diff(trace, "reference", fsref.load_images(X, trace.net).x[: trace.image_count])]


OWN: dict[str, Callable[..., list[Any]]] = {"show": _show, "differ": _differ, "drive": drive, "replay": replayed}


def sees_picture(case: Case, line: list[str]) -> bool:
    """Whether a command line reads image files."""
    return case.kind in ("picture", "csv") or PICTURE in line


def target_of(line: list[str]) -> str | None:
    """The file or folder that a command line names to be written."""
    return next((word for word in line if word.startswith(f"{OUT}/")), None)


def misfit(line: list[str]) -> str:
    """What a verb that was content should not have taken, or has not written whole, "" for nothing."""
    for read in (Path(word) for word in line[1:] if word.endswith((".npz", ".onnx")) and not word.startswith("..")):
        if read.suffix == ".npz" and (told := disagreement(read.read_bytes())):
            return f"taken: a zip whose records disagree: {told}"
        if read.suffix == ".onnx" and _mistyped(read):
            return "taken: an ONNX model that no operator set allows"
    target = target_of(line)
    try:
        return f"half-written: {line[0]}: there is none" if target and not Path(target).exists() else _unread(target)
    except Exception as error:  # whatever a reader may say
        return f"half-written: {line[0]}: {type(error).__name__} at {target}"


def _mistyped(path: Path) -> bool:
    """Whether an ONNX model gives an operator values of a type that it does not take."""
    try:
        onnx.shape_inference.infer_shapes(onnx.load(path), check_type=True, strict_mode=True)
    except Exception as error:  # whatever it says
        return "unsupported type" in str(error)
    return False


def _unread(target: str | None) -> str:
    """ "" when what a verb has written can be read back whole, else the reader's error is raised."""
    match Path(target or "").suffix:
        case ".npz":
            fsref.load(str(target))
        case ".onnx":
            onnx.checker.check_model(str(target))
        case ".html":
            text = Path(str(target)).read_text(encoding="utf-8")
            assert text.rstrip().endswith("</html>"), "the page has no end"
        case _ if target is not None and (Path(target) / "recording.json").exists():
            fsref.read_trace(target)
    return ""
