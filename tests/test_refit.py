"""Refit: weights fitted again to what the float network computes, given the codes that are really sent (CONV-13)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from fsref.activations.coding import Coding
from fsref.cli.main import main
from fsref.conversion.activation import LINEAR, Activation
from fsref.conversion.again import refitted
from fsref.conversion.columns import Columns, Places
from fsref.conversion.folded import Term, Unit, real_sum
from fsref.conversion.refit import Refit, channel_scales, real
from fsref.conversion.regression import RIDGE, ROUNDS, fit, lacking
from fsref.conversion.sources import Source
from fsref.errors import GraphError, UsageError
from fsref.graph.graph import Graph, Node
from fsref.reports.network import info_sheet, network_dict
from fsref.verification.outcome import convert_and_score
from nodes import PIXELS, conv, drawn, head, residual
from refusals import error_of, refused

DRAW = np.random.default_rng(16)
SOURCES = {"a": (4, 6, 5), "b": (4, 6, 5), "wide": (4, 12, 10), "v": (3, 1, 1)}


def weights(*shape: int) -> np.ndarray:
    """Weights that are not 0."""
    return DRAW.normal(size=shape)


UNITS: dict[str, tuple[Term, ...]] = {
    "conv": (Term("a", weights(4, 4, 3, 3), padding=(1, 1, 1, 1)),),
    "strided": (Term("wide", weights(4, 4, 3, 2), (2, 2), (1, 0, 1, 0)),),
    "dilated": (Term("wide", weights(4, 4, 3, 3), (2, 2), (2, 2, 2, 2), (2, 2)),),
    "grouped": (Term("a", weights(4, 2, 3, 3), padding=(1, 1, 1, 1), groups=2),),
    "depthwise": (Term("a", weights(4, 1, 3, 3), padding=(1, 1, 1, 1), groups=4),),
    "concat": (Term("a", weights(4, 4, 1, 1)), Term("b", weights(4, 4, 3, 3), padding=(1, 1, 1, 1))),
    "mixed": (Term("a", weights(4, 4, 1, 1)), Term("b", weights(4, 1, 1, 1), groups=4)),
    "merge": (
        Term("a", weights(4, 4, 3, 3), padding=(1, 1, 1, 1), node="a"),
        Term("b", weights(4, 1, 1, 1), groups=4, skip=True),
    ),
    "depthwise merge": (
        Term("b", weights(4, 1, 1, 1), groups=4, skip=True),
        Term("a", weights(4, 1, 3, 3), padding=(1, 1, 1, 1), groups=4),
    ),
    "skips": tuple(Term(name, weights(4, 1, 1, 1), groups=4, skip=True) for name in "ab"),
    "dense": (Term("v", weights(4, 3)),),
    "pooled": (Term("a", weights(4, 4), pooled=True), Term("v", weights(4, 3))),
    "pruned": (Term("a", weights(4, 4, 3, 3) * (DRAW.random((4, 4, 3, 3)) < 0.4), padding=(1, 1, 1, 1)),),
}


def unfolded(term: Term, x: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """What each weight of a channel meets, (B, C, H, W, I * kh * kw), tap by tap and image by image."""
    count, channels, height, width = len(x), *shape
    if term.weights.ndim == 2:
        flat = x.sum(axis=(2, 3)) if term.pooled else x.reshape(count, -1)
        return np.broadcast_to(flat[:, None, None, None], (count, *shape, flat.shape[1]))
    _, inputs, kh, kw = term.weights.shape
    made = np.zeros((count, channels, height, width, inputs, kh, kw))
    for c, y, z, i, j in np.ndindex(channels, height, width, kh, kw):
        row = y * term.stride[0] - term.padding[0] + i * term.dilation[0]
        column = z * term.stride[1] - term.padding[1] + j * term.dilation[1]
        if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
            first = c // (channels // term.groups) * inputs
            made[:, c, y, z, :, i, j] = x[:, first : first + inputs, row, column]
    return made.reshape(count, *shape, -1)


def solved(unit: Unit, values: dict[str, np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """Predictions of the ridge regression of each channel alone: least squares with the penalty as further rows."""
    made = np.zeros_like(wanted)
    for c in range(unit.shape[0]):
        plain, skip, begin, own = [], [], [], []
        for term in unit.terms:
            x, w = unfolded(term, values[term.source], unit.shape)[:, c].reshape(wanted[:, c].size, -1), term.weights[c]
            if term.skip:
                skip.append(x @ w.ravel())
            else:
                plain.append(x[:, w.ravel() != 0])
                begin.append(w.ravel()[w.ravel() != 0])
        columns = np.concatenate([*plain, *(s[:, None] for s in skip)], axis=1)
        start = np.concatenate([*begin, np.ones(len(skip))])
        size = sum(x.shape[1] for x in plain)
        spread = np.var(columns, axis=0)
        if plain:
            own.append(np.full(size, spread[:size].mean()))
        ridge = RIDGE * np.concatenate([*own, spread[size:]])
        centred, t = columns - columns.mean(axis=0), wanted[:, c].ravel()
        rows = np.concatenate([centred / np.sqrt(len(t)), np.diag(np.sqrt(ridge))])
        right = np.concatenate([(t - t.mean() - centred @ start) / np.sqrt(len(t)), np.zeros(len(start))])
        found = start + np.linalg.lstsq(rows, right, rcond=None)[0]
        made[:, c] = (t.mean() + centred @ found).reshape(wanted[:, c].shape)
    return made


def seen_of(columns: Columns, values: dict[str, np.ndarray], wanted: np.ndarray) -> Callable[[], Any]:
    """All places of all images, three at a time."""

    def seen() -> Any:
        for first in range(0, len(wanted), 3):
            part = {name: x[first : first + 3].astype(np.float32) for name, x in values.items()}
            few = wanted[first : first + 3].astype(np.float32)
            places = Places.drawn(np.random.default_rng(0), len(few), *few.shape[2:], 10**6)
            yield columns.read(places, part), places.of(few)

    return seen


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_fitted_to_what_its_sources_send(name: str) -> None:
    """Every form of projection and merge, alone and side by side: the fitted unit computes what the ridge regression of
    each channel alone gives, written out place by place; weights of 0 stay 0; terms stand where they stood.
    """
    terms = UNITS[name]
    shape = (4, 1, 1) if terms[0].weights.ndim == 2 else (4, 6, 5)
    unit = Unit("unit", shape, terms, DRAW.normal(size=4), LINEAR)
    values = {n: DRAW.integers(0, 7, (7 if shape[1] > 1 else 30, *s)).astype(float) for n, s in SOURCES.items()}
    wanted = DRAW.normal(size=(len(values["a"]), *shape)) + real_sum(unit, values) / 2  # type: ignore[arg-type]
    # Where nothing is cut off further rounds change nothing.
    for how, above, near in ((Activation(0.0, np.inf), 600.0, 0.02), (LINEAR, 0.0, 1e-3)):
        columns = Columns(unit, SOURCES)
        fit(columns, seen_of(columns, values, wanted + above), how)
        made = columns.fitted()
        summed = real_sum(made, values)  # type: ignore[arg-type]
        assert np.abs(summed - above - solved(unit, values, wanted)).max() < near
    assert [(t.source, t.node, t.skip) for t in made.terms] == [(t.source, t.node, t.skip) for t in terms]
    assert all(
        (a.ungrouped().weights != 0).sum() == (b.weights != 0).sum() for a, b in zip(made.terms, terms, strict=True)
    )


@pytest.mark.parametrize("name", UNITS)
def test_columns_are_the_unit(name: str) -> None:
    """Before anything is fitted the columns predict what the unit computes, at places drawn, and give the unit back;
    what a term delivers besides is part of it.
    """
    terms = UNITS[name]
    shape = (4, 1, 1) if terms[0].weights.ndim == 2 else (4, 6, 5)
    first = terms[0]
    if name == "conv":  # constant beside a border
        terms = (Term("a", first.weights, padding=first.padding, constant=weights(4, 1, 3, 3)),)
    unit = Unit("unit", shape, terms, DRAW.normal(size=4), LINEAR)
    values = {n: DRAW.integers(0, 7, (3, *s)).astype(np.float32) for n, s in SOURCES.items()}
    columns, whole = Columns(unit, SOURCES), real_sum(unit, values)
    places = Places.drawn(np.random.default_rng(2), 3, *shape[1:], 11)
    assert np.abs(columns.predicted(columns.read(places, values)) - places.of(whole)).max() < 1e-4
    assert np.abs(real_sum(columns.fitted(), values) - whole).max() < 1e-4


def test_places_are_drawn_of_every_image_and_none_twice() -> None:
    """So many of each image, all where there are no more."""
    places = Places.drawn(np.random.default_rng(1), 3, 4, 5, 17)
    assert np.bincount(places.image).tolist() == [17] * 3 and len({*zip(*places, strict=True)}) == 51
    whole = Places.drawn(np.random.default_rng(1), 2, 4, 5, 20)
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert (whole.of(values) == values.transpose(0, 2, 3, 1).reshape(40, 3)).all()


def test_what_the_activation_cuts_off_needs_no_fit() -> None:
    """Beyond a bound a prediction lacks only what it has on the other side of it, at both ends."""
    p = np.array([[-2, -2, 3, 1, 7, 9, 5]], np.float32)
    wanted = np.array([[-1, 1, -1, 2, 8, 4, 8]], np.float32)
    relu6 = Activation(0.0, 6.0)
    assert lacking(p, wanted, relu6).tolist() == [[0, 3, -3, 1, 0, -5, 1]]
    assert lacking(p, wanted, LINEAR).tolist() == (wanted - p).tolist()


def test_rounds_fit_what_the_activation_lets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where values below 0 are not linear in what is sent, a unit with a relu comes nearer than one without, and nearer
    in four rounds than in one.
    """
    x = np.random.default_rng(5).normal(size=(40, 4, 6, 5))
    true = Unit("unit", (4, 6, 5), UNITS["conv"], np.zeros(4), Activation(0.0, np.inf))
    before = real_sum(true, {"a": x})  # type: ignore[dict-item]
    wanted = np.where(before < 0, -np.square(before), before)
    start = Unit("unit", (4, 6, 5), (true.terms[0].scaled(np.full(4, 0.5)),), np.zeros(4), true.activation)

    def error(how: Activation, rounds: int = ROUNDS) -> float:
        monkeypatch.setattr("fsref.conversion.regression.ROUNDS", rounds)
        columns = Columns(start, SOURCES)
        fit(columns, seen_of(columns, {"a": x}, wanted), how)
        found = real_sum(columns.fitted(), {"a": x})  # type: ignore[dict-item]
        return float(np.square(np.maximum(found, 0) - np.maximum(wanted, 0)).mean())

    relu = Activation(0.0, np.inf)
    assert error(relu) < 0.9 * error(relu, 1) and error(relu, 1) < 0.9 * error(LINEAR)


