"""How the command line ends when something outside ends it: signals at any time, closed, full and broken streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Timer
from typing import Any

import numpy as np
import pytest

import fsref
import nodes
from fsref.cli import info
from fsref.cli.main import main
from fsref.cli.signals import Stopped
from fsref.simulation.workers import workers

ROOT = Path(fsref.__file__).parent.parent
pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and streams")
SIGNALS = {"SIGINT": (130, "interrupted"), "SIGTERM": (143, "terminated"), "SIGHUP": (129, "hung up")}


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Signals are heard, as at a terminal, also where who runs the tests ignores them, as in the background."""
    before = {each: signal.getsignal(getattr(signal, each)) for each in SIGNALS}
    deaf = [getattr(signal, each) for each, handler in before.items() if handler == signal.SIG_IGN]
    for number in deaf:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number in deaf:
        signal.signal(number, signal.SIG_IGN)


def fsref_process(*arguments: str, shell: str = "", path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m fsref` in a process of its own, perhaps with redirections of a shell, or modules put before others."""
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (path, ROOT) if path else (ROOT,)))}
    words = [sys.executable, "-m", "fsref", *arguments]
    command = ["sh", "-c", f'"$@" {shell}', "sh", *words] if shell else words
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("module", ["click", "numpy"])
def test_a_signal_during_imports_is_one_line(tmp_path: Path, module: str, name: str) -> None:
    """While Python still imports what fsref stands on, a signal is exit code 128 + N and one line."""
    code, told = SIGNALS[name]
    (tmp_path / f"{module}.py").write_text(f"import signal\nsignal.raise_signal(signal.{name})\n")
    done = fsref_process("info", "digits", path=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"fsref: error: {told}\n")


def test_a_signal_with_nobody_to_tell(tmp_path: Path) -> None:
    """With standard input and error closed the exit code still says what happened: no other file has their numbers."""
    (tmp_path / "click.py").write_text("import signal\nsignal.raise_signal(signal.SIGTERM)\n")
    done = fsref_process("info", "digits", path=tmp_path, shell="<&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "")


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_an_orderly_way_out(name: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """A signal while a verb works unwinds it, so that what writes tidies up; a second one meanwhile changes nothing;
    handlers and hook are afterwards what they were.
    """
    tidied, number = [], getattr(signal, name)
    before = [signal.getsignal(getattr(signal, each)) for each in SIGNALS], sys.unraisablehook

    def work(_: object) -> None:
        try:
            signal.raise_signal(number)
        finally:
            for each in SIGNALS:
                signal.raise_signal(getattr(signal, each))
            tidied.append(True)

    monkeypatch.setattr(info, "load", work)
    code, told = SIGNALS[name]
    assert main(["info", "digits"]) == code
    assert (tidied, capsys.readouterr()) == ([True], ("", f"fsref: error: {told}\n"))
    assert ([signal.getsignal(getattr(signal, each)) for each in SIGNALS], sys.unraisablehook) == before


def test_two_signals_at_once_are_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Where a second comes before Python has looked at the first, as when a service stops and its terminal closes, one
    is told, and Python has nothing to say of the other.
    """
    said: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)

    def work(_: object) -> None:
        numbers = {signal.SIGHUP, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        for number in numbers:
            signal.pthread_kill(threading.get_ident(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

    monkeypatch.setattr(info, "load", work)
    told = {main(["info", "digits"]): capsys.readouterr()}
    assert told in ({129: ("", "fsref: error: hung up\n")}, {143: ("", "fsref: error: terminated\n")})
    assert not said


def test_a_signal_that_python_drops_comes_again(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """In a finaliser Python drops exceptions; the signal is not lost, not even where the main thread then waits for
    others, and nothing is printed of it.
    """

    woken, late = Event(), []
    guard = Timer(60, lambda: (late.append(True), woken.set()))  # were the signal not to wake it

    class Finalised:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def work(_: object) -> None:
        one = Finalised()
        del one
        woken.wait()  # as for a thread

    monkeypatch.setattr(info, "load", work)
    guard.start()
    assert main(["info", "digits"]) == 143
    guard.cancel()
    assert not late
    assert capsys.readouterr() == ("", "fsref: error: terminated\n")


def test_an_ignored_signal_stays_ignored(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """As `nohup` sets it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    load = info.load
    monkeypatch.setattr(info, "load", lambda net: (signal.raise_signal(signal.SIGHUP), load(net))[1])
    try:
        assert main(["info", "digits"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_has_not_begun_is_not_begun() -> None:
    """Threads that are stopped, or of which one fails, do not go through the work that is left; all threads are
    these.
    """
    seen: list[int] = []
    dropped = Event()

    def one(number: int) -> None:
        seen.append(number)
        dropped.wait(10)  # for nothing, were the rest not dropped

    with pytest.raises(Stopped), workers(2) as pool:
        asked = [pool.submit(one, number) for number in range(9)]
        asked[-1].add_done_callback(lambda _: dropped.set())
        raise Stopped(signal.SIGTERM)
    assert set(seen) <= {0, 1}

    def stopped(number: int) -> None:
        seen.append(number)
        raise Stopped(signal.SIGTERM)

    seen.clear()
    with pytest.raises(Stopped), workers(1) as pool:  # this thread
        for number in range(9):
            pool.submit(stopped, number)
    assert seen == [0]
    used = [p.stem for p in (ROOT / "fsref").rglob("*.py") if "ThreadPoolExecutor(" in p.read_text(encoding="utf-8")]
    assert used == ["workers"]


@pytest.mark.parametrize("shell", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(shell: str) -> None:
    """What nobody wants to hear is said to nobody; the exit code is that of the verb, and what is open is used."""
    out = fsref_process("info", "digits").stdout
    done = fsref_process("info", "digits", shell=shell)
    assert (done.returncode, done.stdout, done.stderr) == (0, out if shell == "2>&-" else "", "")
    assert fsref_process("info", "nothing-like-it", shell=shell).returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_device_is_one_line() -> None:
    """Output that cannot be written is exit code 2; a line on standard error that cannot be written is left out."""
    for verb in (["info", "digits"], ["--help"], ["rule", "PROJ-1"]):
        done = fsref_process(*verb, shell="> /dev/full")
        line = "fsref: error: standard output: No space left on device\n"
        assert (done.returncode, done.stderr) == (2, line)
    done = fsref_process("info", "nothing-like-it", shell="2> /dev/full")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_warning_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """What a library warns of is a note, without its place in the code."""
    load = info.load

    def warned(net: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("kept\nelse\x1bwhere", RuntimeWarning, stacklevel=1)
        return load(net)

    monkeypatch.setattr(info, "load", warned)
    assert main(["info", "digits"]) == 0
    assert capsys.readouterr().err == "fsref: note: kept else\\x1bwhere\n"


def test_convert_writes_its_file_when_nobody_reads_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """It prints as it goes; a reader that has left, as `head` does, ends the printing, not the work."""
    graph, x = nodes.residual(), nodes.drawn(20)
    fsref.save(graph, tmp_path / "graph.npz")
    np.savez(tmp_path / "x.npz", x=x, y=graph.forward(x).argmax(axis=1))
    nobody, end = os.pipe()
    os.close(nobody)
    with os.fdopen(end, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        words = ["convert", str(tmp_path / "graph.npz"), "--data", str(tmp_path / "x.npz")]
        assert main([*words, "--out", str(tmp_path / "made.fs.npz")]) == 0
    assert fsref.load(tmp_path / "made.fs.npz").classes == graph.classes
    assert capsys.readouterr().err == ""


def test_a_home_that_cannot_be_written_is_one_note_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What matplotlib logs of where it keeps its fonts is none of the command's lines."""
    pytest.importorskip("matplotlib")
    (tmp_path / "home").write_bytes(b"")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    done = fsref_process("evaluate", "nothing-like-it", "--html", str(tmp_path / "r.html"))
    assert (done.returncode, done.stdout) == (2, "")
    assert all(line.startswith("fsref: ") for line in done.stderr.splitlines()), done.stderr
