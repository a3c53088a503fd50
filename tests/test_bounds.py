"""RUN-3: the bound on the memory of a verb is never below what it takes at its peak, and not far above.

Every array of fsref is NumPy's, whose memory tracemalloc knows; the kernels make none. One run in a process of its own
measures what the system counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Record, Table, fs_relu, run
from fsref.conversion import fits
from fsref.conversion.calibration import SAMPLE
from fsref.conversion.converter import BATCH, Calibrated
from fsref.conversion.folding import fold
from fsref.conversion.memory import observing_bytes, quantising_bytes, refitting_bytes
from fsref.conversion.options import Options
from fsref.engines.engine import ENGINES
from fsref.errors import LimitError, UsageError
from fsref.graph.graph import Graph, Node
from fsref.graph.memory import forward_bytes
from fsref.law.images import Pixels
from fsref.law.populations import OBSERVABLES, MaxPool
from fsref.law.projections import Gate
from fsref.simulation.memory import run_bytes
from fsref.simulation.recording import select
from refusals import refused

RECORDED, RUN, OTHER = 3, 8, 16  # how far above the peak a bound may stand (RUN-3)
SMALL = 2**20  # below it what is added for objects alone counts
EVERYTHING = Record(observables=OBSERVABLES)
SEED = 5
DRAW = np.random.default_rng(SEED)


@pytest.fixture(autouse=True)
def drawn_anew() -> None:
    """Every test draws the same numbers, whatever ran before it."""
    DRAW.bit_generator.state = np.random.default_rng(SEED).bit_generator.state


AROUND = (1, 1, 1, 1)


def positive(*shape: int) -> Any:
    """Weights with which neurons spike often, as the bound takes for granted."""
    return DRAW.integers(1, 9, shape)


def chain(given: tuple[int, int, int], *parts: Any, steps: int = 8) -> Network:
    """A network from an input through pairs of a population and a function from its source to the projection."""
    populations: list[Any] = [Input("in", given, steps, 2**steps - 1)]
    projections = []
    for population, projection in parts:
        if projection is not None:
            projections.append(projection(populations[-1].name))
        populations.append(population)
    channels = populations[-1].shape[0]
    populations.append(Readout("out", (3, 1, 1)))
    projections.append(Dense(populations[-2].name, "out", positive(3, channels), pooled=True))
    return Network(populations, projections)


def conv(target: str, *shape: int, **about: Any) -> Callable[[str], Conv2d]:
    return lambda source: Conv2d(source, target, positive(*shape), **about)


def unlike() -> Table:
    """A table that is no FS-ReLU."""
    made = fs_relu(10, 40)
    return Table(made.T + 1, made.h, made.d)


def unequal(channels: int) -> Table:
    """A table with a row of its own for every channel, none of them an FS-ReLU's, each of some 1,000 intervals."""
    made = fs_relu(10, 8)
    return Table(made.T + np.arange(1, channels + 1)[:, None], made.h, made.d)


