"""The `events` engine delivers what it must and nothing else: deliveries, counted as they are made, are SynOps
(OBS-3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fsref
import handmade
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, fs_relu
from fsref.engines.delivering import synapses
from fsref.engines.plain import count_deliveries
from fsref.law.projections import window_shape
from fsref.metrics.fan_out import fan_outs, synops


def convolutions(*projections: tuple[tuple[int, int, int], dict[str, Any]], bias: int = 3) -> Network:
    """An input (4, 6, 5), one FS after another by conv2d with random weights, zeros among them, and a readout, dense
    and pooled.
    """
    rng = np.random.default_rng(11)
    populations: list[Any] = [Input("in", (4, 6, 5), 4, 15)]
    joined: list[Any] = []
    for index, (shape, geometry) in enumerate(projections):
        kernel = geometry.pop("kernel")
        inputs = populations[-1].shape[0] // geometry.get("groups", 1)
        weights = rng.integers(-2, 3, (shape[0], inputs, *kernel))
        joined.append(Conv2d(populations[-1].name, f"fs{index}", weights, **geometry))
        populations.append(FS(f"fs{index}", shape, fs_relu(4, 2), [bias] * shape[0]))
    last = populations[-1]
    joined += [
        Dense(last.name, "out", rng.integers(-1, 2, (3, last.neurons))),
        Dense("in", "out", [[1, 0, 0, 2], [0] * 4, [3] * 4], pooled=True),
    ]
    return Network([*populations, Readout("out", (3, 1, 1))], joined)


NETS = {
    "stride": lambda: convolutions(((3, 3, 2), {"kernel": (2, 3), "stride": (2, 2)})),
    "padding": lambda: convolutions(((3, 7, 6), {"kernel": (3, 3), "padding": (2, 1, 1, 2)})),
    "dilation": lambda: convolutions(((2, 4, 3), {"kernel": (3, 2), "dilation": (2, 2), "padding": (1, 0, 1, 0)})),
    "groups": lambda: convolutions(
        ((6, 6, 5), {"kernel": (3, 3), "padding": (1, 1, 1, 1), "groups": 2}),
        ((4, 3, 3), {"kernel": (1, 1), "stride": (2, 2)}),
    ),
    "depthwise": lambda: convolutions(
        ((4, 6, 5), {"kernel": (3, 3), "padding": (1, 1, 1, 1), "groups": 4}),
        ((8, 5, 4), {"kernel": (2, 2), "groups": 4}),
    ),
    **handmade.NETS,
}


@pytest.mark.parametrize("name", NETS)
def test_deliveries_are_synops(name: str) -> None:
    """Per image and projection, the counted deliveries are the spikes of every train times the fan-out of its
    neuron.
    """
    net = NETS[name]()
    x = np.concatenate(
        [
            handmade.draw(net, 4),
            np.full((1, *net.input.shape), net.input.max_code),
            np.zeros((1, *net.input.shape), np.int64),
        ]
    )
    trace = fsref.run(net, x, engine="reference", record=[p.name for p in net.populations[:-1]]).trace
    assert trace is not None
    by_name = count_deliveries(net, x)
    counted = np.stack([*by_name.values()], axis=1)
    assert list(by_name) == list(net.named_projections)
    assert counted.tolist() == synops(net, {p.name: trace[p.name, "spikes"] for p in net.spiking}).tolist()
    assert counted.sum() > 0
    for index, (q, fan) in enumerate(zip(net.projections, fan_outs(net).values(), strict=True)):
        spikes = [[int(word).bit_count() for word in image] for image in trace[q.source, "spikes"].tolist()]
        assert counted[:, index].tolist() == [
            sum(n * f for n, f in zip(row, fan.ravel().tolist(), strict=True)) for row in spikes
        ]


def test_zero_weights_deliver_nothing() -> None:
    net = Network(
        [Input("in", (1, 2, 2), 4, 15), Readout("out", (2, 1, 1))], [Dense("in", "out", [[0, 0, 0, 0], [0, 0, 0, 1]])]
    )
    assert [n.tolist() for n in count_deliveries(net, np.full((1, 1, 2, 2), 15)).values()] == [[4]]


def test_without_spikes_nothing_is_delivered() -> None:
    """A black image and negative biases: no spike anywhere, so no delivery, and the logits are the bias."""
    net = Network(
        [
            Input("in", (1, 4, 4), 8),
            FS("a", (2, 4, 4), fs_relu(4), [-1, -5]),
            MaxPool("pool", (2, 2, 2), "a", (2, 2), (2, 2)),
            FS("b", (2, 2, 2), fs_relu(4), [-2, -2]),
            Readout("out", (2, 1, 1), [7, -7]),
        ],
        [
            Conv2d("in", "a", [[[[1]]], [[[1]]]]),
            Conv2d("pool", "b", np.ones((2, 2, 1, 1), np.int64)),
            Dense("b", "out", np.ones((2, 8), np.int64)),
        ],
    )
    black = np.zeros((2, 1, 4, 4), np.int64)
    assert [n.tolist() for n in count_deliveries(net, black).values()] == [[0, 0], [0, 0], [0, 0]]
    result = fsref.run(net, black)
    assert result.logits.tolist() == [[7, -7], [7, -7]]
    assert not any(count.any() for count in result.spike_counts.values())


@pytest.mark.parametrize(
    ("geometry", "most"),
    [
        ({"padding": (1, 1, 1, 1)}, 3),
        ({"padding": (1, 1, 1, 1), "groups": 2}, 3),
        ({"padding": (1, 1, 1, 1), "stride": (2, 2)}, 2),
        ({"padding": (1, 1, 1, 1), "stride": (1, 3)}, 3),
        ({"padding": (2, 2, 2, 2), "dilation": (2, 2), "stride": (2, 2)}, 3),
        ({"padding": (2, 2, 2, 2), "dilation": (2, 2)}, 9),  # targets lie two apart
    ],
)
def test_a_row_of_synapses_is_one_run(geometry: dict[str, Any], most: int) -> None:
    """Targets that lie side by side are met in one run, one for each kernel row; the runs of a place are its fan-out,
    no target twice.
    """
    groups = geometry.get("groups", 1)
    conv = Conv2d("in", "fs", np.ones((4, 4 // groups, 3, 3), np.int64), **geometry)
    source, target = (4, 9, 8), (4, *window_shape((4, 9, 8), (3, 3), conv.stride, conv.padding, conv.dilation))
    net = Network(
        [Input("in", source), FS("fs", target, fs_relu(4)), Readout("out", (1, 1, 1))],
        [conv, Dense("fs", "out", np.ones((1, 4), np.int64), pooled=True)],
    )
    weights, runs, ends = synapses(conv, source, target)
    assert weights.shape == (4, 36 // groups) and ends[0] == 0 and ends[-1] == len(runs)
    assert int(np.diff(ends).max()) == most
    for place, leaving in enumerate(fan_outs(net)["in->fs"][0].ravel().tolist()):
        reached = [n for to, _, length in runs[ends[place] : ends[place + 1]].tolist() for n in range(to, to + length)]
        assert len(reached) == len(set(reached)) == leaving


def test_a_wide_source_needs_a_run_a_place() -> None:
    """A dense projection from the widest source there is has one run a place, and is made in a moment."""
    for pooled, count in ((False, 65_536), (True, 1)):
        weights, runs, ends = synapses(
            Dense("a", "b", np.ones((3, count), np.int64), pooled), (1, 1, 65_536), (3, 1, 1)
        )
        assert weights.shape == (1, 3 * count) and runs.shape == (65_536, 3) and ends.tolist() == list(range(65_537))


@pytest.mark.parametrize("weight", [143_165_576, 143_165_577, 2**28, 286_331_153, 286_331_154])
def test_sums_beyond_32_bits_are_whole(weight: int) -> None:
    """Sums of 15 times a weight just below 2^31 and above, up to 2^32 and above, are whole (RANGE-1, PROJ-1)."""
    populations = [Input("in", (1, 1, 1), 4, 15), FS("a", (2, 1, 1), fs_relu(8, 2**24)), Readout("out", (1, 1, 1))]
    net = Network(populations, [Dense("in", "a", [[weight], [-weight]]), Dense("a", "out", [[1, 1]])])
    x = np.array([0, 1, 15]).reshape(3, 1, 1, 1)
    trace = fsref.run(net, x, "events", fsref.Record(observables=("opening",))).trace
    assert trace is not None
    assert trace["a", "opening"].tolist() == [[weight * code, -weight * code] for code in (0, 1, 15)]