def test_each_channel_has_a_scale_of_its_own() -> None:
    """The scale of a channel follows its values, never beyond a bound of the activation; one that is never active keeps
    that of the population.
    """
    values = np.abs(np.random.default_rng(3).normal(size=(4000, 3))) * np.array([1, 10, 0])
    values = values.astype(np.float32)
    coding = Coding(0.5, 0, 15)
    plain = channel_scales(Activation(0.0, np.inf), coding, values, values)
    assert plain[1] == pytest.approx(10 * plain[0], rel=0.1) and plain[2] == 0.5
    assert 2 < 16 * plain[0] < 4.6
    assert channel_scales(Activation(0.0, 6.0), coding, values, values)[1] == 6 / 16
    even = np.random.default_rng(4).uniform(-1, 10, (4000, 3)).astype(np.float32)
    assert (7 * channel_scales(LINEAR, Coding(0.5, 8, 15), even, even) > 8).all()  # half of the codes stand above 0


def test_codes_stand_for_what_they_are() -> None:
    """Channels have scales and offsets of their own; where a view shows nothing code 0 stands for 0."""
    there = np.array([[1.0, 0.0], [1.0, 1.0]])
    source = Source((2, 2, 2), np.array([0.5, 2.0]), np.array([3.0, 0.0]), 7, np.ones(2), None, there)
    codes = np.array([[[[3, 0], [7, 0]], [[1, 0], [0, 7]]]])
    assert real(codes, source).tolist() == [[[[0, 0], [2, -1.5]], [[2, 0], [0, 14]]]]


