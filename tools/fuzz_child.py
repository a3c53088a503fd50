"""Command lines in a process apart: how each ended, what it said, took and did.

The worker is a fork of the fuzzer, with a limit on its address space, on processor time and on files, so that what
kills it is a finding and not the end of the fuzzer; after that, and after a while, comes a new one. Linux alone: /proc
tells the memory.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import fsref

PACKAGE = Path(fsref.__file__).parent
MIB = 2**20
SPACE = 2048 * MIB  # of addresses, beyond what the fuzzer has itself
FILE = 256 * MIB  # of a file that is written
SECONDS, WAIT = 60, 900  # of processor time and of time, of one command: 20,000 populations recorded take half
COMMANDS = 200  # of one worker
SETTLED = 16 * MIB  # growth after which a worker is replaced
FORBIDDEN = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class"}
FORBIDDEN |= {"socket.connect", "socket.getaddrinfo"}


@dataclass(frozen=True)
class Said:
    """How a command ended: the signal that killed its process, 0 for none; its exit code; what it printed; how many
    bytes its process grew; the exception that escaped, and where; forbidden events; what is unfit of what it wrote.
    """

    signal: int
    code: int | None
    out: str
    err: str
    growth: int = 0
    escaped: str = ""
    did: tuple[str, ...] = ()
    misfit: str = ""


class Worker:
    """Calls `called`, and `misfit` where that gave 0, for one command line after the other, in a process apart."""

    def __init__(self, called: Callable[[list[str]], int], misfit: Callable[[list[str]], str]) -> None:
        self.called, self.misfit, self.child, self.done = called, misfit, 0, 0
        self.ends = [os.memfd_create(name) for name in ("out", "err")]

    def call(self, folder: Path, temporary: Path, line: list[str], output: str) -> Said:
        """What a command line says and does in a folder, with its own place for temporary files; standard output is a
        `file`, as if it were a `terminal`, a `pipe` that nobody reads, or `full`.
        """
        if not self.child:
            self._start()
        self.orders.write(json.dumps([str(folder), str(temporary), line, output]) + "\n")
        self.orders.flush()
        answer, self.done = self.answers.readline(), self.done + 1
        out, err = (os.pread(end, os.fstat(end).st_size, 0).decode("utf-8", "replace") for end in self.ends)
        if not answer:
            return Said(self.stop(), None, out, err)
        found = json.loads(answer)
        if self.done == COMMANDS or found["escaped"] or found["growth"] > SETTLED:
            self.stop()
        return Said(0, found["code"], out, err, found["growth"], found["escaped"], tuple(found["did"]), found["misfit"])

    def _start(self) -> None:
        """Fork."""
        (order_in, order_out), (answer_in, answer_out) = os.pipe(), os.pipe()
        gc.collect()
        gc.freeze()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork where there are threads
            self.child = os.fork()
        gc.unfreeze()
        if self.child == 0:
            try:
                os.close(order_out)
                os.close(answer_in)
                self._work(order_in, answer_out)
            finally:
                os._exit(0)
        os.close(order_in)
        os.close(answer_out)
        self.orders, self.answers, self.done = os.fdopen(order_out, "w"), os.fdopen(answer_in), 0

    def stop(self) -> int:
        """The signal that ended the worker, 0 for none; the next call starts another."""
        if not self.child:
            return 0
        with suppress(BrokenPipeError):  # it is dead
            self.orders.write("\n")
            self.orders.flush()
        with suppress(BrokenPipeError):
            self.orders.close()
        self.answers.close()
        _, status = os.waitpid(self.child, 0)
        self.child = 0
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0

    def close(self) -> None:
        """End the worker for good."""
        self.stop()
        for end in self.ends:
            os.close(end)

    def _work(self, orders: int, answers: int) -> None:
        """The life of the child: what it is told, until there comes an empty line, or no more."""
        for kind in (signal.SIGALRM, signal.SIGXCPU, signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, signal.SIG_DFL)
        os.dup2(self.ends[0], 1)
        os.dup2(self.ends[1], 2)
        faulthandler.disable()
        warnings.showwarning = _warned
        warnings.resetwarnings()
        warnings.simplefilter("always")
        for unseen in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", unseen)  # as users have it
        did: list[str] = []

        def heard(event: str, told: tuple[Any, ...]) -> None:
            if event in FORBIDDEN and not _of_numba():
                did.append(f"{event} {told[0]}")

        sys.addaudithook(heard)
        resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") + SPACE,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
        with os.fdopen(orders) as told:
            while (order := told.readline()).strip():
                did.clear()
                found = {**self._one(*json.loads(order)), "did": did[:9]}
                os.write(answers, (json.dumps(found) + "\n").encode())

    def _one(self, folder: str, temporary: str, line: list[str], output: str) -> dict[str, Any]:
        """One command line, here."""
        os.chdir(folder)
        os.environ["TMPDIR"] = temporary
        for end in (1, 2):
            os.ftruncate(end, 0)
            os.lseek(end, 0, os.SEEK_SET)
        sys.stdout, sys.stderr = (open(end, "w", encoding="utf-8", closefd=False) for end in (1, 2))
        if output == "terminal":
            sys.stdout.isatty = lambda: True  # type: ignore[method-assign]
        elif output != "file":
            sys.stdout = _deaf(output)
        signal.alarm(WAIT)
        spent = resource.getrusage(resource.RUSAGE_SELF)
        last = int(spent.ru_utime + spent.ru_stime) + SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (last, resource.RLIM_INFINITY))
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins again
        used, code, escaped = _memory("VmRSS"), None, ""
        try:
            code = self.called(line)
        except BaseException as error:
            escaped = _where(error)
        sys.stdout.flush()
        sys.stderr.flush()
        growth = _memory("VmHWM") - used
        return {"code": code, "growth": growth, "escaped": escaped, "misfit": self.misfit(line) if code == 0 else ""}


def _deaf(output: str) -> TextIO:
    """A standard output that takes nothing: a pipe whose other end is closed, or a device that is full."""
    if output == "full":
        return open("/dev/full", "w", encoding="utf-8")
    nobody, end = os.pipe()
    os.close(nobody)
    return os.fdopen(end, "w", encoding="utf-8")


def _of_numba() -> bool:
    """Whether Numba is at work, which pickles and unpickles what it compiles."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__", "").startswith("numba."):
            return True
    return False


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning, as Python does unless told otherwise."""
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))


def _memory(name: str) -> int:
    """A number of bytes of /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _where(error: BaseException) -> str:
    """The type of an exception, and the last place of fsref that it went through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(PACKAGE)]
    place = f" in {Path(frames[-1].filename).name}:{frames[-1].name}" if frames else ""
    return f"{type(error).__name__}{place}"
