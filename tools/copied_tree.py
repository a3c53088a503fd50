# SPDX-License-Identifier: Apache-2.0
"""The copy of the tree in which tools/mutate.py runs tests: a child process for each run of a test file, forked from
one that has imported what tests need beside fsref.
"""

import contextlib
import importlib
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from mutants import Mutant

COPIED = ("fsref", "reference_models", "tests", "tools", "pyproject.toml", "README.md", "LICENSE")
# Tests of source, pages, packages and tools, and those that edit the source themselves: a changed line fails them
# whatever it does. Tests of how processes end.
LEFT_OUT = {"architecture", "compare_coding", "dependencies", "ending", "fuzz_tool", "guide", "imagenet", "notebook"}
LEFT_OUT |= {"page", "pages", "rules_bite", "tools", "wheel"}
IMPORT = re.compile(r"^ *(?:import|from) (\w+)", re.MULTILINE)
MEMORY = 12 * 2**30  # bytes of address space of a run
SLOWER, SPARE = 5, 20  # a run may take so many times the processor time of its tests, and so many seconds more
MEASURING = 600  # seconds of processor time for all tests of a file
LONGEST = 60  # seconds of processor time; a test that takes more is left out
WAITING = 10  # and so many times that by the clock: other work goes on beside it


@dataclass(frozen=True)
class Test:
    """A test that passes, the seconds of processor time it takes, and the functions it calls, as file:name."""

    file: str
    id: str
    seconds: float
    functions: frozenset[str]

    def calls(self, module: str) -> bool:
        """Whether it calls a function of a module."""
        return any(function.startswith(f"{module}:") for function in self.functions)

    @classmethod
    def read(cls, file: str, line: dict[str, Any]) -> "list[Test]":
        """The tests of a line of the log."""
        names = line["functions"]
        return [
            cls(file, id, seconds, frozenset(names[i] for i in (*line["common"], *called)))
            for id, (seconds, called) in line["tests"].items()
        ]


class Probe:
    """A pytest plugin that notes what each test calls of fsref. What is called outside of the call of a test, by
    fixtures and on import, counts for every test of the file.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self.codes: dict[int, CodeType] = {}
        self.common: set[int] = set()
        self.into = self.common
        self.tests: dict[str, tuple[float, set[int]]] = {}

    def seen(self, frame: FrameType, event: str, _: object) -> None:
        """Note a call."""
        if event == "call" and id(frame.f_code) not in self.into:
            self.into.add(id(frame.f_code))
            self.codes[id(frame.f_code)] = frame.f_code

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Note what one test calls and how long it takes, unless it fails, is skipped or takes too long."""
        self.into, began = set(), _processor()
        sys.setprofile(self.seen)  # once more: a signal that met `seen` itself has ended it
        signal.signal(signal.SIGPROF, lambda *_: pytest.skip("takes too long"))
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        try:
            yield
            self.tests[item.nodeid] = _processor() - began, self.into
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self.into = self.common

    def found(self) -> dict[str, Any]:
        """What was noted, functions by their number in a list."""
        names = {
            number: f"fsref/{Path(code.co_filename).relative_to(self.package).as_posix()}:{_function(code)}"
            for number, code in self.codes.items()
            if code.co_filename.startswith(self.package)
        }
        order = {name: i for i, name in enumerate(sorted(set(names.values())))}

        def numbers(called: set[int]) -> list[int]:
            return sorted({order[names[number]] for number in called if number in names})

        tests = {id: (round(seconds, 3), numbers(called)) for id, (seconds, called) in self.tests.items()}
        return {"functions": list(order), "common": numbers(self.common), "tests": tests}


def _function(code: CodeType) -> str:
    """The function that a code object lies in, comprehensions and lambdas apart; "" outside of functions."""
    parts = code.co_qualname.split(".<locals>.")
    named = [part for part in parts if not part.startswith("<")]
    return ".<locals>.".join(named)


def _processor() -> float:
    """The seconds of processor time of this process and of those it waited for."""
    return sum(os.times()[:4])


