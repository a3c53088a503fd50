"""Runs: images, ties, batches and threads, recordings to disk, and bounds on memory."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
import naive
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Record, Table, fs_relu, run
from fsref.engines import events, reference
from fsref.engines.activity import Activity
from fsref.engines.engine import Simulator
from fsref.errors import FileError, InputError, LimitError, UsageError
from fsref.formats import files
from fsref.law.populations import OBSERVABLES
from fsref.simulation import store
from fsref.simulation.memory import run_bytes
from fsref.simulation.recording import recording_bytes, select
from handmade import ENGINES, EVERYTHING, draw, oracle, residual, tiny, unordered
from refusals import refused


class Altered:
    """The reference engine, what it gives of each population changed, or left out where the change gives None."""

    name = "rtl 1.2"

    def __init__(self, change: Callable[[Activity], Activity | None]) -> None:
        self.change = change

    def simulator(self, net: Network) -> Simulator:
        right = reference.simulator(net)
        return lambda images, wanted: (a for given in right(images, wanted) if (a := self.change(given)) is not None)

    def working_bytes(self, net: Network) -> int:
        return reference.working_bytes(net)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: None if a.population == "hid" else a, "gave no activity of a population: hid"),
        (lambda a: None if a.trains is None else a, "gave no activity of a population: out"),
        (lambda a: replace(a, population="nobody"), "or one that the network does not have: nobody"),
        (lambda a: replace(a, population="in"), "gave a population twice"),
        (lambda a: a if a.trains is None else replace(a, trains=a.trains[:1]), "gave no trains of in for these images"),
        (lambda a: replace(a, opening=None) if a.trains is None else a, "gave no membranes of out for these images"),
        (lambda a: replace(a, trains=None) if a.population == "hid" else a, "gave no trains of hid for these images"),
        (lambda a: a if a.trains is None else replace(a, trains=a.trains | 2**15), "spikes beyond its steps (4 steps)"),
        (
            lambda a: a if a.trains is not None else replace(a, opening=a.opening + 0.5),
            "float64 (3, 2, 1, 1) (int (3",
        ),
        (lambda a: [a], "gave no Activity: list"),
        (lambda a: replace(a, codes=None), "gave no codes of in"),
        (lambda a: a if a.codes is None else replace(a, codes=a.codes[:1]), "gave no codes of in"),
        (lambda a: a if a.codes is None else replace(a, codes=a.codes + 0.5), "gave no codes of in"),
        (lambda a: replace(a, sums={}), "gave no sums of in->hid"),
        (lambda a: a if a.membranes is None else replace(a, membranes=None), "gave no membranes by step of hid"),
    ],
)
def test_an_engine_gives_all_there_is(change: Any, says: str) -> None:
    """What an engine of one's own leaves out, gives twice or misshapen is named; nothing is filled in."""
    with refused(UsageError, "RUN-2", "engine", says=says):
        run(tiny(), draw(tiny(), 3), Altered(change), EVERYTHING, threads=1)


class Counting(Altered):
    """The same; where nothing is recorded it counts, by what is made of logits (B, classes) and spikes."""

    def __init__(self, change: Callable[[Any, Any], Any] | None) -> None:
        super().__init__(lambda a: a)
        self.told = change

    def counter(self, net: Network) -> Any:
        right = reference.simulator(net)

        def counted(images: Any) -> Any:
            *spiking, last = right(images, {})
            spikes = np.stack([np.bitwise_count(a.trains).sum((1, 2, 3), dtype=np.int64) for a in spiking], axis=1)
            assert self.told is not None and last.opening is not None
            return self.told(last.opening[:, :, 0, 0], spikes)

        return counted if self.told else None


