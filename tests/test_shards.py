"""Shards: a run that was stopped goes on, machines share one, and what comes of it is what came without them, to the
bit (RUN-7, RUN-8).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
import handmade
import test_search
from fsref.cli.main import main
from fsref.engines import events
from fsref.errors import FileError, LimitError, UsageError
from fsref.formats.files import LeftOver
from fsref.metrics.parts import Runner
from fsref.metrics.score import Score
from refusals import error_of, refused

ROOT = Path(fsref.__file__).parent.parent
NET = handmade.residual()
IMAGES = handmade.draw(NET, 600)
LABELS = np.arange(600) % 3
SIZES = [256, 256, 88]
FEW = {**test_search.HOW, "steps": range(3, 5)}


def told(score: Score) -> dict[str, Any]:
    """All that a score says, but how fast it was."""
    plain = {k: v for k, v in score.to_dict().items() if k != "images_per_second"}
    counts = [
        {k: v.tolist() for k, v in each.items()} for each in (score.counts.by_neuron, score.counts.most_by_neuron)
    ]
    return plain | {"predictions": score.predictions.tolist(), "counts by neuron": counts}


WHOLE = told(fsref.evaluate(NET, IMAGES, LABELS))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of images that were run here, shard by shard."""
    done: list[int] = []
    part = Runner.part

    def counted(self: Runner, images: Any, *more: Any) -> Any:
        done.append(len(images))
        return part(self, images, *more)

    monkeypatch.setattr(Runner, "part", counted)
    return done


def shards(folder: Path) -> list[Path]:
    """The files of shards in a folder."""
    return sorted(folder.glob("*.npz"))


KILLED = """\
import os, signal, sys, fsref
from fsref.formats import files

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def replaced(making, target, times=[]):
    times.append(target)
    kill() if len(times) == 2 else rename(making, target)

rename, os.replace = os.replace, replaced if sys.argv[1] == "writing" else os.replace
images = fsref.load_images("images.npz", "net.fs.npz")
done = []
score = lambda n: done.append(n) or (len(done) == 2 and kill())
fsref.evaluate("net.fs.npz", images.x, images.y, resume="kept", progress=score)
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("moment", "kept"), [("between", 2), ("writing", 1)])
def test_a_run_that_was_killed_goes_on(moment: str, kept: int, tmp_path: Path, run: list[int]) -> None:
    """kill -9 between two shards, or while one is written: the next run takes what is whole, runs the rest, and gives
    what a run that was never stopped gives.
    """
    fsref.save(NET, tmp_path / "net.fs.npz")
    np.savez(tmp_path / "images.npz", x=IMAGES, y=LABELS)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, moment], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300
    )
    assert child.returncode == -signal.SIGKILL
    before = {path: path.read_bytes() for path in shards(tmp_path / "kept")}
    assert len(before) == kept
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        score = fsref.evaluate(NET, IMAGES, LABELS, resume=tmp_path / "kept")
    assert {note.category for note in noted} <= ({LeftOver} if moment == "writing" else set())
    assert told(score) == WHOLE and run == SIZES[kept:]
    assert all(path.read_bytes() == data for path, data in before.items()) and len(shards(tmp_path / "kept")) == 3
    again = fsref.evaluate(NET, IMAGES, LABELS[::-1], resume=tmp_path / "kept")
    assert run == SIZES[kept:] and again.images_per_second == score.images_per_second
    assert again.correct == (again.predictions == LABELS[::-1]).sum()


@contextmanager
def local(workers: int) -> Iterator[Any]:
    """A Dask cluster of so many processes on the loopback, which brings back one that dies."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    how = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(n_workers=workers, **how) as made:
            yield made


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers for all tests."""
    with local(2) as made:
        yield made


def test_a_killed_worker_loses_nothing(cluster: Any, tmp_path: Path, run: list[int]) -> None:
    """A worker that is killed while others wait for it changes no count; here nothing is run; the shards that came back
    are those of a run here, and either goes on where the other ends.
    """
    seen: list[int] = []

    def killing(count: int) -> None:
        if not seen:
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        seen.append(count)

    address, kept = cluster.scheduler_address, tmp_path / "kept"
    with pytest.importorskip("dask.config").set({"distributed.admin.large-graph-warning-threshold": "1 B"}):
        score = fsref.evaluate(NET, IMAGES, LABELS, resume=kept, dask=address, progress=killing)
    assert told(score) == WHOLE and sorted(seen) == sorted(SIZES) and not run
    assert told(fsref.evaluate(NET, IMAGES, LABELS, resume=kept)) == WHOLE and not run
    assert fsref.evaluate(NET, IMAGES, LABELS, "quantized", dask=address).correct == score.correct
    with refused(LimitError, "RUN-3"):
        fsref.evaluate(NET, IMAGES, LABELS, dask=address, memory_limit=2**18)


def test_what_fails_on_a_cluster_is_one_line(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker raises, a shard of another fsref, and a cluster without workers are each said in one line."""
    address = cluster.scheduler_address
    monkeypatch.setattr("fsref.metrics.shard_file.__version__", "0.0")
    with refused(FileError, "RUN-7", says="another fsref"):
        fsref.evaluate(NET, IMAGES[:7], LABELS[:7], dask=address)
    monkeypatch.undo()
    with local(0) as empty, refused(UsageError, "RUN-8", "dask", says="has no worker"):
        fsref.evaluate(NET, IMAGES[:8], LABELS[:8], dask=empty.scheduler_address)
    monkeypatch.setattr("fsref.metrics.cluster.shard_of", print_nothing)
    with refused(UsageError, "RUN-8", address, says=("ZeroDivisionError", "resume")):
        fsref.evaluate(NET, IMAGES[:8], LABELS[:8], dask=address)


