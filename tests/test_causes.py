"""The catalogue of causes: every one is found where it is planted, and named for what it is (OBS-4)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from another import NET, Other, only, strict
from fsref.law.populations import FS
from fsref.simulation.answers import of_arrays
from fsref.simulation.recording import Record
from fsref.testing import Disagreement, verify
from fsref.verification.aimed import aimed
from fsref.verification.causes import CAUSES, Hint, Judged, hints
from fsref.verification.differences import compare_dump
from fsref.verification.evidence import Evidence
from fsref.verification.scene import Scene
from handmade import residual, tiny
from planted import NEURONS, falling, walk, worth, zeroed
from planted_addresses import ADDRESSES
from planted_gates import PLANTED
from planted_sums import SUMS
from planted_units import UNITS
from planted_units import scene as scene_of

RULES = [page.read_text(encoding="utf-8") for page in Path(fsref.__file__).parent.glob("*.md")]


TRAPS = {**NEURONS, **SUMS}


SAME = {  # the cause named first, where it gives the same numbers as what was planted
    "late-reset": "no-reset",
    "last-step-twice": "saturates-late",
    "accumulator-unsigned": "compared-without-sign",
    "a-step-above-the-first": "no-upper-end",
}
JUDGED = 65  # of more images that differ


def every(found: Disagreement) -> str:
    """How many images a cause explains that explains all."""
    if found.differing <= JUDGED:
        return f"all {found.differing} images that differ" if found.differing > 1 else "the one image that differs"
    return f"all {JUDGED} images judged of {found.differing} that differ"


def test_the_network_of_the_traps() -> None:
    """Its populations are those the traps are set in; one is signed, several have maps, and even and odd thetas
    occur.
    """
    assert [p.name for p in NET.populations] == ["input", "stem", "branch", "left", "right", "join", "pool", "head"]
    fs = [p for p in NET.populations if isinstance(p, FS)]
    assert [p.offset != 0 for p in fs] == [False, True, False, False, False]
    assert {p.name for p in fs if p.bias.ndim == 3} >= {"stem", "left"}
    thetas = np.concatenate([p.table.rows(p.shape[0])[0][:, -1] for p in fs])
    assert {0, 1} == set((thetas % 2).tolist())


@pytest.mark.parametrize("trap", TRAPS)
def test_each_cause_is_found_and_named(trap: str) -> None:
    """The first wrong population and neuron are named, both codes are right, and the first hint is what was planted, or
    what gives the same numbers; corners and aimed images show every one, nothing is drawn.
    """
    name, hint, wrong, *of = TRAPS[trap]
    population, net = "head" if name == "logits" else name, of[0] if of else NET
    other = Other(net, **wrong)
    with pytest.raises(Disagreement) as caught:
        verify(net, other, max_examples=0)
    found = caught.value
    assert trap.partition(":")[0] in found.causes
    assert found.causes[0] == SAME.get(trap, trap.partition(":")[0]), found.causes
    assert found.population == population
    assert any(hint in text for text in found.hints), (hint, str(found))
    assert len(found.hints) <= 5, found.hints  # of one by one windows much is the same
    image = found.image[None]
    right = fsref.run(net, image, "reference", Record(observables=("codes", "opening"))).trace
    key = "logits" if population == "head" else population
    theirs = other(image.astype(np.uint8))[key].ravel()
    ours = right[population, "opening" if population == "head" else "codes"].ravel()
    assert found.neuron == int(np.argmax(theirs != ours))
    assert (found.theirs, found.expected) == (theirs[found.neuron], ours[found.neuron])
    assert found.place == tuple(int(n) for n in np.unravel_index(found.neuron, NET[population].shape))
    if population != "pool":
        assert found.membrane == right[population, "opening"][0, found.neuron]
    lines = str(found).splitlines()
    assert lines[0] == f"{population} differs from fsref [OBS-4]"
    c, y, x = found.place
    place = f"{population} neuron {found.neuron} (c {c}, y {y}, x {x})"
    assert lines[2] == f"first     {place}: theirs {found.theirs}, fsref {found.expected}"
    assert len(lines) <= 11
    assert lines[-1].startswith(f"explains  {every(found)}")
    assert found.explained == min(found.differing, JUDGED)
    assert max(map(len, lines)) < 200


def kept_for_the_next(v: Any, p: FS) -> Any:
    """Membranes start with what the image before left."""
    theta, left, found = p.table.rows(p.shape[0])[0][:, -1][:, None, None], 0, []
    for one in v:
        found.append(one + left)
        left = found[-1] - theta * np.clip(found[-1] // theta, 0, 2**p.steps - 1)
    return np.array(found)


def loaded_once(v: Any, p: FS) -> Any:
    """The same, and the bias came with the first image alone."""
    sums = v - p.bias_map
    return kept_for_the_next(np.concatenate([v[:1], sums[1:]]), p)


def summed(v: Any, p: FS | None = None) -> Any:
    """What came for all images so far."""
    return np.array([sum(v[: i + 1]) for i in range(len(v))])


def summed_without_bias(v: Any, p: FS) -> Any:
    """The same, the bias being added each time."""
    return p.bias_map + summed(v - p.bias_map)


STALE: dict[str, Any] = {
    "membrane-kept": ("left", {"membrane": only("left", kept_for_the_next)}),
    "membrane-kept: the bias once": ("right", {"membrane": only("right", loaded_once)}),
    "membrane-kept: logits": ("head", {"membrane": only("head", summed)}),
    "sums-kept": ("join", {"membrane": only("join", summed)}),
    "sums-kept: the bias each time": ("stem", {"membrane": only("stem", summed_without_bias)}),
    "image-before-read": ("branch", {"read": only("branch", lambda a, q: np.array([0 * a[0], *a[:-1]]))}),
    "pool-kept": ("pool", {"pool": lambda value, windows, p: np.maximum.accumulate(value)}),
}


@pytest.mark.parametrize("trap", STALE)
def test_what_is_kept_between_images_is_named(trap: str) -> None:
    """A dump of several images, of which the first is right, or all that came before the first that differs."""
    name, wrong = STALE[trap]
    images = np.concatenate([np.zeros((2, 3, 6, 6), np.int64), np.random.default_rng(2).integers(0, 256, (5, 3, 6, 6))])
    found = compare_dump(NET, images, of_arrays(NET, Other(**wrong)(images.astype(np.uint8)), "dump"), isolated=True)
    wrong = {p.name: [hint.name for hint in p.judged.hints] for p in found.populations if p.differing}
    assert wrong == {name: [trap.partition(":")[0]]}


INSIDE = {"membrane-held-at-the-top", "fires-once-more"}  # no code shows them: `test_every_observable_...` plants them


def test_every_cause_is_planted_and_names_a_rule() -> None:
    """A cause that is added is planted here, too; its words end with the rule that is broken."""
    names = [cause.name for cause in CAUSES]
    assert sorted(names) == sorted(
        {trap.partition(":")[0] for trap in (*TRAPS, *STALE, *UNITS, *ADDRESSES, *PLANTED)} | INSIDE
    )
    rules = {line.split()[1] for page in RULES for line in page.splitlines() if line.startswith("### ")}
    for cause in CAUSES:
        assert cause.name == cause.name.lower().replace(" ", "-")
        found = re.search(r"\[([A-Z]+-\d+)\]$", cause.text)
        assert found is not None and found[1] in rules, cause.text


def test_the_page_of_mistakes_is_the_catalogue() -> None:
    """Users read the name and the words of every cause, in the order in which they are named."""
    page = Path(fsref.__file__).parent / "guide" / "mistakes.md"
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert rows == ["| name | what it says |", *(f"| {cause.name} | {cause.text} |" for cause in CAUSES)]


def test_a_mistake_of_the_whole_device_is_one_cause() -> None:
    """A network that resets to zero everywhere is told that, and nothing that only the simplest image would allow; the
    images that first differ in other populations count too.
    """
    with pytest.raises(Disagreement) as caught:
        verify(NET, Other(divide=zeroed))
    found = caught.value
    assert found.causes == ("reset-to-zero",)
    assert f"explains  {every(found)}" in str(found)
    assert found.to_dict()["explained"] == JUDGED < found.to_dict()["differing"] == found.differing


def test_two_mistakes_are_not_told_as_one() -> None:
    """The hint of the first says how many of the images that differ it does not explain."""

    def both(value: Any, v: Any, theta: Any, p: FS) -> Any:
        return strict(value, v, theta, p) if p.name == "stem" else only("join", zeroed)(value, v, theta, p)

    with pytest.raises(Disagreement) as caught:
        verify(NET, Other(divide=both), max_examples=0)
    found = caught.value
    assert 0 < found.explained < found.differing
    told = f"{found.explained} of {min(found.differing, JUDGED)} images that differ; the others first differ elsewhere"
    assert told in str(found)
    assert set(found.causes) <= {"strict-comparison", "reset-to-zero"} and found.causes


def test_one_image_that_does_not_fit_takes_the_hint_away() -> None:
    """A device that fires above a threshold, and once does something else, is not told about equality."""

    def nearly(value: Any, v: Any, theta: Any, p: FS) -> Any:
        code = strict(value, v, theta, p)
        code[v[:, 0, 0, 0] % 8 == 1, 0, 0, 0] ^= 1
        return code

    with pytest.raises(Disagreement) as caught:
        verify(NET, Other(divide=only("stem", nearly)), max_examples=0)
    assert caught.value.causes == caught.value.hints == ()
    assert "explains" not in str(caught.value)


def scene(population: str, images: np.ndarray, net: fsref.Network = NET, **theirs: np.ndarray) -> Scene:
    """A scene of a population of a network, from recordings of the right one."""
    return scene_of(population, images, net, **theirs)


def test_membranes_tell_what_codes_do_not() -> None:
    """No reset and a late one give the same codes of an FS-ReLU; membranes and trains are judged where they were
    observed, and part the two.
    """
    images = np.random.default_rng(5).integers(0, 256, (4, 3, 6, 6))
    bare = scene("left", images)
    theta = NET["left"].table.rows(2)[0][:, -1][:, None, None]
    spikes = walk(bare.opening, falling(theta, NET["left"]), lambda left, fired, T: left)
    membranes = np.repeat(bare.opening[:, None], 5, axis=1)
    assert [h.name for h in hints(scene("left", images, codes=worth(spikes)))] == ["no-reset", "late-reset"]
    assert [h.name for h in hints(scene("left", images, codes=worth(spikes), membranes=membranes))] == ["no-reset"]
    assert [h.name for h in hints(scene("left", images, membranes=membranes))] == ["no-reset"]
    assert [h.name for h in hints(scene("left", images, spikes=worth(spikes)))][:2] == ["no-reset", "late-reset"]
    assert hints(scene("left", images, codes=worth(spikes)).rows(slice(0))) == ()
    assert hints(scene("left", images, opening=bare.opening + 1)) == ()


def told(left: Any, thresholds: list[Any], resets: list[Any], sends: Any = lambda t, fired: fired) -> dict[str, Any]:
    """Codes, trains and membranes of neurons that meet these thresholds, lose these resets, and send what they fire."""
    spikes, membranes = [], []
    for t, (T, h) in enumerate(zip(thresholds, resets, strict=True)):
        fired = (left >= T).astype(np.int64)
        left = left - fired * h
        spikes.append(sends(t, fired))
        membranes.append(left)
    return {"codes": worth(spikes), "spikes": worth(spikes), "membranes": np.stack(membranes, axis=1)}


def test_every_observable_is_that_of_the_mistake() -> None:
    """Where trains and membranes were observed as well, a mistake is named only if it gives them, too: a step that is
    stuck as it is sent leaves the membranes right, one that is stuck in the neuron does not.
    """
    images = np.random.default_rng(6).integers(0, 256, (6, 3, 6, 6))
    images = np.concatenate([images, np.full((1, 3, 6, 6), 255)])  # membranes beyond 2^K theta
    v = scene("left", images).opening
    theta = NET["left"].table.rows(2)[0][:, -1][:, None, None]
    T = falling(theta, NET["left"])
    high = [T[0], T[1], T[2] + 2**40, *T[3:]]
    cases = {
        "step-stuck": [told(v, high, T), told(v, T, T, lambda t, fired: 0 * fired if t == 2 else fired)],
        "theta-shifted": [told(v, [2 * t for t in T], [2 * t for t in T]), told(v, [2 * t for t in T], T)],
        "late-reset": [told(v, T, [*T[1:], 0]), told(v, T, [*T[1:], T[0]])],
        "reset-of-the-step-before": [told(v, T, [T[-1], *T[:-1]])],
        "rows-of-another-channel": [told(v, [t[::-1] for t in T], [t[::-1] for t in T])],
    }
    again = told(v, T, T)["membranes"]
    again[:, -1] -= T[-1] * (again[:, -1] >= T[-1])
    cases["fires-once-more"] = [{"membranes": again}]  # what is sent is right
    cases["membrane-held-at-the-top"] = [{"membranes": told(np.minimum(v, 2 * T[0] - 1), T, T)["membranes"]}]
    for name, answers in cases.items():
        for theirs in answers:
            assert [h.name for h in hints(scene("left", images, **theirs))] == [name]
            unlike = theirs["membranes"].copy()
            unlike[0, -1, 0, 0, 0] += 1
            assert hints(scene("left", images, **{**theirs, "membranes": unlike})) == ()


@pytest.mark.parametrize("net", [residual(), tiny()], ids=["residual", "tiny"])
def test_every_cause_can_be_tried_anywhere(net: fsref.Network) -> None:
    """Groups, dilation, tables in no order, pools, few steps: every form of every cause is followed, has words for what
    it says, and nothing random is explained.
    """
    rng = np.random.default_rng(4)
    shape = net.input.shape
    images = rng.integers(0, net.input.max_code + 1, (3, *shape))
    for p in net.populations:
        bare = scene(p.name, images, net)
        given = replace(bare, theirs={"codes": rng.integers(0, 1000, bare.codes[p.name].shape)})
        assert hints(given) == ()
        for cause in CAUSES:
            for effect in cause.follow(given):
                assert cause.text.format(**effect.about)


def test_what_a_device_answered_is_not_asked_again() -> None:
    """A mistake that the first images show costs them once, what is needed to make one simpler, which may come upon one
    of them, and that one alone.
    """
    asked: list[bytes] = []
    other = Other(divide=only("stem", strict))

    def forward(images: np.ndarray) -> dict[str, np.ndarray]:
        asked.extend(image.tobytes() for image in images)
        return other(images)

    with pytest.raises(Disagreement) as caught:
        verify(NET, forward)
    counts = Counter(asked)
    again = caught.value.image.astype(np.uint8).tobytes()
    assert max(Counter(asked[: len(aimed(NET).images)]).values()) == 1
    assert max(count for image, count in counts.items() if image != again) <= 2 and counts[again] <= 3


def test_evidence_is_bounded() -> None:
    """Of a thousand images that differ the first 64 and the last are kept, and all are counted, each once."""
    evidence = Evidence(NET)
    images = np.arange(1000)[:, None, None, None] // np.array([1, 256, 65536]).reshape(3, 1, 1) % 256
    images = images * np.ones((1, 1, 6, 6), np.int64)
    answers = {"stem": np.arange(1000)[:, None] * np.ones((1, 144), np.int64)}
    for _ in range(2):
        evidence.add(images, answers, np.ones(1000, bool), first=True)
    assert len(evidence.wrong) == 64 and len(evidence.last) == 1 and len(evidence.differing) == 1000
    assert [row[1]["stem"][0] for row in (evidence.wrong | evidence.last).values()] == [*range(64), 999]
    assert evidence.right == []
    judged = evidence.judged("stem")
    assert judged.hints == () and (judged.judged, judged.differing) == (65, 1000)
    evidence.add(images, answers, np.zeros(1000, bool), first=True)
    assert len(evidence.right) == 64


def test_how_much_a_hint_explains_is_told() -> None:
    """All of the images, all that were judged, some of them; and whether several causes fit."""
    one, two = (Hint("a", "A"),), (Hint("a", "A"), Hint("b", "B"))
    assert str(Judged(one, 1, 1, 1)) == "the one image that differs"
    assert str(Judged(one, 37, 37, 37)) == "all 37 images that differ"
    assert str(Judged(one, 65, 65, 90)) == "all 65 images judged of 90 that differ"
    assert str(Judged(one, 12, 37, 37)) == "12 of 37 images that differ; the others first differ elsewhere"
    assert str(Judged(two, 3, 3, 3)) == "all 3 images that differ; none of them tells these causes apart"