def test_an_engine_may_count() -> None:
    """Where nothing is recorded a counter takes the simulator's place, if there is one; else the simulator tells
    all; threads and batches change nothing.
    """
    wanted = run(tiny(), draw(tiny(), 5), "reference")
    for change in (lambda *both: both, None):
        for record, threads in ((None, 1), (None, 2), (EVERYTHING, 1)):
            found = run(tiny(), draw(tiny(), 5), Counting(change), record, batch=2, threads=threads)
            assert found.logits.tolist() == wanted.logits.tolist()
            assert {name: of.tolist() for name, of in found.spike_counts.items()} == {
                name: of.tolist() for name, of in wanted.spike_counts.items()
            }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda logits, spikes: logits, "counted no logits and spikes: ndarray"),
        (lambda logits, spikes: (logits[:1], spikes), "counted no logits: int64 (1, 2) (int (3, 2))"),
        (lambda logits, spikes: (logits + 0.5, spikes), "counted no logits: float64 (3, 2)"),
        (lambda logits, spikes: (logits, spikes[:, :1]), "counted no spikes: int64 (3, 1) (int (3, 2))"),
        (lambda logits, spikes: (logits, None), "counted no spikes: NoneType None"),
    ],
)
def test_an_engine_counts_all_there_is(change: Any, says: str) -> None:
    """What a counter leaves out or misshapes is named, too."""
    with refused(UsageError, "RUN-2", "engine", says=says):
        run(tiny(), draw(tiny(), 3), Counting(change), threads=1)


def test_an_engine_keeps_its_name() -> None:
    """The name of an object is told as it is, dots too; the engine alone can be checked."""
    assert run(tiny(), draw(tiny(), 3), Altered(lambda a: a)).engine == "rtl 1.2"
    assert fsref.check(tiny(), draw(tiny(), 3), Altered(lambda a: a)).engines == ("rtl 1.2",)


def test_ties_go_to_the_lowest_class() -> None:
    """The class is the channel with the largest logit, the lowest index on a tie (NET-8)."""
    net = Network(
        [Input("in", (1, 1, 1), 3, 7), Readout("out", (4, 1, 1), [0, 4, 0, 4])],
        [Dense("in", "out", [[-1], [0], [2], [0]])],
    )
    images = np.array([0, 1, 2, 3]).reshape(4, 1, 1, 1)
    for engine in ENGINES:
        result = run(net, images, engine)
        assert result.logits.tolist() == [[0, 4, 0, 4], [-1, 4, 2, 4], [-2, 4, 4, 4], [-3, 4, 6, 4]]
        assert result.predictions.tolist() == [1, 1, 1, 2]
    assert [naive.simulate(oracle(net), [x]).label for x in range(4)] == [1, 1, 1, 2]


def test_images_that_are_refused() -> None:
    """Images are integers (B, C, H, W), B >= 1, 0..max_code; (B, H, W) is taken for one channel (RUN-1, NET-7)."""
    net = tiny()
    good = draw(net, 3)
    wanted = run(net, good).logits.tolist()
    for images in (
        good[:, 0],
        good.tolist(),
        good.astype(np.uint8),
        good.astype(">i2"),
        np.asfortranarray(good),
        good.astype(np.uint64),
    ):
        assert run(net, images).logits.tolist() == wanted
    for bad in (
        good.astype(float),
        good.astype(bool),
        good.astype(str),
        good.astype(object),
        None,
        "image",
        [[[[1, 2], [3]]]],
    ):
        with refused(InputError, "RUN-1", "images"):
            run(net, bad)
    for bad in (
        good[0, 0],
        good[0],
        good[None],
        good[:, :, :1],
        np.repeat(good, 2, 1),
        np.zeros((2, 3, 3), int),
        np.int64(3),
    ):
        if np.shape(bad) == (1, 2, 2):
            continue
        with refused(InputError, "RUN-1", "images", np.shape(bad)):
            run(net, bad)
    with refused(InputError, "RUN-1", "images", 0):
        run(net, good[:0])
    for value in (-1, 16, 2**40):
        wrong = good.copy()
        wrong[2, 0, 1, 0] = value
        with refused(InputError, "RUN-1", "images[2, 0, 1, 0]", value):
            run(net, wrong)
    with refused(InputError, "RUN-1", "images[0, 0, 0, 0]", 2**64 - 1):
        run(net, np.full((1, 1, 2, 2), 2**64 - 1, np.uint64))
    with refused(InputError, "RUN-1", "images", (2, 7, 6)):
        run(residual(), np.zeros((2, 7, 6), int))