def print_nothing(*given: Any) -> float:
    """What fails, in place of a shard."""
    return 1 / 0


def test_without_a_cluster_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address at which nothing listens, one that is none, and a missing package are named; nothing is run."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        with refused(UsageError, "RUN-8", "dask", says="fsref[dask]"):
            fsref.evaluate(NET, IMAGES, LABELS, dask="127.0.0.1:1")
    pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.setattr("fsref.metrics.cluster.CONNECTING", 0.1)
    for address in ("127.0.0.1:1", "nothing://here", "no address"):
        with refused(UsageError, "RUN-8", "dask", address, says="no scheduler answers"):
            fsref.evaluate(NET, IMAGES, LABELS, dask=address)


def test_a_shard_has_the_name_that_the_rule_gives_it(tmp_path: Path) -> None:
    """NAME is the SHA-256 of what the rule lists, made here from the rule; another engine, network or image has
    another, labels have none.
    """
    for engine, labels in (("events", LABELS), ("events", LABELS[::-1]), ("quantized", LABELS)):
        fsref.evaluate(NET, IMAGES[:5], labels[:5], engine, resume=tmp_path)
    codes = b"".join(int(code).to_bytes(2, "little") for code in IMAGES[:5].ravel())
    entry = {"format": 1, "fsref": fsref.__version__, "spec_version": fsref.SPEC_VERSION, "id": NET.id, "counted": True}
    entry |= {"image_count": 5, "images": hashlib.sha256(codes).hexdigest()}
    names = set()
    for engine in ("events", "quantized"):
        text = json.dumps(entry | {"engine": engine}, sort_keys=True, separators=(",", ":"))
        names.add(f"{hashlib.sha256(text.encode()).hexdigest()}.npz")
    assert {path.name for path in shards(tmp_path)} == names


