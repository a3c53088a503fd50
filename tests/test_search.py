"""search: the fewest steps that keep a loss, what was tried, and what is told of it (CONV-11)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import fsref
import nodes
from fsref.conversion.converter import convert
from fsref.conversion.found import Found, Point
from fsref.conversion.search import LOOK_EVERY, search
from fsref.errors import GraphError, InputError, UsageError
from fsref.graph.graph import Graph, Node
from refusals import refused


def graph(*bias: float) -> Graph:
    """Two branches of different depth, a concat, an activation with its own levels, three classes."""
    rng = np.random.default_rng(5)
    conv = partial(nodes.conv, rng=rng, weight=(0.03, 1.2), bias=(0, 0.2))
    return Graph(
        fsref.Pixels(1, 6, 6, mean=0.5, std=0.3),
        [
            conv("stem", "input", 4, 1),
            Node("stem.relu", "relu", ("stem",)),
            conv("long", "stem.relu", 4, 4),
            Node("long.relu", "relu", ("long",)),
            conv("longer", "long.relu", 4, 4),
            Node("longer.relu", "relu", ("longer",)),
            conv("short", "stem.relu", 2, 4, 1),
            Node("short.relu", "relu", ("short",)),
            Node("both", "concat", ("longer.relu", "short.relu")),
            conv("levels", "both", 5, 6),
            Node("levels.act", "quantise", ("levels",), {"alpha": 2.0, "levels": 15}),
            Node("pool", "global_avg_pool", ("levels.act",)),
            Node("head", "dense", ("pool",), {}, {"weight": rng.normal(0, 1, (3, 5)), "bias": np.array(bias)}),
        ],
        "branches",
    )


IMAGES = np.clip(
    np.random.default_rng(9).normal(np.random.default_rng(8).uniform(60, 190, (300, 1, 1, 1)), 70, (300, 1, 6, 6)),
    0,
    255,
).astype(np.uint8)
GRAPH = graph(*-np.median(graph(0, 0, 0).forward(IMAGES), axis=0).astype(float))  # every class has its share
FREE = replace(  # each activation has steps to choose
    GRAPH, nodes=[Node(n.name, "relu", n.inputs) if n.op == "quantise" else n for n in GRAPH.nodes]
)
PREDICTED = GRAPH.forward(IMAGES).argmax(axis=1)
NOISY = np.where(np.arange(300) % 10 == 0, (PREDICTED + 1) % 3, PREDICTED)  # the float network is right on nine of ten
HOW: dict[str, Any] = {"loss": 4.0, "steps": range(1, 9), "image_count": 200, "weight_bits": 12}
NAMES = ["stem", "long", "longer", "short"]


@pytest.fixture(scope="module")
def found() -> Found:
    """One search, by accuracy, that several tests look at."""
    assert len(set(PREDICTED.tolist())) == 3
    return search(GRAPH, IMAGES, NOISY, **HOW)


def test_every_point_is_what_the_network_gives(found: Found) -> None:
    """Right images, latency and spikes of a point are those of a network converted with its K and run on the
    calibration images.
    """
    assert (found.measure, found.image_count, found.float_right, found.needed) == (
        "accuracy",
        200,
        int((NOISY == PREDICTED)[:200].sum()),
        found.float_right - 8,
    )
    for point in (p for p in found.points[::4] if p.complete):
        score = fsref.evaluate(
            convert(GRAPH, IMAGES, image_count=200, steps=dict(point.steps), weight_bits=12), IMAGES[:200], NOISY[:200]
        )
        assert (point.right, point.image_count, point.latency_steps) == (score.correct, 200, score.latency_steps)
        assert point.spikes_per_neuron == pytest.approx(score.spikes_per_neuron)
        assert point.spikes_per_image == pytest.approx(dict(score.spikes))
        assert point.kept == (score.correct >= found.needed)
        assert point.share == score.accuracy


def test_first_uniform_then_one_step_less_at_a_time(found: Found) -> None:
    """Every K for all, largest first; one more in each population of a K that loses too much; then one less at a time
    until each has failed.
    """
    assert [p.uniform for p in found.points[:8]] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert {p.move for p in found.points[:8]} == {"all"}
    kept = min((p for p in found.points[:8] if p.kept), key=lambda p: p.uniform or 0)
    k = kept.uniform or 0
    more = [p for p in found.points if p.move == "more"]
    assert [dict(p.steps) for p in more[:4]] == [{**dict.fromkeys(NAMES, k - 1), name: k} for name in NAMES]
    assert all(p.complete for p in found.points[:12])
    ranked = sorted(NAMES, key=lambda name: -more[NAMES.index(name)].right)
    for point in more[4:]:  # the most helpful ones together
        raised = [name for name in NAMES if point.steps[name] == k]
        assert set(raised) == set(ranked[: len(raised)])
    start = min([kept, *(p for p in more if p.kept)], key=lambda p: (p.latency_steps, p.spikes_per_neuron))
    best, known = dict(start.steps), {tuple(p.steps.items()): p for p in found.points}
    for point in found.points[8 + len(more) :]:
        assert point.move == "less"
        changed = [name for name in NAMES if point.steps[name] != best[name]]
        assert len(changed) == 1
        assert point.steps[changed[0]] == best[changed[0]] - 1
        best = dict(point.steps) if point.kept else best
    assert dict(found.best.steps) == best
    assert found.kept
    assert found.best.latency_steps <= start.latency_steps < kept.latency_steps
    last = [known.get(tuple({**best, name: best[name] - 1}.items())) for name in NAMES if best[name] > 1]
    assert any(p is not None and not p.kept for p in last)


def test_points_left_early_could_not_keep_the_loss() -> None:
    """A point that was left before all images were seen has too few right ones among all."""
    many = search(GRAPH, IMAGES, loss=4, steps=range(2, 9), image_count=300, weight_bits=12)
    left = [p for p in many.points if not p.complete]
    assert left
    assert all(p.image_count < 300 for p in left)
    assert all(p.share is None and p.spikes_per_image is None and not p.kept for p in left)
    for point in left:
        net = convert(GRAPH, IMAGES, image_count=300, steps=dict(point.steps), weight_bits=12)
        assert int((fsref.run(net, IMAGES).predictions == PREDICTED).sum()) < many.needed


def test_the_network_found_is_the_best_point(found: Found) -> None:
    """`net` has the steps of the best point, its answers, and says in its provenance how it was found."""
    steps = {p.name: p.steps for p in found.net.populations if isinstance(p, fsref.FS)}
    assert steps == {**found.best.steps, "levels": 4}
    assert found.net.id == convert(GRAPH, IMAGES, image_count=200, steps=dict(found.best.steps), weight_bits=12).id
    assert int((fsref.run(found.net, IMAGES[:200]).predictions == NOISY[:200]).sum()) == found.best.right
    about = found.net.provenance["search"]
    assert about == {
        "loss": 4.0,
        "measure": "accuracy",
        "aim": "latency",
        "images": 200,
        "points": len(found.points),
        "right": found.best.right,
    }


def test_without_labels_agreement_is_what_is_kept() -> None:
    """Without labels right is what the float network says; a loss of 0 keeps every prediction."""
    kept = search(GRAPH, IMAGES, loss=0, steps=(10, 6, 12), image_count=60)
    assert (kept.measure, kept.float_right, kept.needed) == ("agreement", 60, 60)
    assert [p.uniform for p in kept.points[:3]] == [12, 10, 6]
    if kept.kept:
        assert (fsref.run(kept.net, IMAGES[:60]).predictions == PREDICTED[:60]).all()


def test_a_loss_that_nothing_keeps() -> None:
    """When no K keeps the loss the one that loses least is found, and the search says that it is not kept."""
    lost = search(GRAPH, IMAGES, NOISY, loss=0, steps=[1, 2], image_count=200)
    assert not lost.kept
    assert len(lost.points) == 2
    assert lost.best.right == max(p.right for p in lost.points)
    assert "no point keeps the loss" in str(lost)


def latency(steps: Mapping[str, int]) -> int:
    """Of the input 8 steps, of the activation with levels 4; long and longer stand one after the other, short beside
    both.
    """
    return 8 + steps["stem"] + max(steps["long"] + steps["longer"], steps["short"]) + steps.get("levels", 4)


@pytest.mark.parametrize("aim", ["latency", "spikes"])
@pytest.mark.parametrize(("made", "tried"), [(GRAPH, range(1, 9)), (GRAPH, (2, 4, 8)), (FREE, range(1, 8))])
def test_the_aim_orders_what_is_tried(aim: Any, made: Graph, tried: Sequence[int]) -> None:
    """A step less is tried where most should be saved: of latency, then of spikes, as many as between two uniform
    points, or the population's own for a step where one of these is missing; or the other way round. What loses too
    much is not tried again, and of equals the first is.
    """
    done = search(made, IMAGES, **{**HOW, "steps": tried, "loss": 1}, aim=aim)

    def ordered(steps: float, spikes: float) -> tuple[float, float]:
        return (steps, spikes) if aim == "latency" else (spikes, steps)

    def cost(p: Point) -> tuple[float, ...]:
        assert p.latency_steps is not None
        assert p.spikes_per_neuron is not None
        return ordered(p.latency_steps, p.spikes_per_neuron)

    def saving(p: Point, name: str) -> tuple[float, float]:
        k = p.steps[name]
        assert p.spikes_per_image is not None
        between = sweep[k][name] - sweep[k - 1][name] if {k, k - 1} <= sweep.keys() else p.spikes_per_image[name] / k
        return ordered(latency(p.steps) - latency({**p.steps, name: k - 1}), between)

    best = min((p for p in done.points if p.kept and p.move != "less"), key=cost)
    sweep = {p.uniform: p.spikes_per_image for p in done.points if p.move == "all"}
    points = {tuple(p.steps.values()): p for p in done.points}
    left, tried_less = list(best.steps), []
    while left := [name for name in left if best.steps[name] > min(tried)]:
        name = max(left, key=lambda name: saving(best, name))  # noqa: B023
        point = points[tuple({**best.steps, name: best.steps[name] - 1}.values())]
        tried_less += [point] if point.move == "less" else []
        best, left = (point, left) if point.kept else (best, [other for other in left if other != name])
    assert tried_less and tried_less == [p for p in done.points if p.move == "less"]
    assert best == done.best


def test_latency_falls_only_on_the_longest_path(found: Found) -> None:
    """One step less saves one of latency in stem, long and longer, and in short only where it is as long as the
    others.
    """
    for point in found.points:
        assert point.latency_steps == latency(point.steps)


def test_the_front() -> None:
    """The front holds the complete points that no other is at least as good as in all three figures, by latency."""

    def point(right: int, latency: int, spikes: float, complete: bool = True) -> Point:
        return Point({"a": latency}, "less", 10, right, complete, True, latency, spikes, {})

    points = (
        point(9, 8, 2.0),
        point(9, 8, 2.0),
        point(8, 4, 1.0),
        point(8, 5, 0.5),
        point(7, 5, 1.0),
        point(9, 9, 9.0),
        point(10, 3, 0.1, complete=False),
    )
    found = Found("g", "accuracy", "latency", 0.5, 10, 9, 9, points, points[0], None)  # type: ignore[arg-type]
    assert [points.index(p) for p in found.front] == [2, 3, 0]
    assert found.front[2] is points[0]


def test_searches_repeat_themselves(found: Found) -> None:
    """The same call gives the same points, the same network, the same text; progress sees every point."""
    seen: list[Point] = []
    again = search(GRAPH, IMAGES, NOISY, **HOW, progress=seen.append, threads=1)
    assert again.points == found.points == tuple(seen)
    assert again.net.id == found.net.id
    assert str(again) == str(found)


def test_plain_values_and_text(found: Found) -> None:
    """The dictionary is JSON and holds every point; the table has a row for each uniform and each complete point."""
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(plain["points"]) == len(found.points)
    assert plain["best"]["steps_by_population"] == dict(found.best.steps)
    assert sum(p["front"] for p in plain["points"]) == len(found.front)
    assert (plain["kept"], plain["id"], plain["needed"]) == (True, found.net.id, found.needed)
    sheet = found.sheet()
    assert sheet.title == f"branches: {len(found.points)} points tried on 200 calibration images"
    assert sheet.above == [
        ("float", f"{found.float_right} of 200 right"),
        ("allowed", "at most 4 points of accuracy lost"),
    ]
    assert len(sheet.rows) == sum(p.complete for p in found.points)
    below = dict(sheet.below)
    assert below["best"] == ", ".join(f"{name}={k}" for name, k in found.best.steps.items())
    # 1.96 * sqrt(0.04 * 200 + 1) / (200 + 2)
    assert below["chosen"].endswith("chance alone makes at least +-2.9 points: score it on others")
    assert max(replace(found, image_count=n, loss=100.0).chance for n in (1, 2, 10, 10_000)) <= 100
    assert str(found.points[0]).startswith("K = 8: ")
    assert all(str(p) for p in found.points)


def test_what_cannot_be_converted_is_a_point_that_is_refused() -> None:
    """K for which weights are too narrow is told with the reason, and does not stop the search; when none converts
    there is nothing to find.
    """
    done = search(GRAPH, IMAGES, loss=50, steps=[4, 16], image_count=32, weight_bits=2)
    told = done.points[0]
    assert told.uniform == 16
    assert "[CONV-3]" in told.refused
    assert not told.kept
    assert "refused" in str(done)
    with refused(GraphError, "CONV-11", "steps"):
        search(GRAPH, IMAGES, loss=50, steps=[16], image_count=32, weight_bits=2)


def test_calls_that_are_refused() -> None:
    """Wrong steps, loss, aim, options and labels, and a graph without a free K, are refused by name."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"steps": []}, "steps"),
        ({"steps": [0, 3]}, "steps"),
        ({"steps": [17]}, "steps"),
        ({"steps": [2.5]}, "steps"),
        ({"loss": -1}, "loss"),
        ({"loss": float("nan")}, "loss"),
        ({"aim": "speed"}, "aim"),
    ]
    for about, place in wrong:
        with refused(GraphError, "CONV-11", place):
            search(GRAPH, IMAGES, **about)
    with refused(UsageError, "CONV-9", "search", "steps_of", says="did you mean steps?"):
        search(GRAPH, IMAGES, steps_of=3)
    for labels in (NOISY[:10], NOISY.astype(float), np.full(300, 3), NOISY[:, None]):
        with refused(InputError, "RUN-1"):
            search(GRAPH, IMAGES, labels, image_count=200)
    nodes = [Node("a", "quantise", ("input",), {"alpha": 1.0, "levels": 7}), Node("b", "global_avg_pool", ("a",))]
    with refused(GraphError, "CONV-11", "steps"):
        search(Graph(fsref.Pixels(2, 3, 3), nodes), np.zeros((4, 2, 3, 3), int))