class First:
    """A pytest plugin that keeps the tests asked for, in their order, and tells the first that fails."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.order = {id: i for i, id in enumerate(ids)}
        self.failed = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests asked for."""
        items[:] = sorted((i for i in items if i.nodeid in self.order), key=lambda i: self.order[i.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if report.failed:
            self.failed = self.failed or report.nodeid


class Copy:
    """A copy of the tree at `root` in a folder."""

    def __init__(self, root: Path, folder: Path) -> None:
        if "fsref" in sys.modules:
            raise RuntimeError("fsref is imported already: every child would test that, not the copy")
        self.folder = folder / "tree"
        self.folder.mkdir()
        ignored = shutil.ignore_patterns("__pycache__", "*.kernel*", ".hypothesis")
        for name in COPIED:
            if (root / name).is_dir():
                shutil.copytree(root / name, self.folder / name, ignore=ignored)
            elif (root / name).exists():
                shutil.copy2(root / name, self.folder / name)
        self.cache = folder / "numba"
        files = [path for name in ("fsref", "tests", "tools") for path in (self.folder / name).rglob("*.py")]
        own = {"fsref", *(path.stem for path in files)}
        named = {name for path in files for name in IMPORT.findall(path.read_text(encoding="utf-8"))}
        for name in sorted(named - own - sys.stdlib_module_names):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)

    def test_files(self) -> list[str]:
        """The test files that are run, relative to the tree."""
        paths = sorted((self.folder / "tests").glob("test_*.py"))
        return [f"tests/{path.name}" for path in paths if path.stem.removeprefix("test_") not in LEFT_OUT]

    @contextlib.contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """The copy with a mutant in it, which no cache of an older state answers for."""
        path, cache = self.folder / mutant.module, self.cache
        source = path.read_text(encoding="utf-8")
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()
        path.write_text(mutant.applied(source), encoding="utf-8", newline="\n")
        try:
            if "@Kernel" in source or "/kernels/" in mutant.module:  # its kernels would overwrite those of the tree
                self.cache = Path(tempfile.mkdtemp(dir=self.folder.parent))
            yield
        finally:
            path.write_text(source, encoding="utf-8", newline="\n")
            if self.cache != cache:
                shutil.rmtree(self.cache)
                self.cache = cache

    def measure(self, file: str) -> dict[str, Any]:
        """What the tests of a file call and how long they take, as a line of the log has it."""

        def task() -> dict[str, Any]:
            probe = Probe(str(self.folder / "fsref") + os.sep)
            sys.setprofile(probe.seen)
            threading.setprofile(probe.seen)
            self._pytest(file, probe)
            sys.setprofile(None)
            return probe.found()

        answer = self._forked(task, MEASURING)
        return answer if isinstance(answer, dict) else {"functions": [], "common": [], "tests": {}}

    def run(self, file: str, tests: Sequence[Test]) -> tuple[str, str]:
        """Run tests of a file up to the first that fails: "passed", "killed" or "timeout", and which it was."""

        def task() -> tuple[int, str]:
            sys.dont_write_bytecode = True  # of the mutant
            first = First([test.id for test in tests])
            return self._pytest(file, first), first.failed

        answer = self._forked(task, SPARE + SLOWER * sum(test.seconds for test in tests))
        if isinstance(answer, str):
            return answer, ""
        code, failed = answer
        return ("passed" if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) else "killed"), failed

    def _pytest(self, file: str, plugin: object) -> int:
        """Run pytest in this process, on the tree of the copy."""
        arguments = ["-q", "--tb=no", "-p", "no:cacheprovider", "--basetemp", str(self.folder.parent / "made"), file]
        arguments += ["-W", "ignore:Module already imported"]  # by the parent: what is needed beside fsref
        return int(pytest.main([*arguments, *(["-x"] if isinstance(plugin, First) else [])], plugins=[plugin]))

    def _forked(self, task: Callable[[], Any], limit: float) -> Any:
        """What a task returns in a process of its own that sees the copy for the tree; "timeout" after so many seconds
        of processor time, "killed" when the process ends without an answer.
        """
        answer = self.folder.parent / "answer.json"
        answer.unlink(missing_ok=True)
        process = os.fork()
        if process == 0:
            try:
                self._enter(round(limit))
                answer.write_text(json.dumps(task()), encoding="utf-8")
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        until, ended, status = time.monotonic() + WAITING * limit, 0, 0
        try:
            while not ended and time.monotonic() < until:
                time.sleep(0.02)
                ended, status = os.waitpid(process, os.WNOHANG)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)  # and what it has started
            if not ended:
                os.waitpid(process, 0)
        if not ended or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
            return "timeout"
        return json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else "killed"

    def _enter(self, seconds: int) -> None:
        """Make this process one of the copy: silent, in a group of its own, within MEMORY and so many seconds."""
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(quiet, number)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        os.chdir(self.folder)
        own = [str(self.folder), str(self.folder / "tests")]
        sys.path[:] = own + [path for path in sys.path if not (Path(path) / "fsref").is_dir()]
        os.environ.update(PYTHONPATH=os.pathsep.join(own), NUMBA_CACHE_DIR=str(self.cache))
        os.environ.update(PYTEST_ADDOPTS="", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
        with contextlib.suppress(ImportError):
            from hypothesis import Phase, settings

            settings.register_profile("mutate", phases=[Phase.explicit, Phase.generate])  # no failure is made smaller
            settings.load_profile("mutate")
