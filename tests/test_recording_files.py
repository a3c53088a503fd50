"""Recordings on disk whatever happens meanwhile: a full disk, two at once, a run that is killed or told to end, more
arrays than open files (RUN-3, RUN-5).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref import FS, Conv2d, Dense, Input, Network, Readout, Record, diff, fs_relu, read_trace, run
from fsref.engines import reference
from fsref.errors import FileError, LimitError
from fsref.formats.files import LeftOver
from fsref.law.populations import OBSERVABLES
from fsref.simulation import store
from handmade import draw, residual, tiny
from refusals import refused

ROOT = Path(__file__).resolve().parent.parent
ORACLE = ROOT / "fsref" / "conformance" / "standalone"
PYTHON = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests", ORACLE)))}


class Hooked:
    """The reference engine, which does something before it simulates its batch number `at`."""

    name = "hooked"

    def __init__(self, hook: Callable[[], object], at: int = 1) -> None:
        self.hook, self.at = hook, at

    def simulator(self, net: Network) -> Any:
        """Images to activities."""
        simulate, batches = reference.simulator(net), iter(range(1000))

        def hooked(x: Any, wanted: Any) -> Any:
            if next(batches) == self.at:
                self.hook()
            yield from simulate(x, wanted)

        return hooked

    def working_bytes(self, net: Network) -> int:
        """Those of the reference."""
        return reference.working_bytes(net)


def record(path: Path, hook: Callable[[], object] = int, images: int = 4, **how: Any) -> Any:
    """Record everything of `images` images, one at a time, with `hook` before the second."""
    net = residual()
    asked = Record(observables=OBSERVABLES, path=path, **how)
    return run(net, draw(net, images, 3), Hooked(hook), asked, batch=1, threads=1)


def spawn(script: str, *arguments: object, **how: Any) -> subprocess.CompletedProcess[str]:
    """Python, running a script that knows this module as `here`."""
    command = [sys.executable, "-c", f"import sys, os, signal, test_recording_files as here\n{script}"]
    command += [str(argument) for argument in arguments]
    return subprocess.run(command, env=PYTHON, capture_output=True, text=True, timeout=120, check=False, **how)


# Two at once


def test_two_record_under_one_name(tmp_path: Path) -> None:
    """The first has it; the other, another process, says where its own lies: neither loses a byte."""
    path, told = tmp_path / "r", []
    script = "here.record(here.Path(sys.argv[1]), images=2)"
    with refused(FileError, "RUN-5", str(path), says=f"whole, in {path}.1"):
        record(path, lambda: told.append(spawn(script, path)))
    assert [(done.returncode, done.stderr) for done in told] == [(0, "")]
    first, second = read_trace(path), read_trace(tmp_path / "r.1")
    assert (first.image_count, second.image_count, len(list(tmp_path.iterdir()))) == (2, 4, 2)
    for trace, count in ((first, 2), (second, 4)):
        assert diff(trace, "reference", draw(residual(), count, 3)) is None


def test_two_replace_one_recording(tmp_path: Path) -> None:
    """With `replace` the last has the name, and nothing is left of the others."""
    path = tmp_path / "r"
    record(path, images=1)
    record(path, lambda: record(path, images=2, replace=True), images=3, replace=True)
    assert read_trace(path).image_count == 3 and list(tmp_path.iterdir()) == [path]


# Runs that end


def test_a_run_that_is_told_to_end_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM as the exit that the command line makes of it, in the middle of a recording: nothing is left."""
    script = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "here.record(here.Path(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGTERM))"
    )
    done = spawn(script, tmp_path / "r")
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (143, "", [])


def test_a_run_that_is_killed_is_named_by_the_next(tmp_path: Path) -> None:
    """What it leaves is hidden, is never taken for a recording, and is named, not touched, by the next that writes."""
    done = spawn("here.record(here.Path(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGKILL))", tmp_path / "r")
    assert done.returncode == -signal.SIGKILL
    left = list(tmp_path.iterdir())
    assert len(left) == 1 and left[0].name.startswith(".r.fsref-")
    with pytest.warns(LeftOver, match=rf"{left[0].name} is left of a run that died: delete it$"):
        record(tmp_path / "r")
    assert sorted(tmp_path.iterdir()) == sorted([*left, tmp_path / "r"])


def test_a_failure_does_not_compute_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails, or is told to end, does not first simulate every image that is left."""
    cancelled, begun = threading.Event(), []
    shutdown = ThreadPoolExecutor.shutdown

    def watched(pool: ThreadPoolExecutor, wait: bool = True, *, cancel_futures: bool = False) -> None:
        shutdown(pool, False, cancel_futures=cancel_futures)
        cancelled.set()
        shutdown(pool, wait)

    class Failing(Hooked):
        def simulator(self, net: Network) -> Any:
            def fails(x: Any, wanted: Any) -> Any:
                begun.append(x)
                if len(begun) > 1:
                    cancelled.wait(60)
                raise RuntimeError("no")
                yield

            return fails

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", watched)
    with pytest.raises(RuntimeError, match="no"):
        run(tiny(), draw(tiny(), 50), Failing(int), batch=1, threads=1)
    assert len(begun) <= 2


def test_the_errors_of_an_engine_are_its_own(tmp_path: Path) -> None:
    """An engine whose device is gone says so; it is no failure to write the recording."""

    def gone() -> None:
        raise ConnectionError("device unplugged")

    with pytest.raises(ConnectionError, match="^device unplugged$"):
        record(tmp_path / "r", gone)
    assert list(tmp_path.iterdir()) == []


# Full disks

LIMITED = """
import resource
from fsref.errors import FsrefError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    here.record(here.Path(sys.argv[1]), images=200)
except FsrefError as error:
    print(type(error).__name__, error)
