"""Answers to labelled images (COUNT-10), networks side by side (COUNT-11), and what a report makes of them: intervals,
classes, what is taken for what, the images got wrong.
"""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
import handmade
from fsref.cli.main import main
from fsref.errors import UsageError
from fsref.formats.sources import ImageSet
from fsref.law.network import Network
from fsref.metrics.classes import by_class
from fsref.metrics.energy import PRESETS, energy
from fsref.metrics.interval import interval
from fsref.metrics.score import Score
from fsref.reports.answers import drawn
from fsref.reports.mistakes import cards, mistakes, thumbnail_of
from fsref.reports.proof import certified
from fsref.verification.side_by_side import Side, SideBySide, side_by_side
from refusals import error_of, refused

MANY = 1_000


def classifier(classes: int) -> Network:
    """A network of so many classes: the code of its one pixel, times a weight of each class."""
    weights = [[(7 * c) % 31 - 15] for c in range(classes)]
    return Network(
        [
            fsref.Input("in", (1, 1, 1), 4, 15),
            fsref.FS("hid", (1, 1, 1), fsref.fs_relu(4, 1)),
            fsref.Readout("out", (classes, 1, 1), list(range(classes))),
        ],
        [fsref.Dense("in", "hid", [[1]]), fsref.Dense("hid", "out", weights)],
    )


def scored(net: Network, labels: Any, seed: int = 0) -> tuple[Score, ImageSet]:
    """The score of a network on drawn images with these labels, and the images."""
    x = handmade.draw(net, len(labels), seed)
    y = np.asarray(labels)
    return fsref.evaluate(net, x, y, threads=1), ImageSet(x, y, tuple(f"{i}.png" for i in range(len(y))))


def test_intervals_are_wilsons() -> None:
    """Both ends are where so many right images stand z standard deviations from what would be expected, and 0 and 1
    where none and all are right.
    """
    for right, count in ((1, 3), (5, 7), (438, 450), (1, 1_000)):
        low, high = interval(right, count)
        for end in (low, high):
            assert abs(right - count * end) == pytest.approx(1.959964 * sqrt(count * end * (1 - end)))
        assert low < right / count < high
    assert interval(0, 20)[0] == 0 and 0 < interval(0, 20)[1] < 0.2
    assert interval(20, 20)[1] == 1 and 0.8 < interval(20, 20)[0] < 1


def test_answers_are_counted_by_class() -> None:
    """Images, right ones and classes given are those of a loop over the images; what is not right is in pairs, most
    first, and both are the matrix.
    """
    net = handmade.residual()
    rng = np.random.default_rng(3)
    score, _ = scored(net, rng.integers(0, net.class_count, 40))
    found, matrix = by_class(score), np.zeros((net.class_count, net.class_count), int)
    for label, given in zip(score.labels.tolist(), score.predictions.tolist(), strict=True):  # type: ignore[union-attr]
        matrix[label, given] += 1
    np.testing.assert_array_equal(found.matrix, matrix)
    assert (found.images.tolist(), found.given.tolist()) == (matrix.sum(axis=1).tolist(), matrix.sum(axis=0).tolist())
    assert found.right.tolist() == np.diag(matrix).tolist() and found.right.sum() == score.correct
    often = found.pairs[:, 2].tolist()
    assert often == sorted(often, reverse=True) and all(a != b for a, b, _ in found.pairs.tolist())
    shares = [found.accuracy(index)[0] for index in found.worst]
    assert shares == sorted(shares) and len(shares) == np.count_nonzero(found.images)
    assert found.accuracy(found.worst[0])[1:] == interval(
        int(found.right[found.worst[0]]), int(found.images[found.worst[0]])
    )
    assert "most often taken for" in str(found) and repr(found).startswith("<ByClass of ")


