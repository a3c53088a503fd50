"""Which causes a report names, from what a device answered in cases of several networks (CONFORM-6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from answering import driven, gathered
from fsref import FS, Dense, Input, Network, Readout, Table
from fsref.vectors.case import case_of

Answer = Callable[[Network, dict[Any, Any]], dict[Any, Any]]


def network(seed: int) -> Network:
    """Three neurons with a row of thresholds each, and two logits."""
    rng = np.random.default_rng(seed)
    T = np.sort(rng.integers(1, 40, (3, 4)))[:, ::-1].copy()
    return Network(
        [
            Input("in", (1, 2, 2), 4, 15),
            FS("hid", (3, 1, 1), Table(T=T, h=T // 2 + 1, d=[8, 4, 2, 1]), rng.integers(1, 9, 3)),
            Readout("out", (2, 1, 1), [3, -4]),
        ],
        [Dense("in", "hid", rng.integers(-4, 6, (3, 4))), Dense("hid", "out", rng.integers(-5, 6, (2, 3)))],
    )


def judged(answer: Answer, seeds: tuple[int, ...] = (1, 2, 3, 4)) -> Any:
    """What is made of answers to cases of one population of several networks."""
    rows = []
    for net in map(network, seeds):
        for trains in np.random.default_rng(9).integers(0, 16, (3, 4)):
            case = case_of(net, "population", "hid", {("in", "spikes"): trains})
            seen = answer(net, {key: values.copy() for key, values in case.expected.items()})
            rows.append(driven(case, seen))
    evidence, first = gathered(rows)
    return evidence.judged(first)


def fired(net: Network, v: Any) -> dict[Any, Any]:
    """All that follows from opening membranes v (3,) of the neurons."""
    p: Any = net["hid"]
    T, h, d = p.table.rows(3)
    membranes, word, code, left = [], 0 * v, 0 * v, v
    for t in range(p.steps):
        z = left >= T[:, t]
        left = left - z * h[:, t]
        membranes.append(left)
        word, code = 2 * word + z, code + z * d[:, t]
    return {"opening": v, "spikes": word, "membranes": np.stack(membranes), "codes": code}


def test_a_mistake_in_one_channel_is_named_with_it() -> None:
    """The channel in the middle has no bias; all others are right, in every network."""

    def answer(net: Network, seen: dict[Any, Any]) -> dict[Any, Any]:
        v = seen["hid", "opening"]
        v[1] -= net["hid"].bias[1]
        made = fired(net, v)
        return {(of, what): made[what] if of == "hid" else values for (of, what), values in seen.items()}

    found = judged(answer)
    assert [(hint.name, hint.part) for hint in found.hints][:1] == [("bias-missing", "in channel 1 alone")]
    assert found.hints[0].text.endswith("[NET-5], in channel 1 alone") and found.hints[0].rule == "NET-5"
    assert found.explained == found.judged == 12


def test_a_cause_of_firing_is_not_named_where_the_opening_is_wrong() -> None:
    """Membranes and trains that a neuron with no reset would give, and an opening that it would not."""

    def answer(net: Network, seen: dict[Any, Any], off: int = 1) -> dict[Any, Any]:
        p: Any = net["hid"]
        v = seen["hid", "opening"]
        spikes = np.stack([v >= T for T in p.table.rows(3)[0].T])
        seen["hid", "spikes"] = sum(z.astype(np.int64) << (3 - t) for t, z in enumerate(spikes))
        seen["hid", "codes"] = seen["hid", "spikes"]
        seen["hid", "membranes"] = np.stack([v] * 4)
        seen["hid", "opening"] = v + off
        return seen

    assert [hint.name for hint in judged(lambda net, seen: answer(net, seen, 0)).hints] == ["no-reset"]
    assert judged(answer).hints == ()


def test_a_cause_that_does_not_give_nearly_all_is_not_named() -> None:
    """Of eleven networks ten lose their biases, or of four three; the others add something else each time."""

    def answer(net: Network, seen: dict[Any, Any], right: int) -> dict[Any, Any]:
        lost = net.id in {network(seed).id for seed in range(1, 1 + right)}
        made = fired(net, seen["hid", "opening"] + (-net["hid"].bias if lost else seen["hid", "opening"] ** 2 % 7 - 50))
        return {(of, what): made[what] if of == "hid" else values for (of, what), values in seen.items()}

    most = judged(lambda net, seen: answer(net, seen, 10), tuple(range(1, 12)))
    assert [hint.name for hint in most.hints] == ["bias-missing"] and (most.explained, most.judged) == (30, 33)
    few = judged(lambda net, seen: answer(net, seen, 3))
    assert few.hints == () and (few.explained, few.judged) == (0, 12)


def test_a_case_that_passed_speaks_against_a_cause() -> None:
    """Where the bias was there in one case, it is not missing in the others."""

    def answer(net: Network, seen: dict[Any, Any]) -> dict[Any, Any]:
        asked.append(1)
        made = fired(net, seen["hid", "opening"] - net["hid"].bias * (len(asked) % 3 != 1))
        return {(of, what): made[what] if of == "hid" else values for (of, what), values in seen.items()}

    asked: list[int] = []
    found = judged(answer)
    assert found.hints == () and found.judged == 8


def test_a_channel_alone_is_told_though_one_step_alone_fits_in_some_networks() -> None:
    """A channel that does not fire at its thresholds: in one network no other channel meets one in the first step, in
    which alone it could be, in another one they all do; it is told as one cause of the channel, in every step.
    """
    rows = []
    for seed, (mine, others) in ((1, (0, 2)), (2, (2, 0)), (3, (0, 3)), (4, (3, 0))):
        net = network(seed)
        p: Any = net["hid"]
        T, h, d = p.table.rows(3)
        for turn in range(3):
            v = np.array([T[c][mine if c == 1 else others] for c in range(3)]) + turn * np.array([1, 0, 1])
            case = case_of(net, "neuron", "hid", {("hid", "opening"): v})
            left, word, code, membranes = v, 0 * v, 0 * v, []
            for t in range(p.steps):
                z = np.where(np.arange(3) == 1, left > T[:, t], left >= T[:, t])
                left, word, code = left - z * h[:, t], 2 * word + z, code + z * d[:, t]
                membranes.append(left)
            made = {"spikes": word, "membranes": np.stack(membranes), "codes": code}
            rows.append(driven(case, {("hid", what): made[what] for _, what in case.expected}))
    evidence, first = gathered(rows)
    found = evidence.judged(first)
    assert (found.hints[0].name, found.hints[0].part) == ("strict-comparison", "in channel 1 alone")
    assert not any("in the first step" in hint.text for hint in found.hints) and found.explained == found.judged == 12


def test_one_neuron_in_one_case_is_no_evidence() -> None:
    """A neuron that is wrong in a single case is told no cause."""

    def answer(net: Network, seen: dict[Any, Any]) -> dict[Any, Any]:
        made = fired(net, seen["hid", "opening"])
        wrong = fired(net, seen["hid", "opening"] - net["hid"].bias)
        if net.id == network(1).id and not answered:
            answered.append(1)
            for what in made:
                made[what][..., 1] = wrong[what][..., 1]
        return {(of, what): made[what] if of == "hid" else values for (of, what), values in seen.items()}

    answered: list[int] = []
    assert judged(answer).hints == ()