NETS: dict[str, Callable[[], Network]] = {
    "wide conv": lambda: chain(
        (16, 24, 24),
        (FS("a", (32, 24, 24), fs_relu(8, 400)), conv("a", 32, 16, 3, 3, padding=AROUND)),
        (FS("b", (48, 24, 24), fs_relu(8, 400)), conv("b", 48, 32, 3, 3, padding=AROUND)),
    ),
    "dense": lambda: chain(
        (512, 1, 1),
        (FS("a", (1024, 1, 1), fs_relu(8, 4000)), lambda source: Dense(source, "a", positive(1024, 512))),
        (FS("b", (1024, 1, 1), fs_relu(8, 4000)), lambda source: Dense(source, "b", positive(1024, 1024))),
    ),
    "max-pool": lambda: chain(
        (8, 64, 64),
        (MaxPool("p", (8, 64, 64), "in", (3, 3), (1, 1), AROUND), None),
        (MaxPool("q", (8, 29, 29), "p", (7, 7), (2, 2)), None),
    ),
    "one large pool": lambda: chain((1, 96, 32), (MaxPool("p", (1, 88, 28), "in", (9, 5), (1, 1)), None), steps=1),
    "many populations": lambda: chain(
        (4, 2, 2), *((FS(f"p{i}", (4, 2, 2), fs_relu(4, 9)), conv(f"p{i}", 4, 4, 1, 1)) for i in range(100)), steps=4
    ),
    "many windows": lambda: chain(
        (1, 32, 32),
        *(
            (FS(f"p{i}", (1, 32, 32), fs_relu(2, 9)), conv(f"p{i}", 1, 1, 9, 1, padding=(4, 0, 4, 0)))
            for i in range(24)
        ),
        steps=2,
    ),
    "many neurons": lambda: chain(
        (4, 32, 32),
        *((FS(f"p{i}", (4, 32, 32), fs_relu(1, 9)), conv(f"p{i}", 4, 4, 1, 1)) for i in range(16)),
        steps=1,
    ),
    "many tables": lambda: chain(
        (512, 1, 1),
        *((FS(f"p{i}", (512, 1, 1), fs_relu(16, 9)), conv(f"p{i}", 512, 1, 1, 1, groups=512)) for i in range(8)),
        steps=16,
    ),
    "one large channel": lambda: chain(
        (1, 200, 200), (FS("a", (1, 200, 200), fs_relu(8, 40)), conv("a", 1, 1, 3, 3, padding=AROUND))
    ),
    "sixteen steps": lambda: chain(
        (4, 32, 32), (FS("a", (8, 32, 32), fs_relu(16, 30)), conv("a", 8, 4, 3, 3, padding=AROUND)), steps=16
    ),
    "another table, pooled": lambda: chain(
        (4, 32, 32),
        (FS("a", (16, 32, 32), unlike()), conv("a", 16, 4, 3, 3, padding=AROUND)),
        (MaxPool("p", (16, 16, 16), "a", (3, 3), (2, 2), AROUND), None),
    ),
    "a table for every channel": lambda: chain(
        (4, 1, 1), (FS("a", (256, 1, 1), unequal(256)), conv("a", 256, 4, 1, 1))
    ),
    "depthwise": lambda: chain(
        (32, 32, 32), (FS("a", (64, 32, 32), fs_relu(8, 90)), conv("a", 64, 1, 3, 3, padding=AROUND, groups=32))
    ),
    "groups": lambda: chain(
        (32, 24, 24), (FS("a", (32, 24, 24), fs_relu(8, 90)), conv("a", 32, 8, 3, 3, padding=AROUND, groups=4))
    ),
    "large kernel": lambda: chain((8, 40, 40), (FS("a", (8, 30, 30), fs_relu(8, 900)), conv("a", 8, 8, 11, 11))),
    "dilation": lambda: chain(
        (4, 48, 48), (FS("a", (8, 44, 44), fs_relu(8, 90)), conv("a", 8, 4, 3, 3, dilation=(2, 2)))
    ),
    "stride": lambda: chain(
        (8, 96, 96), (FS("a", (8, 12, 12), fs_relu(8, 90)), conv("a", 8, 8, 3, 3, stride=(8, 8), padding=AROUND))
    ),
    "gates": lambda: Network(
        [
            Input("in", (8, 40, 40), 8, 255),
            FS("a", (16, 40, 40), fs_relu(8, 40)),
            FS("one", (16, 1, 1), fs_relu(8, 9000)),
            FS("p", (16, 40, 40), fs_relu(8, 90)),
            FS("q", (16, 40, 40), fs_relu(8, 90)),
            Readout("out", (3, 1, 1)),
        ],
        [
            Conv2d("in", "a", positive(16, 8, 1, 1)),
            Dense("a", "one", positive(16, 16), pooled=True),
            Gate("a", "one", "p", np.ones(16, np.int64)),
            Gate("p", "a", "q", np.ones(16, np.int64)),
            Dense("q", "out", positive(3, 16), pooled=True),
        ],
    ),
    "64 bits": lambda: Network(
        [Input("in", (8, 24, 24), 16, 65535), FS("a", (16, 24, 24), fs_relu(8, 2**30)), Readout("out", (2, 1, 1))],
        [
            Conv2d("in", "a", DRAW.integers(0, 2**30, (16, 8, 3, 3)), padding=AROUND),
            Dense("a", "out", DRAW.integers(0, 2**30, (2, 16)), pooled=True),
        ],
    ),
}