def test_many_classes_have_no_matrix() -> None:
    """Of a thousand classes a map would show nothing: it is not drawn; of 65,536 the matrix is not made at all."""
    net = classifier(MANY)
    score, _ = scored(net, np.arange(60) * 16)
    found = by_class(score)
    assert found.matrix.shape == (MANY, MANY) and found.matrix.sum() == 60 and drawn(found) == []
    with refused(UsageError, "COUNT-10"):
        replace(found, names=("",) * 2**16).matrix  # noqa: B018
    few = by_class(scored(classifier(5), [0, 1, 2, 3, 4])[0])
    assert set(drawn(few)) == set(np.flatnonzero(few.images + few.given))
    right = scored(classifier(5), [0] * 4)[0]
    assert drawn(by_class(replace(right, labels=right.predictions))) == []  # nothing is wrong


def test_labels_are_needed() -> None:
    net = handmade.residual()
    for score in (fsref.evaluate(net, handmade.draw(net, 2), None),):
        with refused(UsageError, "RUN-1"):
            by_class(score)


def test_images_got_wrong_are_shown_with_their_logits() -> None:
    """The first 24 of those that are wrong, in their order, each with its label, the class given, its largest logits
    and that of the label; of others nothing.
    """
    net = handmade.residual()
    score, images = scored(net, [0] * 60)
    found = mistakes(score, images, 64, 2**33)
    assert found is not None and score.labels is not None
    wrong = np.flatnonzero(score.predictions != 0)
    assert found.count == len(wrong) and found.images.tolist() == wrong[:24].tolist()
    np.testing.assert_array_equal(found.logits, fsref.run(net, images.x[wrong[:24]]).logits)
    shown = cards(found)
    assert shown.count("<img ") == len(found.images) == shown.count('class="of-label"')
    for i in found.images[:3].tolist():
        logits = fsref.run(net, images.x[i : i + 1]).logits[0]
        assert f"{i}.png" in shown and f">{int(logits.max()):,}<" in shown and f">{int(logits[0]):,}<" in shown
    assert mistakes(replace(score, labels=score.predictions), images, 64, 2**33) is None
    assert mistakes(replace(score, labels=None), images, 64, 2**33) is None
    few = mistakes(score, images, 2, 2**33)
    assert few is not None and len(few.images) == 2 and "first 2" in few.told


def test_one_logit_has_no_bars() -> None:
    net = classifier(1)
    score, images = scored(net, [0, 1] * 3)
    found = mistakes(score, images, 64, 2**33)
    assert found is not None and "class 1 at 0 or above" in cards(found) and "red" not in found.told


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 8, 8), (2, 3, 200), (1, 65_536, 1), (3, 130, 70)])
def test_pictures_of_images_are_small(shape: tuple[int, int, int]) -> None:
    """An image of any shape is a picture of at most 64 pixels a side; a small one has each of its own."""
    from PIL import Image

    codes = np.random.default_rng(1).integers(0, 16, shape)
    with Image.open(BytesIO(thumbnail_of(codes, 15))) as made:
        pixels = np.asarray(made)
    assert max(pixels.shape[:2]) == min(64, max(shape[1:])) and pixels.ndim == (3 if shape[0] == 3 else 2)
    if shape == (3, 8, 8):
        np.testing.assert_array_equal(pixels, codes.transpose(1, 2, 0) * 17)


def at(net: Network, k: int) -> Network:
    """The network of tiny() whose neurons have K steps."""
    return replace(
        net,
        populations=[
            net.populations[0],
            fsref.FS("hid", (3, 1, 1), fsref.fs_relu(k, 2), [1, -2, 0]),
            net.populations[2],
        ],
    )


def test_networks_side_by_side() -> None:
    """Each has the score and energy that it has alone; they stand by K; a network of other images or classes is
    refused.
    """
    nets = {f"k{k}": at(handmade.tiny(), k) for k in (5, 2)}
    first, images = scored(at(handmade.tiny(), 3), [0, 1] * 10)
    costs = PRESETS["horowitz_2014_8kb"]
    found = side_by_side(first, nets, images, costs, threads=1)
    assert [side.steps for side in found.sides] == [(2, 2), (3, 3), (5, 5)] and found.first is found.sides[1]
    for side, net in zip(found.sides, (nets["k2"], first.net, nets["k5"]), strict=True):
        alone = fsref.evaluate(net, images.x, images.y)
        assert side.score.counts.to_dict() == alone.counts.to_dict() and side.score.correct == alone.correct
        assert side.energy is not None and side.energy.to_dict() == energy(alone.counts, costs).to_dict()
    sheet = found.sheet()
    assert {"points from *", "times dense"} < set(sheet.head) and dict(sheet.below)["energy"] == found.cheaper
    assert [row["id"] for row in found.to_dict()["beside"]] == [nets["k2"].id, nets["k5"].id]
    for other in (handmade.residual(), classifier(2)):
        with refused(UsageError, "COUNT-11"):
            side_by_side(first, {"other": other}, images, None)
    unlabelled = fsref.evaluate(first.net, images.x, None)
    bare = side_by_side(unlabelled, nets, replace(images, y=None), None)
    assert "accuracy" not in str(bare) and "energy" not in str(bare) and bare.cheaper == ""