def test_what_is_unknown_is_refused() -> None:
    """Unknown engines, batches and threads below 1 are refused (RUN-2)."""
    net = tiny()
    for engine in ("numpy", "", "Events", "fsref.engines.events"):
        with refused(UsageError, "RUN-2", "engine", engine):
            run(net, draw(net, 1), engine)
        with refused(UsageError, "RUN-2", "engine", engine):
            run_bytes(net, 1, engine)
    for more in ({"batch": 0}, {"batch": -1}, {"threads": 0}, {"threads": -2}):
        with refused(UsageError, "RUN-2", "run"):
            run(net, draw(net, 1), **more)


def test_names_that_can_be_read_once_are_recorded() -> None:
    """What comes from a generator is a list like any other (OBS-1)."""
    net, images = tiny(), draw(tiny(), 2)
    record = Record(iter(["hid", "out"]), iter(["codes"]), iter([0, 1]))
    found, wanted = (run(net, images, record=own).trace for own in (record, Record(["hid", "out"], ["codes"], [0, 1])))
    assert found.arrays.keys() == wanted.arrays.keys() != set()


def test_what_is_no_list_is_not_recorded() -> None:
    """A number, or a list of lists, where a Record has names, neurons or steps is refused in a line (OBS-1)."""
    net = tiny()
    for record in (Record(3), Record([["hid"]]), Record(None, 7), Record(steps=0), Record({"hid": 1})):
        with refused(UsageError, "OBS-1", "record"):
            run(net, draw(net, 1), record=record)


def test_batch_and_threads_change_nothing() -> None:
    """Logits, labels, spike counts and every observable are the same for every batch size and number of threads, and
    the naive ones (RUN-2).
    """
    for make in (residual, unordered):
        net = make()
        images, other = draw(net, 7, 6), oracle(net)
        seen = [naive.simulate(other, image.ravel().tolist()) for image in images]
        for engine in ENGINES:
            for batch, threads in ((None, None), (1, 1), (2, 3), (3, 2), (7, 1), (100, 50)):
                result = run(net, images, engine, record=EVERYTHING, batch=batch, threads=threads)
                assert result.logits.tolist() == [one.logits for one in seen]
                assert result.predictions.tolist() == [one.label for one in seen]
                for place, p in enumerate(net.populations[:-1]):
                    assert result.spike_counts[p.name].tolist() == [
                        sum(train.bit_count() for train in one.trains[place]) for one in seen
                    ]
                    assert result.codes[p.name].tolist() == [one.codes[place] for one in seen]
                for (name, kind), found in result.trace.arrays.items():
                    wanted = [
                        one.sums[list(net.named_projections).index(name)]
                        if kind == "sums"
                        else getattr(one, "trains" if kind == "spikes" else kind)[
                            [p.name for p in net.populations].index(name)
                        ]
                        for one in seen
                    ]
                    assert found.tolist() == wanted, (engine, batch, threads, name, kind)


def name_of(net: Network, key: tuple[str, str]) -> str:
    """The file RUN-3 gives an array."""
    if key[1] == "sums":
        return f"projection.{list(net.named_projections).index(key[0])}.sums.npy"
    return f"population.{[p.name for p in net.populations].index(key[0])}.{key[1]}.npy"


def test_recordings_on_disk(tmp_path: Path) -> None:
    """A recording on disk holds what one in memory holds, one .npy per array, in a directory that was not there before
    (RUN-3).
    """
    net = residual()
    images = draw(net, 5, 7)
    for engine in ENGINES:
        kept = run(net, images, engine, record=EVERYTHING).trace
        path = tmp_path / engine
        disk = run(net, images, engine, record=Record(observables=OBSERVABLES, path=path), batch=2, threads=2).trace
        assert disk.arrays.keys() == kept.arrays.keys()
        for key, found in disk.arrays.items():
            assert found.dtype == kept[key].dtype and found.tolist() == kept[key].tolist()
        about = json.loads((path / "recording.json").read_text())
        assert about["id"] == net.id and about["populations"][0] == {
            "name": "in",
            "K": net.steps["in"],
            "steps": list(range(net.steps["in"])),
            "neurons": "all",
        }
        assert {file: (say["of"], say["observable"]) for file, say in about["files"].items()} == {
            f: k for k in kept.arrays for f in [name_of(net, k)]
        }
        assert {f.name for f in path.iterdir()} == {*about["files"], "recording.json", "network.fs.npz"}
        assert np.load(path / "population.3.membranes.npy").tolist() == kept["mid", "membranes"].tolist()
        assert np.load(path / "projection.4.sums.npy").tolist() == kept["mid->sum#1", "sums"].tolist()
        before = sorted((f.name, f.read_bytes()) for f in path.iterdir())
        assert fsref.load(path / "network.fs.npz").id == net.id
        with refused(UsageError, "RUN-5", str(path)):
            run(net, images, engine, record=Record(path=path))
        assert sorted((f.name, f.read_bytes()) for f in path.iterdir()) == before
    with refused(UsageError, "RUN-5", str(tmp_path / "none")):
        run(net, images, record=Record(path=tmp_path / "none" / "there"))
    assert sorted(f.name for f in tmp_path.iterdir()) == sorted(ENGINES)