def peak_of(work: Callable[[], Any]) -> int:
    """The bytes that Python and NumPy held at most, beside those held before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def told(work: Callable[[int], Any], limit: int = 1) -> int:
    """The bound that a refusal tells."""
    with pytest.raises(LimitError) as caught:
        work(limit)
    assert caught.value.rule == "RUN-3"
    return int(str(caught.value.value).split()[0])


def check(bound: int, peak: int, factor: int, *about: object) -> None:
    assert peak <= bound, (*about, bound / peak, peak)
    assert bound <= factor * max(peak, SMALL), (*about, bound / peak, peak)


@pytest.mark.parametrize("name", NETS)
def test_a_run_stays_below_its_bound_and_not_far(name: str) -> None:
    """For every form of network, engine, batch and number of threads, recorded in full or not at all (RUN-3)."""
    net = NETS[name]()
    for engine in ENGINES:
        for record in (None, EVERYTHING):  # kernels are compiled, or loaded
            run(net, np.full((1, *net.input.shape), net.input.max_code), engine, record=record, threads=1)
        for count, batch, threads, record in (
            (1, 1, 1, None),
            (4, 4, 1, None),
            (4, 2, 2, None),
            (1, 1, 1, EVERYTHING),
            (4, 4, 1, EVERYTHING),
        ):
            images = np.full((count, *net.input.shape), net.input.max_code, np.uint16)
            selected = None if record is None else select(net, record)
            bound = run_bytes(net, count, engine, selected, False, batch, threads)
            how: dict[str, Any] = {"record": record, "batch": batch, "threads": threads, "memory_limit": bound}
            peak = peak_of(lambda: run(net, images, engine, **how))  # noqa: B023
            factor = (RUN if record is None else RECORDED) * threads  # which need not reach their peaks at once
            check(bound, peak, factor, name, engine, count, batch, threads, record is not None)


@pytest.mark.parametrize(
    "name", ["dense", "many windows", "another table, pooled", "depthwise", "groups", "gates", "64 bits"]
)
def test_a_first_run_stays_below_its_bound(name: str) -> None:
    """What is planned for a network is bounded before it is: the run that makes the plan stays below, too."""
    again, net = NETS[name](), NETS[name]()
    images = np.full((2, *net.input.shape), net.input.max_code, np.uint16)
    run(again, images, threads=1)  # kernels are compiled, or loaded
    told = net.ranges, net.schedule, net.named_projections  # what a network knows of itself is no part of a run
    bound = run_bytes(net, 2, batch=2, threads=1)
    check(bound, peak_of(lambda: run(net, images, batch=2, threads=1)), OTHER, name, len(told))


@pytest.mark.parametrize("engine", ENGINES)
def test_many_images_of_a_small_network(engine: str) -> None:
    """Codes, logits, counts, and what waits for its turn: of every image (RUN-3)."""
    net = chain((1, 8, 8), (FS("a", (4, 8, 8), fs_relu(4, 9)), conv("a", 4, 1, 3, 3, padding=AROUND)), steps=4)
    images = np.full((500, 1, 8, 8), 15, np.uint8)
    run(net, images[:1], engine)
    for batch in (1, 64):
        bound = run_bytes(net, 500, engine, None, False, batch, 1)
        peak = peak_of(lambda: run(net, images, engine, batch=batch, threads=1, memory_limit=bound))  # noqa: B023
        check(bound, peak, RUN, engine, batch)


def test_what_the_system_counts_stays_below_the_bound() -> None:
    """In a process of its own, with what NumPy takes beside arrays: the growth of its largest size (RUN-3)."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the system does not say the largest size of a process")
    code = """
from pathlib import Path
import numpy as np
import test_bounds
from fsref import run
from fsref.simulation.memory import run_bytes


def largest():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


net = test_bounds.NETS["one large channel"]()
images = np.full((8, *net.input.shape), 255)
run(net, images[:1], "reference", threads=1)
before = largest()
run(net, images, "reference", record=test_bounds.EVERYTHING, batch=8, threads=1)
print(largest() - before)
selected = test_bounds.select(net, test_bounds.EVERYTHING)
print(run_bytes(net, 8, "reference", selected, False, 8, 1))
"""
    here = Path(__file__).resolve().parent
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (here.parent, here)))}
    done = subprocess.run([sys.executable, "-c", code], env=found, capture_output=True, text=True, check=True)
    grown, bound = map(int, done.stdout.split())
    assert 2**25 < grown <= bound