def error(graph: Graph, net: fsref.Network, x: np.ndarray) -> float:
    """The mean square of what the logits are off."""
    logits = fsref.run(net, x, engine="quantized").logits * net.logit_scale
    return float(np.square(logits - graph.forward(x)).mean())


def test_fewer_steps_for_the_same_accuracy() -> None:
    """On images not seen the logits of few steps come nearer the float ones, through merges, concat, max-pool,
    depthwise and signed populations; the same call gives the same network.
    """
    graph, x, new = residual(), drawn(200), drawn(100, seed=5)
    plain, net = (
        fsref.convert(graph, x, steps=3, **how) for how in ({"bias_correction": "empirical"}, {"refit": True})
    )
    assert error(graph, net, new) < 0.7 * error(graph, plain, new)
    assert fsref.convert(graph, x, steps=3, refit=True).id == net.id
    assert [type(p).__name__ for p in net.populations] == [type(p).__name__ for p in plain.populations]
    assert (net.provenance["options"]["refit"], refitted(net), refitted(plain)) == (True, True, False)


def test_views_are_passed_on() -> None:
    """What reads a view, with gaps and without, is fitted to what it shows; a view has nothing to fit."""
    places = {"rows": (0, 0, -1, 1, 2, 3), "columns": (7, -1, 5, 4, 3, 2)}
    nodes = [conv("a", "input", 6, 3), Node("a_relu", "relu", ("a",)), Node("up", "view", ("a_relu",), places)]
    nodes += [conv("b", "up", 4, 6), Node("b_relu", "relu", ("b",)), *head("b_relu", 4)]
    graph, x = Graph(PIXELS, nodes), np.random.default_rng(2).integers(0, 256, (64, *PIXELS.shape))
    plain, fitted = (fsref.convert(graph, x, steps=3, refit=refit) for refit in (False, True))
    assert [p.kind for p in fitted.populations] == ["input", "fs", "view", "fs", "readout"]
    assert error(graph, fitted, x) < 0.8 * error(graph, plain, x)