class Broken(Exception):
    """What a broken engine raises."""


def test_a_recording_appears_complete_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine, a preparation or a disk that fails midway leaves neither the directory nor anything beside it
    (RUN-3).
    """
    net = residual()
    images, path = draw(net, 6), tmp_path / "trace"
    whole = reference.simulator

    def failing(when: str) -> Any:
        def simulator(net: Network) -> Any:
            if when == "preparing":
                raise Broken
            simulate, calls = whole(net), iter(range(100))

            def broken(x: Any, wanted: Any) -> Any:
                last = next(calls) == 2
                for activity in simulate(x, wanted):
                    assert not path.exists()
                    if last and activity.population == "mid":
                        raise Broken
                    yield activity

            return broken

        return simulator

    for when in ("preparing", "running"):
        for threads in (1, 2):
            monkeypatch.setattr(reference, "simulator", failing(when))
            record = Record(observables=OBSERVABLES, path=path)
            with pytest.raises(Broken):
                run(net, images, "reference", record=record, batch=1, threads=threads)
            assert list(tmp_path.iterdir()) == [], when
    monkeypatch.setattr(reference, "simulator", whole)
    calls = iter(range(100))
    reserve, put = files.reserve, files.NewFolder.put

    def full(*args: Any) -> None:
        if next(calls) == 3:
            raise OSError(28, "No space left on device")
        reserve(*args)

    def lost(folder: files.NewFolder, name: str, *what: Any) -> None:
        (folder.making / name).unlink(missing_ok=True)  # by whichever thread comes first
        put(folder, name, *what)

    for home, name, fails, says in (
        (files, "reserve", full, "No space left on device"),
        (files.NewFolder, "put", lost, "No such file or directory"),
    ):
        with monkeypatch.context() as patched, refused(FileError, "RUN-3", str(path), says):
            patched.setattr(home, name, fails)
            run(net, images, "reference", record=Record(observables=OBSERVABLES, path=path))
        assert list(tmp_path.iterdir()) == []


def test_memory_is_refused_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose bound exceeds memory_limit, or a recording larger than the free disk, does not start; recordings
    count exactly (RUN-3).
    """
    net = residual()
    images = draw(net, 4)

    def never(net: Network) -> Any:
        raise AssertionError("the run started")

    selection = select(net, EVERYTHING)
    bound = run_bytes(net, 4, "reference", selection, False, 2, 1)
    fits = run(net, images, "reference", record=EVERYTHING, batch=2, threads=1, memory_limit=bound)
    assert fits.logits.shape == (4, 3)
    size = recording_bytes(net, selection, 4)
    assert size == sum(a.nbytes for a in run(net, images, record=EVERYTHING).trace.arrays.values())
    assert bound - run_bytes(net, 4, "reference", selection, True, 2, 1) == size
    simulator = events.simulator
    for engine in ENGINES:
        monkeypatch.setattr(f"fsref.engines.{engine}.simulator", never)
        bound = run_bytes(net, 4, engine, selection, False, 2, 1)
        with refused(LimitError, "RUN-3", "run", f"{bound} bytes"):
            run(net, images, engine, record=EVERYTHING, batch=2, threads=1, memory_limit=bound - 1)
        assert run_bytes(net, 4, engine, selection, batch=2) > run_bytes(net, 4, engine, selection, batch=1)
    path = tmp_path / "trace"
    record = Record(observables=OBSERVABLES, path=path)
    monkeypatch.setattr("fsref.engines.events.simulator", simulator)
    run(net, images, record=record)
    files = [file.stat().st_size for file in path.iterdir()]
    block = 512
    size = block * (1 + sum(-(-size // block) + 1 for size in files))
    shutil.rmtree(path)
    monkeypatch.setattr(store, "free_space", lambda at: (size - 1, block))
    with refused(LimitError, "RUN-3", str(path), f"{size} bytes", says=f"{size - 1} free"):
        run(net, images, record=record)
    assert list(tmp_path.iterdir()) == []
    for free in (size, None):
        monkeypatch.setattr(store, "free_space", lambda at, free=free: (free, block))
        run(net, images, record=replace(record, replace=True))
    wide = Network(
        [Input("in", (1, 1, 1), 1, 1), FS("a", (1, 1, 65536), fs_relu(1)), Readout("out", (1, 1, 1))],
        [Conv2d("in", "a", [[[[1]]]], padding=(0, 32768, 0, 32767)), Dense("a", "out", [[1]], pooled=True)],
    )
    with refused(LimitError, "RUN-3", "run"):
        run(wide, np.ones((1, 1, 1, 1), int), memory_limit=2**19)


def middling() -> Network:
    """About 30,000 neurons of every kind, so that what a run takes is well above the constant part of a bound."""
    rng = np.random.default_rng(11)
    odd = Table(np.sort(rng.integers(1, 900, 8))[::-1], rng.integers(1, 900, 8), rng.integers(1, 9, 8))
    return Network(
        [
            Input("in", (3, 32, 32), 8, 255),
            FS("a", (8, 32, 32), fs_relu(8, 40)),
            MaxPool("p", (8, 16, 16), "a", (3, 3), (2, 2), (1, 1, 1, 1)),
            FS("b", (16, 16, 16), odd),
            FS("c", (32, 16, 16), fs_relu(4, 7), rng.integers(-5, 5, (32, 16, 16))),
            Readout("out", (10, 1, 1)),
        ],
        [
            Conv2d("in", "a", rng.integers(-9, 9, (8, 3, 3, 3)), padding=(1, 1, 1, 1)),
            Conv2d("p", "b", rng.integers(-9, 9, (16, 8, 3, 3)), padding=(1, 1, 1, 1)),
            Conv2d("p", "c", rng.integers(-9, 9, (32, 1, 5, 5)), padding=(2, 2, 2, 2), groups=8),
            Conv2d("b", "c", rng.integers(-9, 9, (32, 16, 1, 1))),
            Dense("c", "out", rng.integers(-9, 9, (10, 32 * 256))),
        ],
    )


def flat() -> Network:
    """One input and a readout: the images themselves are the largest part of a run."""
    return Network(
        [Input("in", (1, 64, 64), 8, 255), Readout("out", (2, 1, 1))], [Dense("in", "out", [[1], [-1]], pooled=True)]
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_memory_bound_holds(engine: str) -> None:
    """The memory a run takes at its peak never exceeds its bound, for any batch, number of threads and recording, and
    the bound is not idle (RUN-3).
    """
    for net, cases in (
        (
            middling(),
            (
                (1, 1, 1, None),
                (6, 3, 2, None),
                (4, 4, 1, EVERYTHING),
                (2, 1, 2, EVERYTHING),
                (3, 3, 1, Record({"b": [5]}, OBSERVABLES)),
            ),
        ),
        (flat(), ((1, 1, 1, None), (2000, 4, 1, None))),
    ):
        for record in (None, EVERYTHING):  # what is made once: kernels, code weights
            run(net, draw(net, 1), engine, record=record)
        for count, batch, threads, record in cases:
            images = draw(net, count).astype(np.uint8)
            bound = run_bytes(
                net, count, engine, None if record is None else select(net, record), False, batch, threads
            )
            tracemalloc.start()
            try:
                result = run(net, images, engine, record=record, batch=batch, threads=threads, memory_limit=bound)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert result.logits.shape[0] == count
            assert peak <= bound, (engine, count, batch, threads, peak, bound)
            assert bound < 64 * peak, (engine, count, batch, threads, peak, bound)