class Said:
    """An engine that says of its bytes what it is told to say."""

    def __init__(self, working: Any, shared: Any = None) -> None:
        self.working = working
        if shared is not None:
            self.shared_bytes = lambda net, threads: shared

    def simulator(self, net: Network) -> Any:
        from fsref.engines import reference

        return reference.simulator(net)

    def working_bytes(self, net: Network) -> Any:
        return self.working


@pytest.mark.parametrize("given", [-1, 2.5, "8", None, True, float("nan"), [4]])
def test_an_engine_that_tells_no_number_of_bytes_is_refused(given: Any) -> None:
    """Bytes are an integer, 0 or more (RUN-2)."""
    net = NETS["many populations"]()
    images = np.zeros((1, *net.input.shape), int)
    with refused(UsageError, "RUN-2", "engine", repr(given), says="working_bytes gave no number of bytes"):
        run(net, images, Said(given))
    if given is not None:
        with refused(UsageError, "RUN-2", "engine", repr(given), says="shared_bytes gave no number of bytes"):
            run(net, images, Said(1, given))
    assert run(net, images, Said(np.int64(0), 0)).logits.shape == (1, 3)


def test_an_engine_says_what_all_images_share() -> None:
    """What is shared counts once, what an image takes once for each of those at work (RUN-3)."""
    net = NETS["many populations"]()
    base = run_bytes(net, 6, Said(0, 0), None, False, 2, 2)
    assert run_bytes(net, 6, Said(0, 1000), None, False, 2, 2) == base + 1000
    assert run_bytes(net, 6, Said(1000), None, False, 2, 2) == base + 4 * 1000
    assert run_bytes(net, 3, Said(1000), None, False, 2, 2) == run_bytes(net, 3, Said(0), None, False, 2, 2) + 3000


def test_a_batch_is_as_large_as_the_limit_lets_it_be() -> None:
    """Without a batch of its own a run takes fewer images at once before it refuses (RUN-2, RUN-3)."""
    net = NETS["wide conv"]()
    images = np.full((8, *net.input.shape), 255)
    least = run_bytes(net, 8, "reference", None, False, 1, 1)
    peak = peak_of(lambda: run(net, images, "reference", threads=1, memory_limit=least))
    assert peak <= least < run_bytes(net, 8, "reference", None, False, 2, 1)
    with refused(LimitError, "RUN-3", "run", f"{least} bytes"):
        run(net, images, "reference", threads=1, memory_limit=least - 1)


@pytest.mark.parametrize("name", ["one large channel", "dense", "many neurons"])
def test_verbs_that_run_stay_below_the_bound_they_tell(name: str) -> None:
    """evaluate and check hold images, recordings and counts beside their runs (RUN-3)."""
    net = NETS[name]()
    images, labels = np.full((5, *net.input.shape), net.input.max_code, np.uint8), [0] * 5
    verbs: dict[str, Callable[[int], Any]] = {
        "evaluate": lambda limit: fsref.evaluate(net, images, labels, threads=1, memory_limit=limit),
        "check": lambda limit: fsref.check(net, images, threads=1, memory_limit=limit),
    }
    for verb, work in verbs.items():
        work(2**40)
        least = told(work)
        check(least, peak_of(lambda: work(least)), OTHER, name, verb)  # noqa: B023
        peak = peak_of(lambda: work(3 * least))  # noqa: B023
        assert peak <= 3 * least
        with pytest.raises(LimitError):
            work(least - 1)


def drawn(*shape: int) -> Any:
    return DRAW.normal(size=shape).astype(np.float32)


def graph(given: tuple[int, int, int], channels: int, *nodes: Node) -> Graph:
    """A graph that ends in the mean over all places of so many channels, and a dense layer."""
    head = [
        Node("mean", "global_avg_pool", (nodes[-1].name,)),
        Node("fc", "dense", ("mean",), {}, {"weight": drawn(10, channels)}),
    ]
    return Graph(Pixels(*given, mean=0.1), (*nodes, *head))


def layer(name: str, source: str, *shape: int, **about: Any) -> tuple[Node, Node]:
    return (
        Node(name, "conv", (source,), {"padding": AROUND, **about}, {"weight": drawn(*shape)}),
        Node(f"{name}r", "relu", (name,)),
    )


