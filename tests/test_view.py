"""Views: a population that shows another at other places (VIEW-1 to VIEW-3), what is made of them, and how they come
out of float graphs.
"""

from __future__ import annotations

import json
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import naive
from fsref import (
    FS,
    Conv2d,
    Dense,
    Input,
    MaxPool,
    Network,
    Pixels,
    Readout,
    Record,
    compare,
    convert,
    explain,
    fs_relu,
    load,
    run,
)
from fsref.errors import FileError, GraphError, NetworkError
from fsref.formats.npz import to_bytes
from fsref.graph.graph import Graph, Node
from fsref.graph.views import averaged, bordered, parted, taken, windowed
from fsref.law.neuron import Table
from fsref.law.populations import View
from fsref.law.projections import Projection
from fsref.law.widths import memories
from fsref.verification.proof import prove
from refusals import refused

RNG = np.random.default_rng(16)
ENGINES = ("reference", "events", "quantized")


def shows(rows: Any, columns: Any, **about: Any) -> Network:
    """An input of 2 x 3 x 4, a population, a view of that, and one that reads the view."""
    rows, columns = np.asarray(rows), np.asarray(columns)
    shape = (2, len(rows), len(columns))
    return Network(
        [
            Input("in", (2, 3, 4), 4, 15),
            FS("a", (2, 3, 4), about.get("table", fs_relu(3, 5))),
            View("v", shape, about.get("source", "a"), rows, columns),
            FS("b", (3, *shape[1:]), fs_relu(4, 9)),
            Readout("out", (2, 1, 1)),
        ],
        [
            Conv2d("in", "a", RNG.integers(-3, 6, (2, 2, 3, 3)), padding=(1, 1, 1, 1)),
            Conv2d("v", "b", RNG.integers(-4, 5, (3, 2, 3, 3)), padding=(1, 1, 1, 1)),
            Dense("b", "out", RNG.integers(-9, 10, (2, 3)), pooled=True),
        ],
    )


def test_a_view_sends_in_the_steps_of_its_source() -> None:
    """K, d, start, and what waits for nothing are those of the source; it has no membrane, and costs no step
    (VIEW-2).
    """
    net = shows([2, -1, 0], [3, 3, 1, 0])
    plan = net.schedule
    assert plan.start == {"in": 0, "a": 4, "v": 4, "b": 7, "out": 11}
    assert plan.fires["v"] == plan.fires["a"] and not len(plan.receives["v"])
    assert net.steps["v"] == 3 and net.code_weights["v"].tolist() == net.code_weights["a"].tolist()
    held = memories(net)["v"]
    assert (held.membranes, held.code_width, held.codes, held.weights, held.candidates) == (0, 3, 2 * 3 * 4 * 3, 0, 0)
    assert net.sources("v") == ("a",) and net.spec_version == "1.3"
    assert net.synapses["v->b"] == sum(  # taps of b that lie on the map, whatever the view shows there
        int(np.count_nonzero(net.projections[1].weights[:, :, r, c])) * (3 - abs(r - 1)) * (4 - abs(c - 1))
        for r, c in product(range(3), range(3))
    )


def test_a_place_that_shows_nothing_sends_the_code_0() -> None:
    """Codes of a view with gaps lie in the hull of its source's and 0, of one without in the source's (RANGE-2)."""
    table = Table(np.array([-999]), np.array([0]), np.array([7]))  # always 7
    gaps, whole = (shows(rows, [0, 1, 2, 3], table=table) for rows in ([0, -1], [0, 2]))
    assert whole.ranges["v"].codes.tolist() == [[7, 7]] * 2
    assert gaps.ranges["v"].codes.tolist() == [[0, 7]] * 2
    result = run(gaps, RNG.integers(0, 16, (2, 2, 3, 4)), record=Record(["v"]))
    assert result.trace is not None
    assert result.trace.arrays["v", "codes"].reshape(2, 2, 2, 4)[:, :, 1].tolist() == [[[0] * 4] * 2] * 2


