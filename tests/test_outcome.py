"""convert_and_score: the network of convert or search, what it lost, and the words of both."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import fsref
from fsref.conversion.found import Point
from fsref.errors import GraphError, InputError, UsageError
from fsref.verification.outcome import FloatScore, convert_and_score, shared
from refusals import refused
from test_convert import drawn, residual

GRAPH, IMAGES = residual(), drawn(40)
TRUTH = GRAPH.forward(IMAGES).argmax(axis=1)
LABELS = np.where(np.arange(40) % 8 == 0, (TRUTH + 1) % 5, TRUTH)


def test_it_is_convert_evaluate_and_compare() -> None:
    """The network is that of convert, its score that of evaluate on the images of `test`, the worst population that of
    compare on the first calibration images; provenance keeps the figures.
    """
    found = convert_and_score(GRAPH, IMAGES[:24], test=(IMAGES[24:], LABELS[24:]), image_count=16, steps=4)
    net = fsref.convert(GRAPH, IMAGES[:16], steps=4)
    score = fsref.evaluate(net, IMAGES[24:], LABELS[24:])
    assert found.net.id == net.id
    assert (found.score.predictions == score.predictions).all() and found.score.correct == score.correct
    assert found.float_score.correct == found.paired.first_correct == (TRUTH[24:] == LABELS[24:]).sum()
    assert found.paired.agreement == (score.predictions == TRUTH[24:]).mean()
    assert found.worst.name == fsref.compare(GRAPH, net, IMAGES[:16]).worst.name
    assert found.worst_image_count == 16 and "on 16 calibration images" in " ".join(str(found).split())
    assert found.net.provenance["scored"] == found.figures
    assert (found.calibrating, found.search) == (0, None)


def test_what_is_not_said_is_what_calibrated() -> None:
    """Without `test` the images given are scored, and those that calibrated are counted; without labels there is the
    agreement alone.
    """
    found = convert_and_score(GRAPH, IMAGES, LABELS, image_count=16)
    assert (found.calibrating, found.paired.image_count) == (16, 40)
    assert "16 of the images scored also calibrated: score on others, as test" in found.hints
    bare = convert_and_score(GRAPH, IMAGES, image_count=16)
    assert bare.net.id == found.net.id and bare.figures["fs_correct"] is None is bare.float_score.correct
    assert "accuracy" not in str(bare) and "agreement" in str(bare)


def test_with_a_loss_it_searches() -> None:
    """The network is that of search; each point tried is told; a loss beyond the one allowed is a note."""
    told: list[Point] = []
    found = convert_and_score(
        GRAPH, IMAGES[:9], TRUTH[:9], test=(IMAGES[9:], TRUTH[9:]), loss=0, tried=told.append, weight_bits=7
    )
    alone = fsref.search(GRAPH, IMAGES[:9], TRUTH[:9], loss=0, weight_bits=7)
    assert found.search is not None and found.net.id == alone.net.id and found.search.points == tuple(told)
    lost = found.paired.first_correct - found.paired.second_correct
    assert bool(found.notes) == (lost > 0) and all("points of accuracy" in note for note in found.notes)


def test_a_float_score_that_is_known_is_taken() -> None:
    """It is not computed again, and its doubts are notes of the outcome."""
    wrong = FloatScore.of(GRAPH, IMAGES, (TRUTH + 1) % 5)
    tasks: list[tuple[str, int]] = []

    def progress(task: str, images: int) -> Any:
        tasks.append((task, images))
        return nullcontext(lambda done: None)

    found = convert_and_score(GRAPH, IMAGES, (TRUTH + 1) % 5, float_score=wrong, image_count=8, progress=progress)
    assert tasks == [("calibrating", 8), ("FS", 40)]
    assert found.notes == wrong.notes and "is not above chance" in found.notes[0]


def test_images_are_counted_whatever_their_type() -> None:
    """An image is among others when its codes are."""
    assert shared(IMAGES[:3].astype(np.uint8), IMAGES.astype(np.int64)) == 3
    assert shared(IMAGES[:3], IMAGES[3:]) == 0


def test_what_is_refused() -> None:
    """An unknown keyword by its nearest name; options, images and labels as convert and evaluate do."""
    with refused(UsageError, "CONV-9", "convert_and_score", "stepz", says="did you mean steps?"):
        convert_and_score(GRAPH, IMAGES, stepz=4)
    for function, wrong, right in (
        (fsref.convert, "images", "image_count"),
        (fsref.search, "los", "loss"),
        (fsref.search, "aims", "aim"),
        (convert_and_score, "memory_limt", "memory_limit"),
    ):
        with refused(UsageError, "CONV-9", function.__name__, wrong, says=f"did you mean {right}?"):
            function(GRAPH, IMAGES, **{wrong: 4})
    for function in (fsref.convert, fsref.search, convert_and_score):
        with refused(UsageError, "GRAPH-1", "graph", "str", says="fsref.load_graph"):
            function("net.npz", IMAGES)
    for function in (fsref.search, convert_and_score):
        with refused(GraphError, "CONV-11", "steps", 4):
            function(GRAPH, IMAGES, loss=1.0, steps=4)
    with refused(GraphError, "CONV-9", "steps"):
        convert_and_score(GRAPH, IMAGES, steps=0)
    with refused(InputError, "RUN-1", "labels"):
        convert_and_score(GRAPH, IMAGES, LABELS[:3])
    with refused(InputError, "GRAPH-5"):
        convert_and_score(GRAPH, IMAGES / 255)


@pytest.mark.parametrize("steps", [3, 8])
def test_text_fits_and_json_is_plain(steps: int) -> None:
    """80 columns; the dictionary holds the figures of the sheet."""
    found = convert_and_score(GRAPH, IMAGES, LABELS, steps=steps)
    assert max(map(len, str(found).splitlines())) <= 80
    assert ("bias correction empirical" in str(found)) == (steps == 3)
    plain = found.to_dict()
    assert (plain["image_count"], plain["id"], plain["worst"]) == (40, found.net.id, found.worst.name)
