"""Frames and greetings (CONFORM-1, CONFORM-2): bytes and lines from the page alone, and what is no reply."""

from __future__ import annotations

import hashlib
import random
import re
import struct

import numpy as np
import pytest

from fsref import Dense, Input, Network, Readout
from fsref.conformance.frames import (
    NoReply,
    from_bytes,
    from_hex,
    hello_text,
    load_frame,
    run_frame,
    run_reply,
    run_words,
    to_bytes,
    to_hex,
)
from fsref.conformance.greeting import Greeting, greeting_of
from fsref.errors import FileError, UsageError
from fsref.formats.pages import rules
from fsref.law.populations import OBSERVABLES
from handmade import residual, tiny

PAIR = Network([Input("in", (2, 1, 1), 2, 3), Readout("out", (1, 1, 1), [5])], [Dense("in", "out", [[1, -1]])])
ASKED = {("in->out", "sums"): (1,), ("out", "opening"): (1,)}


def signed(text: str) -> list[int]:
    """The words of a line as numbers."""
    return [(int(word, 16) ^ 2**63) - 2**63 for word in text.split()]


def test_frames_from_the_page_alone() -> None:
    """The example of CONFORM-1 is what is sent and taken; in bytes each word has 8, little-endian, behind their number;
    the words of a load are those whose SHA-256 is the id.
    """
    load, loaded, run, answer = re.findall(r"`([0-9a-f \n]+)`", rules()["CONFORM-1"].text.partition("An example")[2])
    assert load_frame(PAIR).tolist() == signed(load) and loaded == "1"
    frame = run_frame(PAIR, {("in", "codes"): np.array([3, 1])}, list(ASKED))
    assert frame.tolist() == signed(run)
    assert [part.lstrip("0") or "0" for part in to_hex(frame).split(" ")] == run.split()
    assert {len(part) for part in to_hex(frame).split(" ")} == {16}
    found = run_reply(from_hex(answer), ASKED)
    assert {key: values.tolist() for key, values in found.items()} == {
        key: [n] for key, n in zip(ASKED, (2, 7), strict=True)
    }
    assert to_bytes(frame) == struct.pack(f"<{1 + len(frame)}q", len(frame), *frame.tolist())
    for net in (PAIR, tiny(), residual()):
        words = load_frame(net)
        assert words[0] == 1 and hashlib.sha256(b"FSREFID1" + words[1:].tobytes()).hexdigest() == net.id
        assert from_hex(to_hex(words)).tolist() == words.tolist() == from_bytes(to_bytes(words)[8:]).tolist()


def test_places_and_numbers_of_observables() -> None:
    """A population is its index, sums are asked by the index of a projection; observables are numbered as the page
    says, and a reply has as many words as were asked for.
    """
    net = residual()
    text = rules()["CONFORM-1"].text
    assert all(f"{number} {what}" in text for number, what in enumerate(OBSERVABLES))
    name = list(net.named_projections)[3]
    frame = run_frame(net, {("stem", "opening"): np.arange(4)}, [(name, "sums"), ("pool", "codes")]).tolist()
    assert frame == [2, 1, 1, 1, 4, 0, 1, 2, 3, 2, 3, 0, [p.name for p in net.populations].index("pool"), 4]
    assert run_words([3, 5]) == len([2, 3, *"abc", 5, *"abcde"])


@pytest.mark.parametrize(
    ("words", "told", "longer"),
    [
        ([1, 1, 2, 1, 7], "begins with 1", False),
        ([2], "ends before in->out.sums", False),
        ([2, 1, 2], "ends before out.opening", False),
        ([2, 2, 2, 1, 7], "gives 2 values of in->out.sums, which has 1", False),
        ([2, -1, 2, 1, 7], "gives -1 values", False),
        ([2, 1, 2, 1], "ends within out.opening", False),
        ([2, 1, 2, 1, 7, 7], "6 words, 1 more than", True),
    ],
)
def test_what_is_no_reply_to_a_run(words: list[int], told: str, longer: bool) -> None:
    """Counts that are not those of what was asked for are told with what they are of."""
    with pytest.raises(NoReply, match=re.escape(told)) as refused:
        run_reply(np.array(words), ASKED)
    assert refused.value.longer is longer


@pytest.mark.parametrize("line", ["", "  ", "0g", "-1", "0x1", "1_0", "11111111111111111", "x", "é", "١"])
def test_what_is_no_line_of_words(line: str) -> None:
    """Words are hexadecimal digits, at most 16, and nothing else; more blanks and capitals are taken."""
    assert from_hex(" 1\t FFFFFFFFFFFFFFFF  8000000000000000\r\n").tolist() == [1, -1, -(2**63)]
    with pytest.raises(NoReply):
        from_hex(line)


def test_mutated_replies_and_lines_are_no_replies_or_integers() -> None:
    """Of three thousand replies with words changed, cut or added each is refused or gives integers of the shape."""
    rng = random.Random(4)
    right, refused = [2, 1, 2, 1, 7], 0
    for _ in range(3_000):
        words = list(right)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(words) + 1)
            words[at : at + rng.randint(0, 1)] = [rng.choice([-(2**63), -1, 0, 1, 2, 5, 2**32, 2**63 - 1])]
        line = "".join(c if rng.random() < 0.99 else rng.choice("gx \t\x00é9") for c in to_hex(np.array(words)))
        try:
            found = run_reply(from_hex(line), ASKED)
            assert [values.shape for values in found.values()] == [(1,), (1,)]
        except NoReply as error:
            refused += 1
            assert str(error)
    assert refused > 1_500


def test_a_greeting_is_bytes_in_words() -> None:
    """The bytes of a greeting lie 8 a word, first lowest, and their number says where they end."""
    assert hello_text(np.array([0, 9, int.from_bytes(b'{"name":', "little"), ord("1")])) == b'{"name":1'
    assert hello_text(np.array([0, 0])) == b""
    for words in ([0], [1, 0], [0, 1], [0, 9, 0], [0, 1, 0, 0], [0, -1], [0, -8, 0], [0, 2**62, 0]):
        with pytest.raises(NoReply):
            hello_text(np.array(words))


def test_mutated_greetings_give_clean_errors() -> None:
    """Of three thousand greetings with bytes changed each is refused in one line, or says what a device may say."""
    rng = random.Random(5)
    right = b'{"name":"chip","scopes":["network","neuron"],"steps":[1,8],"observables":["codes"],"version":"a1"}'
    assert greeting_of(right).to_dict()["scopes"] == ["network", "neuron"]
    refused = 0
    for _ in range(3_000):
        text = bytearray(right)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            text[at : at + rng.randint(0, 2)] = bytes([rng.choice(b'"{}[],:019e-\\\xff\x00ntN')])
        try:
            assert isinstance(greeting_of(bytes(text)), Greeting)
        except FileError as error:
            refused += 1
            assert "\n" not in str(error) and str(error).isprintable() and error.rule in ("CONFORM-2", "CHIP-1")
    assert refused > 1_500


def test_a_greeting_of_python_values() -> None:
    """What a function is told to be like has the same keys, and an unknown one names the nearest."""
    assert Greeting.of({}) == Greeting()
    with pytest.raises(UsageError, match="did you mean scopes"):
        Greeting.of({"scope": ["network"]})