"""


def test_a_file_beyond_the_limit_of_the_user(tmp_path: Path) -> None:
    """A limit on the size of files is met before the first image, and nothing is left."""
    done = spawn(LIMITED, tmp_path / "r", 20_000)
    assert (done.returncode, done.stderr) == (0, "") and list(tmp_path.iterdir()) == []
    assert done.stdout == f"FileError {tmp_path / 'r'}: cannot be written: File too large [RUN-3]\n"


FULL = """
from fsref.errors import FsrefError
path = here.Path(sys.argv[1]) / "r"
if sys.argv[2] == "unseen":
    here.store.free_space = lambda folder: (None, 4096)
try:
    here.record(path, lambda: print("run"), images=2000)
except FsrefError as error:
    print(type(error).__name__, error)
print(os.listdir(sys.argv[1]))
"""


@pytest.mark.parametrize("seen", ["seen", "unseen"])
def test_a_full_disk(tmp_path: Path, seen: str) -> None:
    """A disk that is too small is told before the first image, whether its size is known or the space is only tried;
    the process lives and nothing is left.
    """
    mount = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    tried = ["unshare", "-m", "sh", "-c", mount, tmp_path, "true"]
    if not shutil.which("unshare") or subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    code = f"import sys, os, test_recording_files as here\n{FULL}"
    command = ["unshare", "-m", "sh", "-c", mount, tmp_path, sys.executable, "-c", code, tmp_path, seen]
    done = subprocess.run(command, env=PYTHON, capture_output=True, text=True, timeout=120, check=False)
    says = {"seen": "LimitError {}: recording is larger than the free disk: ", "unseen": "FileError {}: cannot be "}
    line, left = done.stdout.splitlines()
    assert (done.returncode, done.stderr, left) == (0, "", "[]")
    assert line.startswith(says[seen].format(tmp_path / "r")) and line.endswith("[RUN-3]")


def test_space_is_reserved_before_the_first_image(tmp_path: Path) -> None:
    """No array of a recording in the making has holes, so that nothing can be missing later."""
    seen = []

    def look() -> None:
        (making,) = tmp_path.iterdir()
        seen.extend(path.stat() for path in making.iterdir())

    record(tmp_path / "r", look)
    assert seen and all(found.st_blocks * 512 >= found.st_size for found in seen)
    assert sum(found.st_size for found in seen) == sum(p.stat().st_size for p in (tmp_path / "r").iterdir())


# Sizes


def test_more_arrays_than_open_files(tmp_path: Path) -> None:
    """A recording may have more arrays than a process may open files: it is written, read back and compared."""
    script = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
net = here.long()
images = here.draw(net, 3)
path = here.Path(sys.argv[1])
trace = here.run(net, images, "reference", here.Record(observables=here.OBSERVABLES, path=path)).trace
assert here.diff(here.read_trace(path), "events", images) is None and here.diff(trace, here.read_trace(path)) is None
print(len(trace.arrays), len(trace.events()) > 0, len(trace.digests()))
"""
    done = spawn(script, tmp_path / "r")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "104 True 21\n")


def long() -> Network:
    """Twenty populations in a row."""
    names = ["in", *(f"p{i}" for i in range(20))]
    parts: list[Any] = []
    for before, name in zip(names, names[1:], strict=False):
        parts += [Conv2d(before, name, [[[[1]]]]), FS(name, (1, 2, 2), fs_relu(3))]
    return Network(
        [Input("in", (1, 2, 2), 3, 7), *parts[1::2], Readout("out", (2, 1, 1))],
        [*parts[::2], Dense(names[-1], "out", np.ones((2, 4), int))],
    )


def test_an_array_that_is_gone(tmp_path: Path) -> None:
    """Arrays are opened when they are looked at; one that was deleted or cut since is one line."""
    trace = record(tmp_path / "r").trace
    file = tmp_path / "r" / "population.1.codes.npy"
    assert trace["stem", "codes"].shape[0] == 4 and not trace["stem", "codes"].flags.writeable
    file.write_bytes(file.read_bytes()[:-1])
    with refused(FileError, "RUN-3", str(file), says="cannot be read"):
        trace["stem", "codes"]
    file.unlink()
    with refused(FileError, "RUN-3", str(file), "No such file or directory"):
        trace["stem", "codes"]


def test_a_description_that_could_not_be_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What read_trace would refuse as too long is refused before the run; every neuron told fits for any network."""
    for net in (tiny(), residual(), long()):
        every = {p.name: range(p.neurons) for p in net.populations}
        every["in"] = range(1, net.input.neurons)
        run(net, draw(net, 1), "reference", Record(every, OBSERVABLES, path=tmp_path / f"{len(net.populations)}"))
        path = tmp_path / f"{len(net.populations)}" / "recording.json"
        assert path.stat().st_size - 2**10 <= store.longest_description(net) - 2**16
    size = path.stat().st_size
    monkeypatch.setattr(store, "MAX_DESCRIPTION", size)
    read_trace(path.parent)
    monkeypatch.setattr(store, "MAX_DESCRIPTION", size - 1)
    with refused(FileError, "RUN-3", str(path), size, says=f"at most {size - 1} bytes"):
        read_trace(path.parent)
    with refused(LimitError, "RUN-3", str(tmp_path / "r"), f"{size} bytes", says="recording.json would be too long"):
        run(net, draw(net, 1), "reference", Record(every, OBSERVABLES, path=tmp_path / "r"))
    assert not (tmp_path / "r").exists()