GRAPHS: dict[str, Callable[[], Graph]] = {
    "wide": lambda: graph((3, 48, 48), 48, *layer("a", "input", 24, 3, 3, 3), *layer("b", "ar", 48, 24, 3, 3)),
    "large": lambda: graph((1, 300, 300), 4, *layer("a", "input", 4, 1, 3, 3)),
    "pools": lambda: graph(
        (4, 150, 150),
        4,
        Node("p", "max_pool", ("input",), {"kernel": (3, 3), "stride": (2, 2), "padding": AROUND}),
        Node("q", "avg_pool", ("p",), {"kernel": (2, 2)}),
    ),
    "heavy": lambda: graph((16, 12, 12), 128, *layer("a", "input", 128, 16, 3, 3), *layer("b", "ar", 128, 128, 3, 3)),
    "gated": lambda: graph(
        (3, 64, 64),
        24,
        layer("a", "input", 24, 3, 3, 3)[0],
        Node("f", "silu", ("a",)),
        Node("s", "global_avg_pool", ("f",)),
        Node("g", "tanh", ("s",)),
        Node("p", "mul", ("f", "g")),
        layer("b", "p", 24, 24, 3, 3)[0],
        Node("h", "gelu", ("b",)),
    ),
    "deep": lambda: graph(
        (8, 24, 24),
        8,
        *(node for i in range(12) for node in layer(f"c{i}", f"c{i - 1}r" if i else "input", 8, 8, 3, 3)),
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_float_graph_stays_below_its_bound_and_not_far(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward, observed for calibration, and quantised: bounds from shapes alone (RUN-3)."""
    monkeypatch.setattr(fits, "BUDGET", 20_000)  # how long a fit takes, not what
    made = GRAPHS[name]()
    folded = fold(made)
    fsref.convert(made, np.zeros((1, *made.contract().shape), np.uint8))  # programs of fits are loaded
    for count in (1, 12):
        images = DRAW.integers(0, 256, (count, *made.contract().shape)).astype(np.uint8)
        check(forward_bytes(made, count), peak_of(lambda: made.forward(images)), 4, name, count)  # noqa: B023
        for at_once in (1, 12):
            bound = observing_bytes(folded, count, at_once)
            done: list[Calibrated] = []
            peak = peak_of(lambda: done.append(Calibrated.of(folded, images, count, memory_limit=bound)))  # noqa: B023
            check(bound, peak, 4, name, count, at_once)
        with refused(LimitError, "RUN-3", "convert"):
            Calibrated.of(folded, images, count, memory_limit=observing_bytes(folded, count, 1) - 1)
        for kind in ("none", "analytic", "empirical"):
            bound = quantising_bytes(folded, count, kind == "empirical", BATCH)
            options = Options(bias_correction=kind)  # type: ignore[arg-type]
            peak = peak_of(lambda: done[0].convert(options, bound))  # noqa: B023
            check(bound, max(peak, 16 * SAMPLE), OTHER, name, count, kind)
        bound += refitting_bytes(folded, count, BATCH)
        options = Options(refit=True, bias_correction="empirical")
        peak = peak_of(lambda: done[0].convert(options, bound))  # noqa: B023
        check(bound, max(peak, 16 * SAMPLE), OTHER, name, count, "refit")


def test_a_wide_dense_layer_stays_below_its_bound() -> None:
    """Its weights, more than anything else, are cut and rounded strip by strip, in calibration and after (RUN-3)."""
    wide = Node("d", "dense", ("f",), {}, {"weight": drawn(800, 2048)})
    folded = fold(graph((8, 16, 16), 800, Node("f", "flatten", ("input",)), wide, Node("dr", "relu", ("d",))))
    images = DRAW.integers(0, 256, (2, 8, 16, 16)).astype(np.uint8)
    done: list[Calibrated] = []
    peak = peak_of(lambda: done.append(Calibrated.of(folded, images)))
    check(observing_bytes(folded, 2, 2), peak, 4, "observed")
    for kind in ("none", "analytic"):
        peak = peak_of(lambda: done[0].convert(Options(bias_correction=kind)))  # type: ignore[arg-type] # noqa: B023
        check(quantising_bytes(folded, 2, False, BATCH), peak, OTHER, kind)


def test_memory_changes_no_sample() -> None:
    """With room for a few images at a time all that is seen is the same (CONV-2, CONV-9, RUN-3)."""
    folded = fold(GRAPHS["wide"]())
    images = DRAW.integers(0, 256, (12, 3, 48, 48)).astype(np.uint8)
    whole, few = (
        Calibrated.of(folded, images, 12, memory_limit=limit) for limit in (2**33, observing_bytes(folded, 12, 3))
    )
    for name, seen in whole.seen.items():
        other = few.seen[name]
        assert (seen.low, seen.high) == (other.low, other.high)
        for what in ("sample", "power", "mean", "before"):
            assert np.array_equal(getattr(seen, what), getattr(other, what)), (name, what)


def test_compare_stays_below_the_bound_it_tells() -> None:
    """Both sides of a comparison, their recordings and what weighs them (CONV-10, RUN-3)."""
    made = GRAPHS["wide"]()
    images = DRAW.integers(0, 256, (6, 3, 48, 48)).astype(np.uint8)
    net = fsref.convert(made, images)

    def work(limit: int) -> Any:
        return fsref.compare(made, net, images, memory_limit=limit)

    work(2**40)
    least = told(work, 2**20)
    for limit in (least, 2 * least):
        assert peak_of(lambda: work(limit)) <= limit  # noqa: B023
    check(least, peak_of(lambda: work(least)), OTHER)


def test_a_pad_is_refused_before_it_is_made() -> None:
    """A graph of a few bytes that pads to 16,000 x 16,000 is refused from its shapes, by every way through it, and so
    are weights that folding alone would make (GRAPH-3, RUN-3).
    """
    large = graph((1, 8, 8), 1, Node("p", "pad", ("input",), {"padding": (8000,) * 4}), *layer("a", "p", 1, 1, 3, 3))
    mean = graph((1, 8, 8), 40000, Node("p", "pad", ("input",), {"channels": (0, 39999)}), Node("r", "relu", ("p",)))
    kernel = graph(
        (1, 8, 8),
        1,
        Node("p", "pad", ("input",), {"padding": (8000,) * 4}),
        Node("q", "avg_pool", ("p",), {"kernel": (9000, 9000)}),
    )
    images = np.zeros((2, 1, 8, 8), np.uint8)
    for made in (large, mean, kernel):

        def work(made: Graph = made) -> None:
            for verb in (fsref.convert, fsref.convert_and_score, fsref.search):
                with refused(LimitError, "RUN-3", says=f"memory_limit {2**26}"):
                    verb(made, images, memory_limit=2**26)

        assert peak_of(work) < 2**26


def wide() -> Network:
    """One wide dense layer."""
    dense: Callable[[str], Dense] = lambda source: Dense(source, "a", positive(1024, 512))  # noqa: E731
    return chain((512, 1, 1), (FS("a", (1024, 1, 1), fs_relu(8, 4000)), dense))


@pytest.mark.parametrize("name", ["dense", "pool"])
def test_rate_coding_and_pipelines_stay_below_their_bounds(name: str) -> None:
    """A twin and a pipeline of wide dense layers, where weights in 64 bits count, too, and of a pool with many windows;
    what they refuse takes next to nothing (RATE, TIME-7, RUN-3).
    """
    net = {"dense": wide, "pool": NETS["one large pool"]}[name]()
    images = np.full((2, *net.input.shape), net.input.max_code)
    pipelined: Callable[[int], Any] = lambda limit: fsref.run_pipelined(net, images, memory_limit=limit)  # noqa: E731
    twin = fsref.rate_coded(net, "best", "floor")
    rated: Callable[[int], Any] = lambda limit: twin.run(images, 20, threads=1, memory_limit=limit)  # noqa: E731
    for work in (pipelined, rated):
        work(2**40)
        least = told(work)
        assert peak_of(lambda: told(work)) < SMALL  # noqa: B023
        check(least, peak_of(lambda: work(least)), OTHER)  # noqa: B023


def test_every_image_counts() -> None:
    """A run of one image more is told as much more as its codes, logits and counts take, from the first image on
    (RUN-3).
    """
    net = wide()
    images = np.zeros((9, *net.input.shape), np.int64)
    bounds = [
        told(lambda limit, n=n: fsref.run(net, images[:n], batch=1, threads=1, memory_limit=limit))
        for n in range(1, 10)
    ]
    kept = 8 * (net.input.neurons + net.readout.neurons + len(net.spiking))
    (each,) = set(np.diff(bounds).tolist())
    assert kept <= each <= 2 * kept