@pytest.mark.parametrize(
    ("changes", "place", "value", "says"),
    [
        ({"rows": [0, 3]}, "v rows", 3, "a has 3"),
        ({"columns": [0, 1, 4]}, "v columns", 4, "a has 4"),
        ({"rows": [0, -2]}, "v rows", -2, "-1.."),
        ({"source": "b"}, "v", "b", ""),
        ({"source": "nobody"}, "v", "nobody", ""),
    ],
)
def test_views_that_are_refused(changes: dict[str, Any], place: str, value: Any, says: str) -> None:
    """Places beyond the source and sources that do not stand before are refused by name and value (VIEW-1, NET-4)."""
    rows, columns = changes.pop("rows", [0, 1, 2]), changes.pop("columns", [0, 1, 2, 3])
    with refused(NetworkError, "NET-4" if changes else "VIEW-1", place, value, says=says):
        shows(rows, columns, **changes)


def test_lists_that_do_not_meet_the_shape_are_refused() -> None:
    """rows are H, columns W integers, and channels are the source's (VIEW-1)."""
    with refused(NetworkError, "VIEW-1", "v rows", (3,), says="2"):
        View("v", (1, 2, 2), "a", np.arange(3), np.arange(2))
    with refused(NetworkError, "VIEW-1", "v columns", says="integers"):
        View("v", (1, 2, 2), "a", np.arange(2), np.array([0.5, 1.0]))
    for empty in ([], (), np.array([])):
        with refused(NetworkError, "VIEW-1", "v rows", (0,), says="2, as the shape says"):
            View("v", (1, 2, 2), "a", empty, np.arange(2))  # type: ignore[arg-type]
    with refused(NetworkError, "VIEW-1", "v shape", 3, says="2"):
        Network(
            [
                Input("in", (2, 1, 1)),
                View("v", (3, 1, 1), "in", np.array([0]), np.array([0])),
                Readout("out", (1, 1, 1)),
            ],
            [Dense("v", "out", [[1, 1, 1]])],  # type: ignore[arg-type]
        )


def test_a_file_with_a_view(tmp_path: Path) -> None:
    """It names version 1.3, keeps every integer and the id, and one without a view names 1.2 as before (FILE-3, ID-1,
    ID-4).
    """
    net = shows([2, -1, 0, 0], [3, -1])
    path = tmp_path / "net.npz"
    net.save(path)
    again = load(path)
    assert again.id == net.id == naive.identity(naive.load(path.read_bytes())) and to_bytes(again) == to_bytes(net)
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["spec_version"] == "1.3"
    assert manifest["populations"][2] == {
        "kind": "view", "name": "v", "shape": [2, 4, 2], "source": "a", "rows": [2, -1, 0, 0], "columns": [3, -1],
    }  # fmt: skip
    other = shows([2, -1, 0, 1], [3, -1])
    assert other.projections[0].weights is not net.projections[0].weights
    swapped = View("v", (2, 4, 2), "a", np.array([2, -1, 0, 1]), np.array([3, -1]))
    assert Network([*net.populations[:2], swapped, *net.populations[3:]], net.projections).id != net.id
    plain = Network([*net.populations[:2], net.readout], [net.projections[0], Dense("a", "out", np.ones((2, 24), int))])
    assert plain.spec_version == "1.2"


def test_a_file_whose_view_is_wrong(tmp_path: Path) -> None:
    """What lists of a file break is refused with the file's name (VIEW-1, FILE-3)."""
    path = tmp_path / "net.npz"
    shows([2, -1, 0], [3, -1]).save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for old, new, kind in (
        (b'"rows":[2,-1,0]', b'"rows":[2,-1,9]', NetworkError),
        (b'"rows":[2,-1,0]', b'"rows":[2,-1]', NetworkError),
        (b'"rows":[2,-1,0]', b'"rows":[]', NetworkError),
        (b'"rows":[2,-1,0]', b'"rows":null', FileError),
        (b'"rows":[2,-1,0],', b"", FileError),
    ):
        assert members["manifest.json"].count(old) == 1
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data.replace(old, new) if name == "manifest.json" else data)
        with pytest.raises(kind, match="net.npz"):
            load(path)


def test_what_a_view_shows_is_explained() -> None:
    """The neuron that is shown, its train and code; of a gap none (VIEW-1)."""
    net, image = shows([2, -1, 0], [3, 3, 1, 0]), RNG.integers(0, 16, (2, 3, 4))
    shown = explain(net, image, "v", (1, 0, 2))
    assert [c.place for c in shown.candidates] == [(1, 2, 1)] and shown.candidates[0].code == shown.code
    assert "shown" in str(shown)
    blank = explain(net, image, "v", (0, 1, 0))
    assert blank.candidates == () and blank.code == 0