def test_more_numbers_than_are_kept_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what the places read is too much to keep, it is read in every round, and the network is the same."""
    graph, x = residual(), drawn(20)
    whole = fsref.convert(graph, x, steps=3, refit=True)
    monkeypatch.setattr("fsref.conversion.refit.KEPT", 0)
    assert fsref.convert(graph, x, steps=3, refit=True).id == whole.id


def test_a_unit_that_is_too_wide_keeps_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """More weights per channel than a regression may have stay as they are, with one scale."""
    monkeypatch.setattr("fsref.conversion.refit.WIDEST", 0)
    net = fsref.convert(residual(), drawn(20), steps=3, refit=True)
    assert net.id == fsref.convert(residual(), drawn(20), steps=3, bias_correction="empirical").id


def test_what_was_trained_in_few_bits_is_refused() -> None:
    """Codes that the training chose are not fitted again, nor can alpha and bias correction be chosen otherwise."""
    nodes = [conv("a", "input", 4, 3), Node("q", "quantise", ("a",), {"levels": 15, "alpha": 2.0}), *head("q", 4)]
    with refused(GraphError, "CONV-13", "a", says="without refit its codes are those of its training"):
        fsref.convert(Graph(PIXELS, nodes), drawn(), refit=True)
    for name, value in (("alpha", "max"), ("bias_correction", "none"), ("bias_correction", "analytic")):
        with refused(GraphError, "CONV-13", name, value=value):
            fsref.convert(residual(), drawn(), refit=True, **{name: value})
    with refused(GraphError, "CONV-9", "refit"):
        fsref.convert(residual(), drawn(), refit=1)
    with refused(UsageError, "CONV-9", "convert"):
        fsref.convert(residual(), drawn(), refitt=True)


def test_comparison_says_whose_weights_are_meant() -> None:
    """Beside a network that was fitted again no population's arithmetic jumps, and a note says that its weights are not
    the graph's; `info` says so, too, and keeps silent of others.
    """
    graph, x = residual(), drawn(60)
    net = fsref.convert(graph, x, steps=3, refit=True)
    found = fsref.compare(graph, net, x[:20])
    assert set(found.limits) == {"codes"} and "fitted again (CONV-13)" in " ".join(found.notes)
    assert not any(row.jump == "arithmetic" for row in found.rows)
    assert "fitted again (CONV-13)" in " ".join(str(info_sheet(net)).split()) and network_dict(net)["refit"] is True
    plain = fsref.convert(graph, x, steps=3)
    assert "CONV-13" not in str(info_sheet(plain)) and network_dict(plain)["refit"] is False
    assert set(fsref.compare(graph, plain, x[:20]).limits) == {"codes", "arithmetic"}


def test_a_hint_where_predictions_change() -> None:
    """Where some change at few steps refit is named; not where none do, where it was used, and where it may not be."""
    graph, x = residual(), drawn(100)
    few = convert_and_score(graph, x, steps=2)
    assert few.paired.agreement < 0.97 and any("refit (CONV-13)" in hint for hint in few.hints)
    many = convert_and_score(graph, x, steps=12, weight_bits=16)
    fitted = convert_and_score(graph, x, steps=2, refit=True)
    assert not any("refit" in hint for found in (many, fitted) for hint in found.hints)


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`convert --refit` writes the network of `convert(refit=True)`, which `info` tells and whose file is of version
    1.3; options that it chooses itself are refused.
    """
    monkeypatch.chdir(tmp_path)
    fsref.save(residual(), "net.npz")
    np.savez("images.npz", x=drawn(40))
    assert main(["convert", "net.npz", "--data", "images.npz", "--refit", "-K", "3"]) == 0
    net = fsref.load(tmp_path / "net.fs.npz")
    assert net.id == fsref.convert(residual(), drawn(40), steps=3, refit=True).id and net.spec_version == "1.3"
    capfd.readouterr()
    assert main(["info", "net.fs.npz"]) == 0
    assert "fitted again (CONV-13)" in " ".join(capfd.readouterr().out.split())
    for option in ("--alpha", "--bias-correction"):
        value = "max" if option == "--alpha" else "empirical"
        assert main(["convert", "net.npz", "--data", "images.npz", "--refit", option, value]) == 2
        assert f"{option}: does not go with --refit" in error_of(capfd.readouterr().err)


def test_images_are_at_one_unit_all_of_them() -> None:
    """Float values of all images come unit after unit, in the order of the units."""
    folded = fsref.conversion.folding.fold(residual())
    x = drawn(10)
    walk = Refit(folded, x, 4)
    for unit, before, _ in folded.walk(x):
        parts = walk.wanted()
        assert [len(part) for part in parts] == [4, 4, 2]
        assert np.abs(np.concatenate(parts) - before).max() < 1e-4, unit.name
