"""Files and folders appear complete or not at all, and replace what is there only when asked (RUN-5)."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import fsref
from fsref import Record, read_trace, run
from fsref.cli import main as cli
from fsref.errors import FileError, UsageError
from fsref.formats import files
from fsref.formats.files import LeftOver, NewFolder
from fsref.metrics.energy import Costs
from fsref.reports import plots
from fsref.simulation.store import is_recording
from handmade import draw, saved, tiny
from nodes import drawn, residual
from refusals import error_of, refused

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A function that runs the command line in an empty folder and returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        out, err = capfd.readouterr()
        return code, out, error_of(err)

    return run


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """The umask may be set, and is what it was when the test ends."""
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


def held(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def plain(folder: Path, names: set[str]) -> bool:
    """Whether only `a` and `b` are there."""
    return names <= {"a", "b"}


# What is there

VERBS = {  # what is typed, what it writes, and a file in that when it is a folder
    "convert": ("convert floats.npz --data f.npz --image-count 20 --steps 2", "floats.fs.npz", ""),
    "convert --out": ("convert floats.npz --data f.npz --image-count 20 --steps 2 --out out.npz", "out.npz", ""),
    "export": ("export tiny.fs.npz --format onnx", "tiny.fs.onnx", ""),
    "export --out": ("export tiny.fs.npz --format onnx --out out", "out", ""),
    "run --out": ("run tiny.fs.npz --data x.npz --out out", "out", "recording.json"),
    "evaluate --html": ("evaluate tiny.fs.npz --data x.npz --html out.html", "out.html", ""),
    "evaluate --plots": ("evaluate tiny.fs.npz --data x.npz --plots out", "out", "codes.svg"),
    "compare --plot": ("compare floats.npz floats.fs.npz --data f.npz --plot out.svg", "out.svg", ""),
    "view": ("view tiny.fs.npz x.npz", "view.html", ""),
    "view --out": ("view tiny.fs.npz x.npz --out out.html", "out.html", ""),
}
NEEDS = {"export": "onnx", "export --out": "onnx", "evaluate --html": "matplotlib", "evaluate --plots": "matplotlib",
         "compare --plot": "matplotlib"}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network, its images, a float graph, its images, and, for `compare`, what that becomes."""
    folder = tmp_path_factory.mktemp("inputs")
    saved(folder)
    graph, x = residual(), drawn(20)
    fsref.save(graph, folder / "floats.npz")
    np.savez(folder / "f.npz", x=x, y=graph.forward(x).argmax(axis=1))
    fsref.save(fsref.convert(graph, x, steps=2), folder / "floats.fs.npz")
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_there_is_replaced_only_when_asked(
    call: Call, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Every verb that writes: what is there is refused in one line, before the work, and stays; with --force it is
    replaced. Something else of that name never is.
    """
    if verb in NEEDS:
        pytest.importorskip(NEEDS[verb])
    monkeypatch.setattr(plots, "DRAWN", (plots.codes,))  # drawing takes long
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    command, name, inside = VERBS[verb]
    arguments, target = command.split(), tmp_path / name
    if inside:
        target.mkdir()
    old = b'{"files": {}, "note": "old"}'  # all that a folder needs to be a recording
    (target / inside).write_bytes(old)
    before = held(tmp_path)
    code, out, err = call(*arguments)
    assert (code, out) == (2, "") and "is there already" in err and "--force" in err and err.endswith("[RUN-5]\n")
    assert held(tmp_path) == before
    code, out, err = call(*arguments, "--force")
    assert target.name in out.split("written")[-1]  # it says what it wrote
    assert (code, err) == (0, "") and held(tmp_path).keys() >= before.keys() and old not in held(tmp_path).values()
    if inside:
        (target / "notes.txt").write_text("mine")
    else:
        target.unlink()
        target.mkdir()
    before = held(tmp_path)
    code, out, err = call(*arguments, "--force")
    assert (code, out, err.count("\n")) == (2, "", 1) and err.endswith("[RUN-5]\n") and held(tmp_path) == before


@pytest.mark.parametrize(
    "command",
    [
        "convert floats.npz --data f.npz --out f.npz",
        "convert floats.npz --data x.npz --test f.npz --out f.npz",
        "export f.npz --format onnx --out f.npz",
        "evaluate tiny.fs.npz --data f.npz --html f.npz",
        "evaluate tiny.fs.npz --data x.npz --energy f.json --html f.json",
        "compare floats.npz floats.fs.npz --data f.npz --plot f.npz",
    ],
)
def test_what_a_command_reads_is_not_replaced(call: Call, inputs: Path, tmp_path: Path, command: str) -> None:
    """Nor with --force: the file that is to be written is none of those that are read."""
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    if command.startswith("export"):
        shutil.copy(tmp_path / "tiny.fs.npz", tmp_path / "f.npz")
    if "--energy" in command:
        prices = {field.name: 1 for field in fields(Costs)[1:-2]}
        (tmp_path / "f.json").write_text(json.dumps(prices))
    before = held(tmp_path)
    code, out, err = call(*command.split(), "--force")
    said = f": would replace another file of this command: {command.split()[-1]} ("
    assert (code, out) == (2, "") and said in err
    assert held(tmp_path) == before


@pytest.mark.parametrize(
    "command", ["run tiny.fs.npz --data x.npz", "evaluate tiny.fs.npz --data x.npz", "compare floats.npz x --data f"]
)
def test_force_without_something_to_write(call: Call, inputs: Path, tmp_path: Path, command: str) -> None:
    """An option that can do nothing is refused: on the command line and in Python."""
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    code, out, err = call(*command.replace(" x ", " tiny.fs.npz ").split(), "--force")
    assert (code, out) == (2, "") and err.startswith("fsref: error: --force: goes with --")
    with refused(UsageError, "RUN-5", "record", says="replace goes with a path"):
        run(tiny(), draw(tiny(), 1), record=Record(replace=True))


def test_python_replaces_files_and_asks_before_folders(tmp_path: Path) -> None:
    """`save` replaces a file, as np.save does; a recording takes the place of another only with `replace`."""
    net, images = tiny(), draw(tiny(), 2)
    fsref.save(net, tmp_path / "a")
    fsref.save(tiny(name="again"), tmp_path / "a")
    assert fsref.load(tmp_path / "a").name == "again"
    path = tmp_path / "r"
    run(net, images, record=Record(path=path))
    with refused(UsageError, "RUN-5", str(path), says="replace=True"):
        run(net, images, record=Record(path=path))
    run(net, images[:1], record=Record(["hid"], path=path, replace=True))
    assert read_trace(path).image_count == 1 and not list(path.glob("population.0.*"))
    for stranger in ("notes.txt", "population.0.spikes.npy.bak"):
        (path / stranger).write_text("mine")
        with refused(UsageError, "RUN-5", str(path), says="replaces a recording alone"):
            run(net, images, record=Record(path=path, replace=True))
        (path / stranger).unlink()
    (path / "recording.json").rename(tmp_path / "elsewhere")
    with refused(UsageError, "RUN-5", str(path)):
        run(net, images, record=Record(path=path, replace=True))
    assert (path / "network.fs.npz").is_file()
    run(net, images, record=Record(path=tmp_path / "new", replace=True))
    (tmp_path / "empty").mkdir()
    run(net, images, record=Record(path=tmp_path / "empty", replace=True))
    assert read_trace(tmp_path / "empty").image_count == read_trace(tmp_path / "new").image_count == 2


@pytest.mark.parametrize(
    "verb", [verb for verb in VERBS if "--" in verb and verb not in ("run --out", "evaluate --plots")]
)
def test_a_file_is_not_named_as_a_folder(call: Call, tmp_path: Path, verb: str) -> None:
    """A name that ends in / is that of a folder: nothing is read, and no file without the / is written."""
    code, out, err = call(*VERBS[verb][0].split()[:-1], "new/")
    option = verb.split()[1]
    line = f"fsref: error: {option}: names a folder: new/ (a file is written: a name without / at its end) [RUN-5]\n"
    assert (code, out, err) == (2, "", line) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "listing", "one", "mine"),
    [
        ("run tiny.fs.npz --data x.npz", "recording.json", "population.1.codes.npy", "population.9999.spikes.npy"),
        ("export tiny.fs.npz --format readmemh", "manifest.json", "population.1.bias.mem", "population.9999.bias.mem"),
    ],
)
def test_a_folder_is_replaced_whole_and_alone(
    call: Call, tmp_path: Path, command: str, listing: str, one: str, mine: str
) -> None:
    """A file that has the name of one of ours, but that the folder's own list does not hold, is somebody's and stays; a
    folder that lacks a file is still replaced, one without a list is not.
    """
    saved(tmp_path)
    folder, asked = tmp_path / "r", (*command.split(), "--out", "r", "--force")
    assert call(*asked)[0] == 0
    (folder / mine).write_bytes(b"mine")
    before = held(tmp_path)
    code, out, err = call(*asked)
    assert (code, out) == (2, "") and "holds something else: r" in err and held(tmp_path) == before
    (folder / mine).unlink()
    (folder / one).unlink()
    assert call(*asked)[0] == 0 and (folder / one).exists()
    key = "files" if listing == "recording.json" else "memories"
    for wrong in ("", "{}", "[]", f'{{"{key}": 5}}', f'{{"{key}": [[]]}}', "[" * 10**5):
        (folder / listing).write_text(wrong)
        assert "holds something else: r" in call(*asked)[2]


def test_what_is_no_file_is_not_replaced(call: Call, tmp_path: Path) -> None:
    """A folder, a pipe, a device by way of a link, a link to nothing or to itself: neither replaced nor opened, by
    files and folders, from Python and with --force.
    """
    saved(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = {path.name: os.lstat(path)[:3] for path in tmp_path.iterdir()}
    for name in ("pipe", "null", "dangling", "loop", "folder"):
        with refused(UsageError, "RUN-5", str(tmp_path / name)):
            tiny().save(tmp_path / name)
        code, out, err = call("export", "tiny.fs.npz", "--format", "onnx", "--out", name, "--force")
        assert (code, out) == (2, "") and f": {name} (" in err and err.endswith("[RUN-5]\n")
    for name in ("pipe", "null", "dangling", "loop", "folder", "file", "none/there"):
        code, out, err = call("run", "tiny.fs.npz", "--data", "x.npz", "--out", name, "--force")
        assert (code, out) == (2, "") and name.partition("/")[0] in err and err.endswith("[RUN-5]\n")
    assert {path.name: os.lstat(path)[:3] for path in tmp_path.iterdir()} == before


def test_links_stay(tmp_path: Path) -> None:
    """What a link leads to is replaced, file or recording; the link, and what it says, stays."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "link").symlink_to("deep/file")
    (tmp_path / "to").symlink_to("deep/r")
    fsref.save(tiny(), tmp_path / "deep" / "file")
    fsref.save(tiny(name="again"), tmp_path / "link")
    run(tiny(), draw(tiny(), 2), record=Record(path=tmp_path / "deep" / "r"))
    run(tiny(), draw(tiny(), 1), record=Record(path=tmp_path / "to", replace=True))
    assert (os.readlink(tmp_path / "link"), os.readlink(tmp_path / "to")) == ("deep/file", "deep/r")
    assert (
        fsref.load(tmp_path / "deep" / "file").name == "again" and read_trace(tmp_path / "deep" / "r").image_count == 1
    )
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["file", "r"]


def test_permissions(tmp_path: Path, umask: Callable[[int], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is new has what the umask leaves, what is replaced keeps its own; what may not be written is not."""

    def mode(path: Path) -> int:
        return path.stat().st_mode & 0o777

    net, images = tiny(), draw(tiny(), 2)
    for mask in (0o022, 0o077, 0o002):
        umask(mask)
        file, folder = tmp_path / f"{mask}", tmp_path / f"r{mask}"
        fsref.save(net, file)
        run(net, images, record=Record(path=folder))
        assert mode(file) == 0o666 & ~mask and mode(folder) == 0o777 & ~mask
        assert {mode(path) for path in folder.iterdir()} == {0o666 & ~mask}
    file.chmod(0o640)
    folder.chmod(0o750)
    fsref.save(net, file)
    run(net, images, record=Record(path=folder, replace=True))
    assert (mode(file), mode(folder)) == (0o640, 0o750)
    monkeypatch.setattr(files.os, "access", lambda path, how: how != os.W_OK)
    with refused(UsageError, "RUN-5", str(file), says="may not be written"):
        fsref.save(net, file)


def test_long_names(tmp_path: Path) -> None:
    """A name may be as long as the file system has it, in any letters."""
    for name in ("n" * 255, "ü" * 127):
        fsref.save(tiny(), tmp_path / name)
        assert fsref.load(tmp_path / name).id == tiny().id
    with refused(FileError, "FILE-4", says="File name too long"):
        fsref.save(tiny(), tmp_path / ("n" * 256))
    with refused(FileError, "FILE-4"):
        fsref.save(tiny(), f"{tmp_path}/a\0b")


# What appears meanwhile


def test_a_file_that_appears_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `replace` what has the name by now stays, and the new file lies beside it under a name that is told;
    also where the file system has no hard links.
    """
    for links in (True, False):
        (tmp_path / f"{links}").write_bytes(b"theirs")
        (tmp_path / f"{links}.1").mkdir()
        if not links:
            monkeypatch.setattr(files.os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
        with refused(FileError, "RUN-5", str(tmp_path / f"{links}"), says=f"in {tmp_path / f'{links}.2'}"):
            files.write(b"ours", tmp_path / f"{links}", "FILE-4", replace=False)
        files.write(b"new", tmp_path / f"new {links}", "FILE-4", replace=False)
    assert held(tmp_path) == {"True": b"theirs", "True.2": b"ours", "False": b"theirs", "False.2": b"ours",
                              "new True": b"new", "new False": b"new"}  # fmt: skip


@pytest.mark.parametrize("theirs", ["folder", "file", "link", "empty"])
@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_whose_target_appears_meanwhile_is_kept(tmp_path: Path, theirs: str, replace: bool) -> None:
    """What appeared while the folder was made stays, and the folder lies beside it under a name that is told; an empty
    folder holds nothing that could be lost.
    """
    target = tmp_path / "r"

    def appear() -> None:
        match theirs:
            case "folder":
                target.mkdir()
                (target / "theirs").write_text("theirs")
            case "file":
                target.write_text("theirs")
            case "link":
                target.symlink_to("nowhere")
            case "empty":
                target.mkdir()

    def made() -> None:
        with NewFolder(target, "RUN-3", "a recording", is_recording, replace) as folder:
            folder.add("recording.json", b"ours")
            appear()

    if theirs == "empty":
        made()
        assert held(tmp_path) == {"r/recording.json": b"ours"}
        return
    with refused(FileError, "RUN-5", str(target), says=f"what was made is whole, in {tmp_path / 'r.1'}"):
        made()
    assert (tmp_path / "r.1" / "recording.json").read_bytes() == b"ours" and len(list(tmp_path.iterdir())) == 2
    assert target.is_symlink() or "theirs" in target.read_text() if target.is_file() else True


def test_a_replaced_folder_comes_back_when_the_move_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old folder stands aside for two moves alone; when the second fails, the old one is there again."""
    target = tmp_path / "r"
    target.mkdir()
    (target / "a").write_text("old")
    rename = os.rename

    def fails(source: Any, to: Any) -> None:
        if Path(to) == target and (Path(source) / "b").exists():
            raise OSError(errno.EIO, "Input/output error")
        rename(source, to)

    monkeypatch.setattr(files.os, "rename", fails)
    with refused(FileError, "RUN-3", str(target), says="Input/output error"):
        with NewFolder(target, "RUN-3", "letters", plain, True) as folder:
            folder.add("b", b"new")
    assert held(tmp_path) == {"r/a": b"old"} and len(list(tmp_path.iterdir())) == 1


# Folders and files that fail


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    """While the block runs, its folder stands beside the target under another name; after it, the target holds
    everything, and nothing else is left.
    """
    target = tmp_path / "out"
    with NewFolder(target, "RUN-3", "letters", plain) as folder:
        folder.add("a", b"1")
        folder.add("b", b"1", 5)
        folder.put("b", 3, memoryview(b"2"))
        assert folder.making.parent == tmp_path and not target.exists()
    assert held(target) == {"a": b"1", "b": b"1\0\0" + b"2\0"} and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), UsageError("RUN-2", "run", "wrong"), OSError(5)]
)
def test_a_folder_does_not_appear_in_part(tmp_path: Path, error: BaseException) -> None:
    """What ends the block comes out of it as it is, and leaves nothing."""
    with pytest.raises(type(error)) as caught, NewFolder(tmp_path / "out", "RUN-3", "letters", plain) as folder:
        folder.add("a", b"1")
        raise error
    assert caught.value is error and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["mkdir", "open", "touch", "fsync", "posix_fallocate", "rename", "replace", "chmod"])
def test_what_the_system_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A full disk is one line of FileError that names rule and target, whenever it comes; nothing is left, and what was
    to be replaced stands.
    """
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "a").write_text("old")
    (tmp_path / "f").write_text("old")
    met = []

    def full(*args: Any, **more: Any) -> None:
        met.append(call)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for make in (
        lambda: files.write(b"new", tmp_path / "f", "RUN-3"),
        lambda: filled(NewFolder(tmp_path / "r", "RUN-3", "letters", plain, True)),
    ):
        before, count = held(tmp_path), len(met)
        try:
            with monkeypatch.context() as patched:
                patched.setattr(Path if call in ("mkdir", "open", "touch", "chmod") else files.os, call, full)
                make()
        except FileError as error:
            assert error.rule == "RUN-3" and str(error).count("No space left on device") == 1
            assert held(tmp_path) == before
        else:
            assert len(met) == count
    assert met and {p.name for p in tmp_path.iterdir()} == {"r", "f"}


def filled(new: NewFolder) -> None:
    """Make a folder of two files, one of them with room behind it."""
    with new as folder:
        folder.add("a", b"new", 9)
        folder.put("a", 4, memoryview(b"12"))
        folder.add("b", b"new")


@pytest.mark.parametrize("broken", [errno.EOPNOTSUPP, errno.EINVAL, None])
def test_space_is_taken_where_the_system_cannot_reserve_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int | None
) -> None:
    """Without posix_fallocate, or on a file system without it, zeros are written: the file never has holes."""

    def refuses(*args: int) -> None:
        assert broken is not None
        raise OSError(broken, "no")

    if broken is None:
        monkeypatch.delattr(files.os, "posix_fallocate")
    else:
        monkeypatch.setattr(files.os, "posix_fallocate", refuses)
    size = 3 * 2**20 + 7
    with NewFolder(tmp_path / "out", "RUN-3", "letters", plain) as folder:
        folder.add("a", b"head", size)
    found = (tmp_path / "out" / "a").stat()
    assert found.st_size == size and found.st_blocks * 512 >= size
    assert (tmp_path / "out" / "a").read_bytes() == b"head" + bytes(size - 4)


class Ended(BaseException):
    """What a signal raises."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file is left open, too
def test_an_end_at_any_line_leaves_nothing_or_everything(tmp_path: Path) -> None:
    """A signal may raise anywhere: at each line of the writers in turn, also where it cleans up. Then nothing is left
    but what was there or what was to be; what a `try` alone guards begins behind it.
    """
    source = Path(files.__file__).read_text(encoding="utf-8").splitlines()
    tries = {number for number, line in enumerate(source, 1) if line.strip() in ("try:", "finally:")}

    def ends_at(count: int, what: Callable[[], object]) -> bool:
        seen = 0

        def trace(frame: FrameType, event: str, arg: object) -> Any:
            nonlocal seen
            if frame.f_code.co_filename != files.__file__:
                return None
            if event == "line" and frame.f_lineno not in tries:
                seen += 1
                if seen == count:
                    raise Ended
            return trace

        sys.settrace(trace)
        try:
            what()
        except Ended:
            return True
        finally:
            sys.settrace(None)
        return False

    for number, (what, wholes) in enumerate((
        (lambda: files.write(b"new", tmp_path / "f", "RUN-3"), ({"f": b"old"}, {"f": b"new"})),
        (lambda: files.write(b"new", tmp_path / "f", "RUN-3", False), ({}, {"f": b"new"})),
        (lambda: filled(NewFolder(tmp_path / "r", "RUN-3", "x", plain)), ({}, "r")),
        (lambda: filled(NewFolder(tmp_path / "r", "RUN-3", "x", plain, True)), ({"r/a": b"old"}, "r")),
    )):  # fmt: skip
        before, after = wholes
        after = {"r/a": b"new\0" + b"12\0\0\0", "r/b": b"new"} if after == "r" else after
        count = 1
        while True:
            for path in list(tmp_path.iterdir()):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            for name, data in before.items():
                (tmp_path / name).parent.mkdir(exist_ok=True)
                (tmp_path / name).write_bytes(data)
            ended = ends_at(count, what)
            assert held(tmp_path) in (before, after), (number, count)
            assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], (number, count)
            if not ended:
                assert held(tmp_path) == after and count > 20
                break
            count += 1


# What a dead run left


def test_what_a_dead_run_left_is_named(call: Call, tmp_path: Path) -> None:
    """A hidden file or folder that nobody holds is named by the next that writes there, in Python as a warning, on the
    command line as a line of its own, and never touched; one whose run lives, or of another kind, is not named.
    """
    saved(tmp_path)
    left = [tmp_path / ".r.fsref-0123456789abcdef", tmp_path / ".f.fsref-0123456789abcdef"]
    with NewFolder(tmp_path / "living", "RUN-3", "letters", plain) as folder:
        folder.add("a", b"1")
        fsref.save(tiny(), tmp_path / "a")
        left[0].mkdir()
        left[1].touch()
        (tmp_path / ".other").write_text("mine")
        (tmp_path / ".pipe.fsref-0123456789abcdef").symlink_to("a")
        fsref.save(tiny(), tmp_path / "a")  # what is empty is perhaps not held yet
        (left[0] / "a").write_text("1")
        left[1].write_text("1")
        with pytest.warns(LeftOver) as told:
            fsref.save(tiny(), tmp_path / "a")
    assert [str(one.message) for one in told] == [f"{p} is left of a run that died: delete it" for p in sorted(left)]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        code, out, err = call("run", "tiny.fs.npz", "--data", "x.npz", "--out", "out")
    assert code == 0 and "recorded in out" in out and all(path.exists() for path in left)
    lines = [f"fsref: note: {path} is left of a run that died: delete it" for path in sorted(left)]
    assert err.splitlines() == lines


def test_a_file_that_is_being_written_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as its run lives, a hidden file is no litter, however much of it is written."""
    looked: list[str] = []

    def look(_: int) -> None:
        looked.extend(path.name for path in tmp_path.iterdir() if path.stat().st_size)
        files.name_left_over(tmp_path)

    monkeypatch.setattr(files.os, "fsync", look)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files.write(b"new", tmp_path / "f", "RUN-5")
    assert len(looked) == 1 and files.HIDDEN.fullmatch(looked[0]) and held(tmp_path) == {"f": b"new"}


def test_a_system_without_locks_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot tell the living from the dead; it writes all the same."""
    monkeypatch.setattr(files, "fcntl", None)
    (tmp_path / ".f.fsref-0123456789abcdef").write_text("1")
    fsref.save(tiny(), tmp_path / "a")
    assert fsref.load(tmp_path / "a").id == tiny().id