def test_the_picture(tmp_path: Any, found: Found) -> None:
    """Accuracy against latency and against spikes, with named axes, the front and the best point; the same bytes each
    time.
    """
    pytest.importorskip("matplotlib")
    from fsref.reports.searches import search_picture

    search_picture(found, tmp_path / "found.svg")
    text = (tmp_path / "found.svg").read_text(encoding="utf-8")
    for shown in (
        "latency (steps)",
        "spikes per neuron",
        "accuracy (% of images)",
        "every K for all",
        "K by population",
        "best",
        "float",
    ):
        assert shown in text, shown
    search_picture(found, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "found.svg").read_bytes()
    with refused(fsref.errors.UsageError, "COUNT-9"):
        search_picture(found, tmp_path / "found.txt")


def test_no_population_gets_fewer_steps_than_were_to_be_tried() -> None:
    """Where every point keeps the loss, all populations end at the smallest K of `steps`, nothing below it is tried."""
    easy = search(GRAPH, IMAGES, loss=100, steps=(3, 2), image_count=60)
    assert min(min(p.steps.values()) for p in easy.points) == 2 and set(easy.best.steps.values()) == {2}


def test_the_least_certain_images_are_looked_at_first() -> None:
    """A point is left when what is still to come cannot save it: images come by the margin of the float network's
    largest logit.
    """
    many = search(GRAPH, IMAGES, loss=4, steps=range(2, 9), image_count=300, weight_bits=12)
    ordered = np.sort(GRAPH.forward(IMAGES), axis=1)
    order = np.argsort(ordered[:, -1] - ordered[:, -2], kind="stable")
    for point in (p for p in many.points if not p.complete):
        net = convert(GRAPH, IMAGES, image_count=300, steps=dict(point.steps), weight_bits=12)
        wrong = (fsref.run(net, IMAGES).predictions != PREDICTED)[order].cumsum()
        looked = range(LOOK_EVERY, 300, LOOK_EVERY)
        assert point.image_count == next(n for n in looked if 300 - wrong[n - 1] < many.needed)
