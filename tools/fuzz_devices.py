"""Golden vectors, and what a device says: packs, greetings, answers by each carrier and replays, valid and broken."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, fs_relu
from fsref.conformance import replay
from fsref.conformance.driven import DIFFERS, Driven
from fsref.conformance.frames import Words, to_bytes, to_hex
from fsref.conformance.greeting import Greeting
from fsref.conformance.replies import able, items
from fsref.conformance.wire import Sent, asked
from fsref.errors import FsrefError
from fsref.formats.json_network import from_plain
from fsref.law.populations import Population
from fsref.vectors.case import SCOPES, Case, case_of, units, wanted
from fsref.vectors.pack import Pack, canonical, lines
from fsref.vectors.protocol import PROTOCOLS
from fsref.vectors.rejects import rejects
from fuzz_dumps import CHIP
from fuzz_seeds import Case as Broken
from fuzz_seeds import changed
from fuzz_values import NUMBERS, TEXTS, bent, bent_json, bent_value, dumped

DEVICES = ("vectors", "replies", "greeting", "answers", "lines", "batch", "replay")
WORDS: tuple[int, ...] = (*(n for n in NUMBERS if -(2**63) <= n < 2**63), -(2**62), 5, 4)
GREETING = {**CHIP, "scopes": list(SCOPES), "version": "1", "refuses": True}
PACKED: dict[str, Any] = {"sort_keys": True, "separators": (",", ":")}  # as packs are written
PLAYER = Path(__file__).with_name("fuzz_player.py")


def network() -> Network:
    """A small network with a max-pool."""
    populations: list[Population] = [
        Input("in", (2, 2, 2), 3, 7),
        FS("mid", (2, 2, 2), fs_relu(4, [2, 3]), np.array([1, -2])),
    ]
    populations += [MaxPool("pool", (2, 1, 1), "mid", (2, 2), (2, 2)), Readout("out", (2, 1, 1), np.array([0, 5]))]
    weights = np.arange(36).reshape(2, 2, 3, 3) * 7 % 11 - 5
    return Network(
        populations,
        [Conv2d("in", "mid", weights, padding=(1, 1, 1, 1)), Dense("pool", "out", np.array([[3, -128], [-1, 2]]))],
    )


@cache
def pack() -> Pack:
    """A pack of every scope, protocol and kind of reject."""
    net, draw, cases = network(), np.random.default_rng(17), []
    for scope in SCOPES:
        for unit in units(net, scope):
            for protocol in PROTOCOLS[:4]:
                given = {
                    (of, what): draw.integers(-40 if what == "opening" else 0, 8, net[of].neurons)
                    for of, what in wanted(net, scope, unit)[0]
                }
                about = {"aims": ("FS-2 mid tie: v == T[t]",), "rules": ("FS-2",), "flags": ("strict",)}
                cases.append(case_of(net, scope, unit, given, protocol=protocol, **about))
    bins = {"FS-2": {"promised": 3, "reached": 2, "unreachable": 0, "not_found": 1}}
    distinct = list({case.id: case for case in cases}.values())
    return Pack("pack", 1, 0, None, distinct, rejects(net)[::6], bins, ["FS-2 mid tie: v == T[t]"])


def replies() -> list[Words]:
    """The right replies to the frames of the pack, a bye among them."""
    sent, greeting, found = Sent(), able(pack()), []
    for one in items(pack()):
        for (frame, _), what in asked(one, sent, greeting):
            right = frame[:1] if what != "reject" else np.array([5])
            if what == "run" and isinstance(one, Case):
                values = [one.expected[key].reshape(-1) for key in greeting.asked(one)]
                right = np.concatenate([right, *(part for array in values for part in ([array.size], array))])
            found.append(right)
    return [*found, np.array([4])]


def greeted(text: bytes) -> Words:
    """The reply to a hello."""
    return np.concatenate([[0, len(text)], np.frombuffer(text + bytes(-len(text) % 8), "<i8")])


def device_companions() -> dict[str, bytes]:
    """The unbroken files that stand beside a broken one: pack, replies, and the program that plays answers."""
    made = {"vectors.jsonl": "".join(f"{line}\n" for line in lines(pack())).encode()}
    made |= {"replies.hex": _lines(replies()), "replies.bin": b"".join(map(to_bytes, replies()))}
    return {**made, PLAYER.name: PLAYER.read_bytes()}


def device_seeds(kind: str) -> list[Broken]:
    """The valid cases of a kind."""
    greeting = json.dumps(GREETING).encode()
    whole = [greeted(greeting), *replies()]
    match kind:
        case "vectors":
            return [Broken(kind, "one.jsonl", {"one.jsonl": device_companions()["vectors.jsonl"]})]
        case "replies":
            named = device_companions()
            return [Broken(kind, name, {name: named[name]}) for name in ("replies.hex", "replies.bin")]
        case "greeting":
            answers = {f"answers/{n:03}": to_bytes(reply) for n, reply in enumerate(whole)}
            return [Broken(kind, "answers", {**answers, "greeting.json": greeting})]
        case "answers":
            return [Broken(kind, "answers", {f"answers/{n:03}": to_bytes(reply) for n, reply in enumerate(whole)})]
        case "lines":
            return [Broken(kind, "answers", {f"answers/{n:03}": _lines([reply]) for n, reply in enumerate(whole)})]
        case "batch":
            return [Broken(kind, "batch.hex", {"batch.hex": _lines(whole)})]
        case "replay":
            run = next(reply for reply in whole[2:] if reply[0] == 2)
            played = [whole[0], whole[1], run, run, whole[-1]]
            answers = {f"answers/{n}": to_bytes(reply) for n, reply in enumerate(played)}
            return [Broken(kind, "replay", {**answers, **{f"replay/{name}": data for name, data in _replay().items()}})]
    raise AssertionError(kind)


def bent_vectors(draw: Random, case: Broken) -> Broken:
    """A pack with other values, keys or lines, its ids and digest mostly right again; or other bytes."""
    data = case.files[case.name]
    if draw.random() < 0.15:
        return changed(case, case.name, bent(draw, data))
    held = data.splitlines(keepends=True)[:-1]
    which = draw.randrange(len(held))
    match draw.randrange(8):
        case 0:
            held[which : which + 1] = draw.choice(([], [held[which]] * 2, [held[which], b"\n"], [held[-1]]))
        case 1:
            held[which] = bent(draw, held[which])
        case 2:
            held[which] = bent_json(draw, held[which]) + b"\n"
        case _:
            which = draw.choice((which, 0, 1))  # the first lines say most
            told = bent_value(draw, json.loads(held[which]))
            if draw.random() < 0.7:
                told, old, new = _named(told)
                held = [line.replace(old, new) if old else line for line in held]
            form = PACKED if draw.random() < 0.95 else {}
            held[which] = dumped(told, **form) + b"\n"
            if draw.random() < 0.05:  # half of a character
                held[which] = re.sub(
                    rb'("(?:name|unit|source|id)":")', rb"\1\\ud800", held[which], count=draw.randrange(3)
                )
    if draw.random() < 0.9:
        held.append(canonical({"end": hashlib.sha256(b"".join(held)).hexdigest()}).encode() + b"\n")
    return changed(case, case.name, b"".join(held))


def _named(told: Any) -> tuple[Any, bytes, bytes]:
    """A line whose network, case or reject has the id of what it holds; the old id and the new, where it had one."""
    kind = next(iter(told), "") if isinstance(told, dict) and len(told) == 1 else ""
    held: Any = told[kind] if kind else None
    if not isinstance(held, dict) or not isinstance(held.get("id"), str):
        return told, b"", b""
    old, keys = held["id"], {"case": ("given", "network", "scope", "unit"), "reject": ("frame", "network")}
    try:
        if kind == "network":
            new = from_plain({key: held[key] for key in ("arrays", "manifest")}, "fuzz").id
        else:
            new = hashlib.sha256(dumped({key: held[key] for key in keys[kind]}, **PACKED)).hexdigest()[:12]
    except (FsrefError, KeyError, ValueError):
        return told, b"", b""
    held["id"] = new
    return told, *((f'"{name}"'.encode() if len(old) > 10 else b"") for name in (old, new))


def bent_replies(draw: Random, case: Broken) -> Broken:
    """Replies with other words, or bytes, without one, or with more."""
    data = case.files[case.name]
    if case.name.endswith(".bin"):
        return changed(case, case.name, bent(draw, data) if draw.random() < 0.6 else bent_frame(draw, data))
    held = data.splitlines(keepends=True)
    which = draw.randrange(len(held))
    match draw.randrange(5):
        case 0:
            del held[which]
        case 1:
            held[which:which] = [held[draw.randrange(len(held))]] * draw.choice((1, 2, 2000))
        case 2 | 3:
            held[which] = bent_line(draw, held[which])
        case _:
            return changed(case, case.name, bent(draw, data))
    return changed(case, case.name, b"".join(held))


def bent_answers(draw: Random, case: Broken) -> Broken:
    """Answers of a device of which some are others, or none."""
    files = dict(case.files)
    for _ in range(draw.choice((1, 1, 2, 5))):
        name = draw.choice([name for name in sorted(files) if name.startswith("answers/")] + ["answers/0"])
        data = files.get(name, b"")
        if draw.random() < 0.1:
            files.pop(name, None)
        elif case.kind == "lines":
            files[name] = bent_line(draw, data)
        else:
            files[name] = bent_frame(draw, data)
    return Broken(case.kind, case.name, {"answers/000": b"", **files})


def bent_greeting(draw: Random, case: Broken) -> Broken:
    """A greeting that says something else, or nothing; its length mostly right."""
    text = bent_json(draw, case.files["greeting.json"])
    words = greeted(text)
    if draw.random() < 0.1:
        words[1] = draw.choice((*WORDS, len(text) - 1, len(text) + 1))
    return Broken(case.kind, case.name, {**case.files, "answers/000": to_bytes(words), "greeting.json": text})


def bent_replay(draw: Random, case: Broken) -> Broken:
    """A replay whose case says something else, or whose device does."""
    if draw.random() < 0.2:
        return bent_answers(draw, case)
    name = "replay/case.json"
    return changed(case, name, bent_json(draw, case.files[name]))


def bent_frame(draw: Random, data: bytes) -> bytes:
    """A frame with another number of words, other words, or other bytes."""
    words = [int.from_bytes(data[at : at + 8], "little", signed=True) for at in range(0, len(data) - 7, 8)]
    match draw.randrange(6):
        case 0 | 1 if words:
            words[0] = draw.choice((*WORDS, words[0] + 1, words[0] - 1))
        case 2 | 3 if words:
            words[draw.randrange(len(words))] = draw.choice(WORDS)
        case 4 if words:
            count = len(words) - 1
            words[1:] = draw.choice(([5, *range(count - 1)], [5] * count, words[:1:-1], [7, *words[2:]]))
        case _:
            return bent(draw, data)
    return b"".join(word.to_bytes(8, "little", signed=True) for word in words)


def bent_line(draw: Random, data: bytes) -> bytes:
    """A line with other words, another end, or other bytes."""
    words = data.split()
    odd = (*(f"{word % 2**64:x}".encode() for word in WORDS), b"0" * 17, b"1" + b"0" * 16, b"0x1", b"-1", b"1_0", b"g")
    texts: Sequence[bytes] = [text.encode("utf-8", "replace") for text in TEXTS]
    match draw.randrange(6):
        case 0 | 1 if words:
            words[draw.randrange(len(words))] = draw.choice((*odd, *texts))
        case 2:
            words[len(words) :] = [draw.choice(odd)] * draw.choice((1, 1, 3, 5000))
        case 3:
            del words[draw.randrange(len(words) + 1) :]
        case _:
            return bent(draw, data)
    return draw.choice((b" ", b" ", b"\t", b"  ", b"\r", b"\0")).join(words) + draw.choice(
        (b"\n", b"\n", b"\r\n", b"", b"\n\n")
    )


def _lines(words: Sequence[Words]) -> bytes:
    """Frames as lines."""
    return "".join(f"{to_hex(one)}\n" for one in words).encode("ascii")


def _replay() -> Mapping[str, bytes]:
    """The files of a replay, of a device that is one off."""
    case = next(case for case in pack().cases if case.scope == "network")
    observed = {key: values.copy() for key, values in case.expected.items()}
    observed["out", "opening"][1] += 1
    failed = Driven(case.id, case.scope, DIFFERS, case=case, observed=observed)
    return replay.files([case, case], failed, {"NET-5": "added once"}, "frames", Greeting())