@pytest.mark.parametrize(
    ("ratios", "told"),
    [
        ({4: 0.5, 6: 0.9, 8: 1.5}, "FS is cheaper than its dense ANN at K = 6 and below (K = 4: 0.5 times; "),
        ({4: 0.5, 6: 0.9}, "Every network is cheaper than its dense ANN ("),
        ({4: 1.0, 6: 2.0}, "No network is cheaper than its dense ANN ("),
        ({4: 1.2, 6: 0.9}, "Cheaper than their dense ANN are K = 6 ("),
    ],
)
def test_up_to_which_k_fs_is_cheaper(ratios: dict[int, float], told: str) -> None:
    sides = []
    for k, ratio in ratios.items():
        score, _ = scored(at(handmade.tiny(), k), [0, 1])
        spent = energy(score.counts, "horowitz_2014_8kb")
        fs = dict.fromkeys(spent.fs, 0) | {"additions": round(1000 * ratio) * spent.image_count}
        ann = dict.fromkeys(spent.ann, 0) | {"additions": 1000}
        sides.append(Side(score, replace(spent, fs=fs, ann=ann)))
    assert SideBySide(tuple(sides), sides[0]).cheaper.startswith(told)


def test_evaluate_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`fsref evaluate --beside`: tables, JSON and report tell the other networks; what does not fit is one line before
    any work.
    """
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    for k in (2, 3, 5):
        at(handmade.tiny(), k).save(f"k{k}.npz")
    handmade.residual().save("other.npz")
    np.savez("x.npz", x=handmade.draw(handmade.tiny(), 12), y=np.arange(12) % 2)
    words = ["evaluate", "k3.npz", "--data", "x.npz", "--beside", "k5.npz", "--beside", "k2.npz"]
    assert main([*words, "--energy", "horowitz_2014", "--html", "r.html", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["steps_by_population"] for row in told["beside"]] == [{"hid": 2}, {"hid": 5}]
    page = Path("r.html").read_text(encoding="utf-8")
    assert 'id="beside"' in page and "dense ANN" in page and 'id="accuracy"' in page
    for wrong in (["--beside", "other.npz"], ["--resume", "shards"], ["--beside", "k2.npz"], ["--beside", "no.npz"]):
        assert main([*words, *wrong]) == 2
        assert error_of(capsys.readouterr().err).count("\n") == 1
    assert not Path("shards").exists()


def test_a_certificate_beside_the_network_is_told(tmp_path: Path) -> None:
    """What it says is proved, once more not proved; one of another network, one that is none and one whose statements
    are none are told as such, in a line; without one there is nothing.
    """
    net, file = handmade.residual(), tmp_path / "net.fs.npz"
    net.save(file)
    assert certified(net, file) is None
    beside = tmp_path / "certificate.json"
    assert main(["check", str(file), "--prove", "--out", str(beside)]) == 0
    found = certified(net, file)
    assert found is not None and [row[0] for row in found.rows] == ["PROOF-2", "PROOF-3", "PROOF-4", "PROOF-1"]
    told = json.loads(beside.read_text())
    for broken in (
        {**told, "id": "0" * 64},
        {**told, "statements": 7},
        {**told, "statements": [{"rule": 1}]},
        [],
        None,
    ):
        beside.write_text(json.dumps(broken))
        other = certified(net, file)
        assert other is not None and not other.rows and "[PROOF-7]" in str(other)
