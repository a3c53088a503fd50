"""Fan-out, SynOps and scores (OBS-3): against the naive list of synapses, by hand, and over batches."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
import handmade
import refusals
from fsref import FS, Conv2d, Dense, Input, Network, Readout, fs_relu
from fsref.errors import InputError, LimitError, UsageError
from fsref.law import synapses
from fsref.metrics.fan_out import fan_outs, synops


def fan_out(net: Network, index: int) -> np.ndarray:
    """The fan-out under the projection of this index."""
    q = net.projections[index]
    return synapses.fan_out(q, net[q.source].shape, net[q.target].shape)


def one_conv(shape: tuple[int, int, int], weights: Any, out: tuple[int, int, int], **geometry: Any) -> Network:
    """An input, a convolution to an FS, and a readout."""
    fs, q = FS("fs", out, fs_relu(3)), Conv2d("in", "fs", weights, **geometry)
    return handmade.chain(fs, q, given=Input("in", shape, 4, 15), readout=Readout("out", (2, 1, 1)))


@pytest.mark.parametrize("name", handmade.NETS)
def test_fan_out_is_the_length_of_the_list_of_synapses(name: str) -> None:
    net = handmade.NETS[name]()
    for index, projection in enumerate(handmade.oracle(net).projections):
        assert fan_out(net, index).ravel().tolist() == [len(leaving) for leaving in projection.synapses]


def test_fan_out_counts_borders_and_zero_weights() -> None:
    full = one_conv((1, 3, 3), np.ones((2, 1, 3, 3), np.int64), (2, 3, 3), padding=(1, 1, 1, 1))
    assert fan_out(full, 0)[0].tolist() == [[8, 12, 8], [12, 18, 12], [8, 12, 8]]
    cross = one_conv((1, 3, 3), [[[[0, 1, 0], [1, 0, 1], [0, 1, 0]]]], (1, 3, 3), padding=(1, 1, 1, 1))
    assert fan_out(cross, 0)[0].tolist() == [[2, 3, 2], [3, 4, 3], [2, 3, 2]]


def test_fan_out_of_strides_dilations_and_places_no_window_reads() -> None:
    skips = one_conv((1, 5, 5), np.ones((1, 1, 1, 1), np.int64), (1, 2, 2), stride=(3, 3))
    assert np.argwhere(fan_out(skips, 0)[0]).tolist() == [[0, 0], [0, 3], [3, 0], [3, 3]]
    holes = one_conv((1, 5, 1), np.ones((1, 1, 2, 1), np.int64), (1, 3, 1), dilation=(2, 1))
    assert fan_out(holes, 0).ravel().tolist() == [1, 1, 2, 1, 1]


def test_fan_out_of_groups_is_within_the_group() -> None:
    weights = np.array([[1], [0], [1], [1]]).reshape(4, 1, 1, 1)
    net = one_conv((2, 1, 2), weights, (4, 1, 2), groups=2)
    assert fan_out(net, 0)[:, 0].tolist() == [[1, 1], [2, 2]]


def test_fan_out_of_dense_and_pooled() -> None:
    net = Network(
        [Input("in", (2, 1, 2), 1, 1), Readout("out", (3, 1, 1))],
        [
            Dense("in", "out", [[0, 1, 2, 3], [0, 0, 4, 5], [0, 0, 0, 6]]),
            Dense("in", "out", [[1, 0], [1, 7], [0, 0]], pooled=True),
        ],
    )
    assert fan_out(net, 0).ravel().tolist() == [0, 1, 2, 3]
    assert fan_out(net, 1).ravel().tolist() == [2, 2, 1, 1]
    assert list(net.synapses.values()) == [6, 6]


def test_synops_takes_trains_of_either_shape_and_names_what_is_missing() -> None:
    net = handmade.residual()
    x = handmade.draw(net, 3)
    trace = fsref.run(net, x, record=[p.name for p in net.populations[:-1]]).trace
    assert trace is not None
    flat = {p.name: trace[p.name, "spikes"] for p in net.populations[:-1]}
    shaped = {name: words.reshape(3, *net[name].shape) for name, words in flat.items()}
    assert synops(net, flat).tolist() == synops(net, shaped, fan_outs(net)).tolist()
    with pytest.raises(UsageError, match="no trains of this population: pool"):
        synops(net, {name: words for name, words in flat.items() if name != "pool"})
    with pytest.raises(UsageError, match="not one train word per neuron"):
        synops(net, {**flat, "pool": flat["pool"][:, 1:]})


@pytest.mark.parametrize("engine", handmade.ENGINES)
def test_a_score_is_what_single_images_add_up_to(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = handmade.residual()
    x = handmade.draw(net, 7)
    result = fsref.run(net, x, record=[p.name for p in net.populations[:-1]])
    assert result.trace is not None
    y = result.predictions.copy()
    y[[2, 5]] = (y[[2, 5]] + 1) % 3
    monkeypatch.setattr("fsref.simulation.memory.CHUNK_IMAGES", 3)
    seen: list[int] = []
    score = fsref.evaluate(net, x, y, engine, progress=seen.append)
    assert seen == [3, 3, 1]
    assert (score.image_count, score.correct, score.accuracy) == (7, 5, 5 / 7)
    assert score.predictions.tolist() == result.predictions.tolist()
    fs = sum(result.spike_counts[name] for name in ("stem", "mid", "sum"))
    neurons = 4 * 7 * 6 + 2 * 4 * 4 * 3
    assert score.spikes_per_neuron == pytest.approx(float(np.mean(fs)) / neurons)
    assert score.most_spikes_per_neuron == pytest.approx(float(np.max(fs)) / neurons)
    trains = {name: result.trace[name, "spikes"] for name in result.spike_counts}
    assert score.synops == pytest.approx(synops(net, trains).sum() / 7)
    assert sum(score.synops_by_projection.values()) == pytest.approx(score.synops)
    assert score.latency_steps == net.schedule.latency
    assert "71.43 %  (5 of 7)" in str(score)


@pytest.mark.parametrize("engine", handmade.ENGINES)
def test_threads_change_no_score(engine: str) -> None:
    """Any number of threads, more than images among them, gives the same counts of every neuron, to the bit."""
    net = handmade.residual()
    x, y = handmade.draw(net, 130), np.arange(130) % 3
    one, *others = (fsref.evaluate(net, x, y, engine, threads=threads) for threads in (1, 2, 5, 200))
    for score in others:
        assert score.predictions.tolist() == one.predictions.tolist()
        assert score.counts.to_dict() == one.counts.to_dict()
        for mine, theirs in ((score.counts.by_neuron, one.counts.by_neuron), (score.counts.synops, one.counts.synops)):
            assert all(np.array_equal(values, theirs[name]) for name, values in mine.items())


def test_images_on_a_disk_are_scored_without_growth(tmp_path: Path) -> None:
    """Sixteen times the images take no more memory: they are read, run and counted a chunk at a time."""
    net = handmade.residual()
    few = handmade.draw(net, 192).astype(np.uint8)
    peaks = []
    for times in (1, 16):
        path = tmp_path / f"{times}.npy"
        np.save(path, np.concatenate([few] * times))
        images = np.load(path, mmap_mode="r")
        labels = np.zeros(len(images), int)
        fsref.evaluate(net, images[:192], labels[:192], threads=1)
        tracemalloc.start()
        fsref.evaluate(net, images, labels, threads=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    kept = 8 * (3 + len(net.spiking)) * 15 * 192  # labels, predictions and spike counts
    assert peaks[1] < peaks[0] + 2 * kept + few.nbytes // 2


@pytest.mark.parametrize("labels", [[0], [0, 1, 3], [0, -1, 1], [0.0, 1.0, 1.0], [[0], [1], [1]]])
def test_labels_that_are_refused(labels: Any) -> None:
    net = handmade.residual()
    with pytest.raises(InputError) as caught:
        fsref.evaluate(net, handmade.draw(net, 3), labels)
    refusals.check_line(caught.value)


def test_a_score_respects_the_memory_limit() -> None:
    net = handmade.tiny()
    with pytest.raises(LimitError):
        fsref.evaluate(net, handmade.draw(net, 3), [0, 0, 0], memory_limit=100)