def test_views_are_proved() -> None:
    """The prover follows codes through views, gaps among them (PROOF-1)."""
    assert prove(shows([2, -1, 0, 0], [3, 3, 1, 0])).holds


def into(p: Any, projection: Projection, source: tuple[int, int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What an input, a view, perhaps a pool, and a projection open, by every engine, for one image; and its codes."""
    codes = RNG.integers(0, 256, (1, *source))
    readout = Readout("out", (1, 1, 1))
    shape = (len(projection.weights), *into_size(p[-1].shape, projection))
    net = Network(
        [Input("in", source, 8, 255), *p, FS("a", shape, fs_relu(1, 10**6)), readout],
        [projection, Dense("a", "out", np.zeros((1, shape[0]), int), pooled=True)],
    )
    found = []
    for engine in ENGINES:
        trace = run(net, codes, engine, record=Record(["a"], ["opening"])).trace
        assert trace is not None
        found.append(trace.arrays["a", "opening"].reshape(shape))
    assert all(np.array_equal(found[0], other) for other in found[1:])
    return found[0], codes[0]


def into_size(shape: tuple[int, int, int], q: Any) -> tuple[int, int]:
    """(H, W) of what a conv2d gives."""
    (top, left, bottom, right), (sy, sx), (dy, dx) = q.padding, q.stride, q.dilation
    return (
        (shape[1] + top + bottom - dy * (q.kernel[0] - 1) - 1) // sy + 1,
        (shape[2] + left + right - dx * (q.kernel[1] - 1) - 1) // sx + 1,
    )


def test_what_is_made_of_views_is_what_it_says() -> None:
    """A transposed convolution, a max-pool with dilation and an average with a varying divisor, written out place by
    place, are the populations of VIEW-3.
    """
    h, w, stride, dilation = 4, 3, (2, 3), (1, 2)
    kernel = RNG.integers(-5, 6, (2, 3, 3, 2))  # I, O, kh, kw
    view = View("v", (2, 7, 7), "in", parted(h, 2), parted(w, 3))
    turned = kernel[:, :, ::-1, ::-1].swapaxes(0, 1)
    q = Conv2d("v", "a", turned, padding=(1, 2, 2, 1), dilation=dilation)  # cut off: 1 above, 0 left; 0, 1 behind
    found, codes = into([view], q, (2, h, w))
    wide = np.zeros((3, (h - 1) * 2 + 3, (w - 1) * 3 + 3), np.int64)
    for i, y, x, o, r, c in np.ndindex(2, h, w, 3, 3, 2):
        at = o, y * stride[0] + r * dilation[0], x * stride[1] + c * dilation[1]
        wide[at] += codes[i, y, x] * kernel[i, o, r, c]
    assert np.array_equal(found, wide[:, 1:, : wide.shape[2] - 1])

    rows, columns = windowed(6, 4, 1, 3, 1, 2), windowed(5, 2, 1, 2, 3, 2)
    pool = [View("v", (2, 12, 4), "in", rows, columns), MaxPool("p", (2, 4, 2), "v", (3, 2), (3, 2))]
    found, codes = into(pool, Conv2d("p", "a", np.eye(2, dtype=int)[:, :, None, None]), (2, 6, 5))
    for ch, y, x in np.ndindex(found.shape):
        places = product((y - 1, y + 1, y + 3), (3 * x - 1, 3 * x + 1))
        assert found[ch, y, x] == max(codes[ch, r, c] for r, c in places if 0 <= r < 6 and 0 <= c < 5)

    first, last = np.array([0, 0, 2, 4]), np.array([1, 3, 5, 6])  # windows of 1, 3, 3, 2 rows
    places, weights = averaged(first, last)
    assert len(weights) == 1 + 2 + 3 and np.allclose(weights, [1, 1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3])
    whole = np.rint(weights * 6).astype(int).reshape(1, 1, 6, 1)
    view = View("v", (1, 24, 2), "in", places, np.arange(2))
    found, codes = into([view], Conv2d("v", "a", whole, (6, 1)), (1, 6, 2))
    for y, x in product(range(4), range(2)):
        window = codes[0, first[y] : last[y], x]
        assert found[0, y, x] * len(window) == 6 * window.sum()


def test_borders_are_those_of_numpy() -> None:
    """Zeros, the edge, mirrors and the other end; below 0 places are cut off; too long a mirror is refused."""
    a = np.arange(5)
    assert bordered(a, 2, 1, "zero").tolist() == [-1, -1, 0, 1, 2, 3, 4, -1]
    assert bordered(a, 2, 1, "edge").tolist() == [0, 0, 0, 1, 2, 3, 4, 4]
    assert bordered(a, 2, 1, "reflect").tolist() == [2, 1, 0, 1, 2, 3, 4, 3]
    assert bordered(a, 2, 1, "wrap").tolist() == [3, 4, 0, 1, 2, 3, 4, 0]
    assert bordered(a, -2, -1, "zero").tolist() == [2, 3]
    assert taken(bordered(a, 1, 0, "zero"), [0, -1, 3, 3]).tolist() == [-1, -1, 2, 2]
    for wrong in (lambda: bordered(a, 5, 0, "reflect"), lambda: bordered(a, -3, -2, "zero"), lambda: parted(9, 2**40)):
        with pytest.raises(ValueError, match="places"):
            wrong()


PIXELS = Pixels(2, 6, 6, mean=0.3, std=0.6)


def conv(name: str, source: str, outputs: int, inputs: int, **about: Any) -> Node:
    arrays = {"weight": RNG.normal(0, 0.3, (outputs, inputs, 3, 3)), "bias": RNG.normal(0, 0.1, outputs)}
    return Node(name, "conv", (source,), {"padding": (1, 1, 1, 1), **about}, arrays)


def ending(source: str, channels: int) -> list[Node]:
    return [
        conv("last", source, 4, channels),
        Node("last.relu", "relu", ("last",)),
        Node("mean", "global_avg_pool", ("last.relu",)),
        Node("fc", "dense", ("mean",), {}, {"weight": RNG.normal(0, 0.5, (3, 4))}),
    ]


def view(name: str, source: str, rows: Any, columns: Any) -> Node:
    return Node(name, "view", (source,), {"rows": rows, "columns": columns})


STEM = [conv("stem", "input", 3, 2), Node("relu", "relu", ("stem",))]
UP, GAPS = np.repeat(np.arange(6), 2), parted(6, 2)
FOLDED: dict[str, tuple[list[Node], list[str], int]] = {
    "upsampled": ([*STEM, view("v", "relu", UP, UP), *ending("v", 3)], ["input", "fs", "view", "fs", "readout"], 24),
    "an activation behind it": (
        [STEM[0], view("v", "stem", UP, UP), Node("relu", "relu", ("v",)), *ending("relu", 3)],
        ["input", "fs", "view", "fs", "readout"], 24,
    ),
    "with gaps, of signed values": (
        [STEM[0], view("v", "stem", GAPS, GAPS), *ending("v", 3)], ["input", "fs", "view", "fs", "readout"], 24,
    ),
    "with gaps, of the normalised image": (
        [view("v", "input", GAPS, GAPS), *ending("v", 2)], ["input", "view", "fs", "readout"], 16,
    ),
    "mirrored, then turned": (
        [view("v", "input", bordered(np.arange(6), 2, 1, "reflect"), UP), view("w", "v", np.arange(9)[::-1], UP),
         *ending("w", 2)],
        ["input", "view", "fs", "readout"], 16,
    ),
    "of a padded value, pooled": (
        [*STEM, Node("pad", "pad", ("relu",), {"padding": (1, 0, 1, 2)}), view("v", "pad", np.arange(8)[::-1], UP[:8]),
         Node("pool", "max_pool", ("v",), {"kernel": (2, 2)}), *ending("pool", 3)],
        ["input", "fs", "view", "max_pool", "fs", "readout"], 24,
    ),
    "cut and taken every second": (
        [*STEM, Node("cut", "pad", ("relu",), {"padding": (-1, 0, -1, 0)}), Node("half", "subsample", ("cut",)),
         *ending("half", 3)],
        ["input", "fs", "view", "fs", "readout"], 24,
    ),
    "an average of what is there": (
        [*STEM, Node("mean3", "avg_pool", ("relu",), {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 0, 1),
                                                      "count_include_pad": False}), *ending("mean3", 3)],
        ["input", "fs", "view", "fs", "fs", "readout"], 32,
    ),
    "behind a batch norm": (
        [*STEM, Node("n", "affine", ("relu",), {}, {"gain": np.array([1.0, -2, 1]), "offset": np.array([0.5, 1, -1])}),
         view("v", "n", UP[1:-1], UP), *ending("v", 3)],
        ["input", "fs", "view", "fs", "readout"], 24,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDED)
def test_views_of_a_graph_take_no_steps(case: str) -> None:
    """Each becomes one view, of what it shows in the end, and the integers say what the graph does (CONV-1, CONV-6)."""
    nodes, kinds, latency = FOLDED[case]
    graph, images = Graph(PIXELS, tuple(nodes)), RNG.integers(0, 256, (24, 2, 6, 6))
    net = convert(graph, images)
    assert [p.kind for p in net.populations] == kinds and net.schedule.latency == latency
    found = [run(net, images, engine).logits for engine in ENGINES]
    assert all(np.array_equal(found[0], other) for other in found[1:])
    wanted = graph.forward(images)
    assert np.abs(found[0] * net.logit_scale - wanted).max() < 0.03 * np.ptp(wanted)


def test_a_gap_is_no_error_of_a_view() -> None:
    """Compared with the graph, a place that shows nothing stands for 0, whatever the offset of the codes: a view adds
    no error to that of its source (CONV-10).
    """
    nodes = [STEM[0], view("v", "stem", GAPS, GAPS), *ending("v", 3)]
    graph, images = Graph(PIXELS, tuple(nodes)), RNG.integers(0, 256, (16, 2, 6, 6))
    rows = {row.name: row for row in compare(graph, convert(graph, images), images).rows}
    assert rows["v"].new == 0 and rows["v"].kind == "view"
    assert rows["v"].error * rows["v"].neurons == pytest.approx(rows["stem"].error * rows["stem"].neurons)


def test_gaps_are_no_neurons_that_are_lost() -> None:
    """A place of a view that shows nothing is neither dead nor inactive nor lost, clipped nor at the top, whatever 0 is
    to the population it shows (CONV-10).
    """
    for low in (0.0, 0.2):
        nodes = [
            STEM[0],
            Node("act", "clip", ("stem",), {"low": low, "high": 0.7}),
            view("v", "act", GAPS, GAPS),
            *ending("v", 3),
        ]
        graph, images = Graph(PIXELS, tuple(nodes)), RNG.integers(0, 256, (16, 2, 6, 6))
        net = convert(graph, images)
        rows = {row.name: row for row in compare(graph, net, images).rows}
        own, seen = rows[net.populations[1].name], rows["v"]
        assert own.neurons < seen.neurons and seen.kind == "view"
        for what in ("dead", "inactive", "lost"):
            assert getattr(seen, what) == getattr(own, what), what
        for what in ("clipped", "saturated"):
            assert getattr(seen, what) * seen.neurons == pytest.approx(getattr(own, what) * own.neurons), what


def test_an_image_of_turned_colours_is_viewed() -> None:
    """With BGR the weights behind a view of the image turn, as those of the image do (CONV-7)."""
    nodes = [view("v", "input", UP, UP), *ending("v", 3)]
    images = RNG.integers(0, 256, (8, 3, 6, 6))
    graph = Graph(Pixels(3, 6, 6, mean=(0.1, 0.4, 0.7), order="BGR"), tuple(nodes))
    net, wanted = convert(graph, images), graph.forward(images)
    assert np.abs(run(net, images).logits * net.logit_scale - wanted).max() < 0.03 * np.ptp(wanted)


def test_a_chip_without_bias_maps_and_gaps_of_signed_values() -> None:
    """What needs a bias map at gaps is refused for a chip without (CHIP-4)."""
    nodes = [STEM[0], view("v", "stem", GAPS, GAPS), *ending("v", 3)]
    with pytest.raises(GraphError, match=r"last: a view with gaps of signed values needs a bias map: v .*\[CHIP-4\]"):
        convert(Graph(PIXELS, tuple(nodes)), RNG.integers(0, 256, (8, 2, 6, 6)), chip={"bias_map": False})
    with pytest.raises(GraphError, match=r"pool: a max-pool of signed values with gaps.*\[CONV-1\]"):
        pooled = [*nodes[:2], Node("pool", "max_pool", ("v",), {"kernel": (2, 2)}), *ending("pool", 3)]
        convert(Graph(PIXELS, tuple(pooled)), RNG.integers(0, 256, (8, 2, 6, 6)))