def repacked(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """A shard whose members were changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def array(name: str, change: Callable[[Any], Any], **how: Any) -> Callable[[dict[str, bytes]], None]:
    """A change of one array."""

    def changed(members: dict[str, bytes]) -> None:
        made = io.BytesIO()
        np.save(made, change(np.load(io.BytesIO(members[f"{name}.npy"])).astype(np.int64)), **how)
        members[f"{name}.npy"] = made.getvalue()

    return changed


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (lambda data: data[:-7], "cut off"),
    "empty": (lambda data: b"", "empty"),
    "a bit is another": (lambda data: data[:900] + bytes([data[900] ^ 1]) + data[901:], ""),
    "no manifest": (lambda data: repacked(data, lambda m: m.update({"manifest.json": b"{}"})), "format"),
    "two sizes": (lambda data: repacked(data, array("predictions", lambda a: a[:-1])), "shape"),
    "pickled": (lambda data: repacked(data, array("spikes", lambda a: a.astype(object))), "type"),
    "other arrays": (lambda data: repacked(data, lambda m: m.pop("synops.npy") and None), "other arrays"),
    "no such class": (lambda data: repacked(data, array("predictions", lambda a: a + 3)), "class"),
    "negative": (lambda data: repacked(data, array("synops", lambda a: -a)), "negative"),
    "too many spikes": (lambda data: repacked(data, array("spikes", lambda a: a + 10**6)), "more spikes"),
    "another sum": (lambda data: repacked(data, array("by_neuron", lambda a: a + (np.arange(len(a)) == 0))), "add up"),
    "another most": (lambda data: repacked(data, array("most_by_neuron", lambda a: a * 0)), "contradict"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_shard_that_does_not_fit_is_refused(name: str, tmp_path: Path, run: list[int]) -> None:
    """A shard that was cut, changed or made up is named in one line, nothing is run; deleted, its images are run."""
    fsref.evaluate(NET, IMAGES, LABELS, resume=tmp_path)
    path = shards(tmp_path)[0]
    change, words = DAMAGES[name]
    path.write_bytes(change(path.read_bytes()))
    with refused(FileError, "RUN-7", str(path), says=("delete it", words)):
        fsref.evaluate(NET, IMAGES, LABELS, resume=tmp_path)
    path.unlink()
    assert told(fsref.evaluate(NET, IMAGES, LABELS, resume=tmp_path)) == WHOLE and len(run) == len(SIZES) + 1


def test_a_shard_of_something_else_is_refused(tmp_path: Path) -> None:
    """A shard under the name of another, a folder, a file that is too large: one line each."""
    fsref.evaluate(NET, IMAGES, LABELS, resume=tmp_path)
    first, second, _ = shards(tmp_path)
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    with refused(FileError, "RUN-7", str(first), says="of other images"):
        fsref.evaluate(NET, IMAGES, LABELS, resume=tmp_path)
    first.write_bytes(kept + bytes(2**20))
    with refused(FileError, "RUN-7", str(first), says="too large"):
        fsref.evaluate(NET, IMAGES, LABELS, resume=tmp_path)
    first.unlink()
    first.mkdir()
    with refused(FileError, "RUN-7", str(first), says="is a folder"):
        fsref.evaluate(NET, IMAGES, LABELS, resume=tmp_path)


def test_what_cannot_keep_shards_is_refused(tmp_path: Path, run: list[int]) -> None:
    """A file, a folder in none, an engine of one's own: said before anything is run."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "no" / "folder"):
        with refused(UsageError, "RUN-7", str(path), says="folder"):
            fsref.evaluate(NET, IMAGES, LABELS, resume=path)
    with refused(UsageError, "RUN-7", "engine", says="its name"):
        fsref.evaluate(NET, IMAGES, LABELS, events, resume=tmp_path)
    assert not run


def test_equal_images_are_run_once(tmp_path: Path, run: list[int]) -> None:
    """Shards are named by content: images that come again are not run again, and count again."""
    x, y = np.concatenate([IMAGES[:256]] * 3), np.concatenate([LABELS[:256]] * 3)
    score = fsref.evaluate(NET, x, y, resume=tmp_path)
    assert run == [256] and told(score) == told(fsref.evaluate(NET, x, y))


def test_a_search_goes_on(tmp_path: Path, run: list[int]) -> None:
    """A search that is done again looks at shards alone, and finds what one without them finds, point by point."""
    plain, *kept = (
        fsref.search(test_search.GRAPH, test_search.IMAGES, test_search.NOISY, **FEW, **more)
        for more in ({}, {"resume": tmp_path}, {"resume": tmp_path})
    )
    assert all(found.to_dict() == plain.to_dict() for found in kept)
    assert len(run) == 2 * sum(-(-p.image_count // 128) for p in plain.points)


def test_a_cluster_shares_a_search(cluster: Any, run: list[int]) -> None:
    """Workers run the points of a search, and nothing is found that is not found here."""
    plain, shared = (
        fsref.search(test_search.GRAPH, test_search.IMAGES, test_search.NOISY, **FEW, dask=address)
        for address in (None, cluster.scheduler_address)
    )
    assert shared.to_dict() == plain.to_dict() and len(run) == sum(-(-p.image_count // 128) for p in plain.points)


def test_the_command_line_goes_on(tmp_path: Path, capsys: Any, run: list[int]) -> None:
    """`fsref evaluate --resume DIR` twice says the same, its speed too, and runs nothing the second time; options that
    would not be shared are refused beside it.
    """
    net, images = tmp_path / "net.fs.npz", tmp_path / "images.npz"
    fsref.save(NET, net)
    np.savez(images, x=IMAGES, y=LABELS)
    words = ["evaluate", str(net), "--data", str(images), "--resume", str(tmp_path / "kept"), "--json"]
    outputs = []
    for _ in range(2):
        assert main(words) == 0
        outputs.append(json.loads(capsys.readouterr().out))
    assert outputs[0] == outputs[1] and outputs[0]["correct"] == WHOLE["correct"] and run == SIZES
    for more in (["--cover"], ["--rate", "8"]):
        assert main([*words, *more]) == 2
        assert "--resume: does not go with" in error_of(capsys.readouterr().err)
    assert main(["convert", "graph.npz", "--data", "x.npz", "--resume", "kept"]) == 2
    assert "--resume: goes with --search" in error_of(capsys.readouterr().err)
