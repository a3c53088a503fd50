"""The golden vectors of the shipped networks (reference_models/vectors): their digests, what they expect, and that they
are what fsref makes.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import packs
from chip import Chip
from fsref.cli.main import main
from fsref.conformance.frames import to_hex
from fsref.conformance.replies import frames
from fsref.vectors import pack as writer
from fsref.vectors.case import case_of
from fsref.vectors.pack import Pack
from fsref.vectors.protocol import BENCHED
from fsref.vectors.reader import read

SHIPPED = [name for name, told in packs.known().items() if told["shipped"]]
MOST = 2 * 2**20  # bytes of all that are shipped


@cache
def digits() -> Pack:
    """The pack of digits, read."""
    return read(packs.FOLDER / "digits.jsonl")


def test_digests_are_those_of_the_files() -> None:
    """Each pack that is shipped has the bytes, the SHA-256 and the cases told of it; all together are small."""
    sizes = []
    for name in SHIPPED:
        data, told = (packs.FOLDER / f"{name}.jsonl").read_bytes(), packs.known()[name]
        assert (len(data), hashlib.sha256(data).hexdigest()) == (told["bytes"], told["sha256"])
        assert len(read(packs.FOLDER / f"{name}.jsonl").cases) == told["cases"]
        sizes.append(len(data))
    assert sizes and sum(sizes) <= MOST
    page = (packs.FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(told["sha256"] in page for told in packs.known().values())


@pytest.mark.parametrize(
    "name", ["digits_pool", *(pytest.param(name, marks=pytest.mark.long) for name in ("digits", "resnet8_neurons"))]
)
def test_a_pack_is_what_fsref_makes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made anew it is the same bytes, but for the version of fsref in its first line: else `python tools/packs.py`
    makes it, and a change of cases is told.
    """
    told = packs.known()[name]
    monkeypatch.setattr(writer, "__version__", told["fsref"])
    assert hashlib.sha256(packs.text(name)).hexdigest() == told["sha256"]


def test_what_is_expected_is_what_the_law_says() -> None:
    """Every case of digits expects what follows from what it gives, the opening and the spikes alone; each unit that a
    test bench can hold has a case that stalls.
    """
    pack = digits()
    for case in pack.cases:
        right = case_of(case.net, case.scope, case.unit, case.given).expected
        assert case.expected.keys() == {key for key in right if key[1] in ("opening", "spikes")}
        assert all(np.array_equal(case.expected[key], right[key]) for key in case.expected)
    units = {(case.scope, case.unit) for case in pack.cases if case.scope in BENCHED}
    assert {(case.scope, case.unit) for case in pack.cases if case.protocol == "stall"} >= units


def test_right_answers_pass_and_one_wrong_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsref vectors check` says that the answers of another's chip are right, and of one spike that is not where it
    stands.
    """
    chip, rejects = Chip(), {one.frame for one in digits().rejects}
    answers = [
        np.array([5] if tuple(words.tolist()) in rejects else chip.answer(words.tolist())) for words in frames(digits())
    ]
    order = ["vectors", "check", str(packs.FOLDER / "digits.jsonl"), str(tmp_path / "replies")]
    (tmp_path / "replies").write_text("".join(f"{to_hex(reply)}\n" for reply in answers))
    assert main(order) == 0 and "all pass" in " ".join(capsys.readouterr().out.split())
    answers[1][-1] += 1
    (tmp_path / "replies").write_text("".join(f"{to_hex(reply)}\n" for reply in answers))
    assert main(order) == 1 and digits().cases[0].id in capsys.readouterr().out
