"""The one reader of golden vector packs: a file is untrusted until every line of it was checked (VECTOR-2)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, FsrefError, UsageError
from fsref.formats.container import unique
from fsref.formats.json_network import from_plain, integers
from fsref.formats.reading import opened
from fsref.law.network import Network
from fsref.limits.chip import Limits, from_dict
from fsref.simulation.recording import Key
from fsref.vectors.case import SCOPES, Case, wanted
from fsref.vectors.pack import COUNTS, HEAD, KEYS, SCHEMA, Pack, Reject, able, canonical
from fsref.vectors.protocol import PROTOCOLS

MAX_LINE = 2**26  # bytes of a line,
MAX_PACK = 2**28  # of a pack,
MAX_LINES = 2**20  # and lines
MAX_TEXT = 2**12  # characters of a word of a case


def read(path: str | PathLike[str]) -> Pack:
    """The pack of a file, every line of it checked (VECTOR-2). Errors: FileError, NetworkError."""
    with opened(path, "VECTOR-2", MAX_PACK, "a pack of golden vectors") as (file, _):
        reading = _Reading(str(path))
        while line := file.readline(MAX_LINE + 1):
            reading.take(line)
        return reading.whole()


class _Reading:
    """A pack as far as it was read."""

    def __init__(self, where: str) -> None:
        self.where, self.number = where, 0
        self.head: dict[str, Any] = {}
        self.limits: Limits | None = None
        self.nets: dict[str, Network] = {}
        self.cases: list[Case] = []
        self.known: set[str] = set()
        self.rejects: list[Reject] = []
        self.digest, self.ended = hashlib.sha256(), False

    def take(self, line: bytes) -> None:
        """Take the next line. Errors: FileError, NetworkError."""
        self.number += 1
        if self.ended:
            self.refuse("stands behind the end", "nothing")
        if len(line) > MAX_LINE or self.number > MAX_LINES:
            self.refuse("is too long", f"lines of at most {MAX_LINE} bytes, at most {MAX_LINES}")
        found = self._object(line)
        if self.number == 1:
            self._head(found)
        elif set(found) == {"end"}:
            self.ended = True
            if found["end"] != self.digest.hexdigest():
                self.refuse("is not the digest of the lines before", self.digest.hexdigest(), found["end"])
        elif len(found) == 1 and isinstance(value := next(iter(found.values())), dict) and set(found) < set(KEYS):
            kind = next(iter(found))
            self._keys(value, KEYS[kind], kind)
            {"case": self._case, "network": self._network, "reject": self._reject}[kind](value)
        else:
            self.refuse("has no such key", "one of case, network, reject, end")
        self.digest.update(line)

    def whole(self) -> Pack:
        """The pack, once all lines were taken. Errors: FileError."""
        if not self.ended:
            self.number += 1
            self.refuse("is missing", 'the last is {"end": ...}')
        if self.head["cases"] != len(self.cases):
            self.number = 1
            self.refuse("says another number of cases", f"there are {len(self.cases)}", self.head["cases"])
        h = self.head
        named = (h["pack"], h["level"], h["seed"], self.limits)
        return Pack(*named, self.cases, self.rejects, h["bins"], h["not_found"])

    def refuse(self, problem: str, limit: str = "", value: object = None) -> NoReturn:
        """Raise what is wrong with the line that is read."""
        raise FileError("VECTOR-2", f"{self.where} line {self.number}", problem, value, limit)

    def _object(self, line: bytes) -> dict[str, Any]:
        """The object of a line. Errors: FileError."""
        try:
            text = line.decode("ascii")
            found = json.loads(text, object_pairs_hook=unique, parse_constant=_no_number)
            if not isinstance(found, dict):
                self.refuse("is no object")
            if text != f"{canonical(found)}\n":
                self.refuse("is not written as packs are", "keys sorted, no spaces, a newline at its end")
        except (ValueError, RecursionError) as error:  # no ASCII, no JSON, too deep, an integer too long
            self.refuse("is no JSON object", str(error))
        return found

    def _keys(self, value: Mapping[str, Any], wanted: Sequence[str], what: str) -> None:
        for key in (*wanted, *value):
            if (key in value) != (key in wanted):
                self.refuse(f"{what} {'lacks' if key in wanted else 'has the unknown'} key", ", ".join(wanted), key)

    def _head(self, found: dict[str, Any]) -> None:
        """Take the first line. Errors: FileError."""
        self._keys(found, HEAD, "manifest")
        if found["schema"] != SCHEMA or type(found["schema"]) is not int:
            self.refuse("is of another schema", f"this reads {SCHEMA}", found["schema"])
        for key, low, high in (("cases", 0, MAX_LINES), ("level", 1, 2), ("seed", 0, 2**64 - 1)):
            if type(found[key]) is not int or not low <= found[key] <= high:
                self.refuse(f"{key} is no integer in range", f"{low}..{high}", found[key])
        self._texts([found["pack"], found["fsref"], found["spec_version"]], "pack")
        self._texts(found["not_found"], "not_found")
        counts = found["bins"].values() if isinstance(found["bins"], dict) else [None]
        if not all(
            isinstance(c, dict) and {*c} == {*COUNTS} and {type(n) for n in c.values()} == {int} for c in counts
        ):
            self.refuse("bins are no counts by rule", ", ".join(COUNTS))
        try:
            self.limits = None if found["limits"] is None else from_dict(found["limits"], "limits")
        except UsageError as error:
            self.refuse(f"{error.place}: {error.problem}", error.limit, error.value)
        self.head = found

    def _network(self, value: dict[str, Any]) -> None:
        name = value.pop("id")
        net = from_plain(value, f"{self.where} line {self.number}")
        if net.id != name:
            self.refuse("is a network of another id", net.id, name)
        if net.id in self.nets:
            self.refuse("is a network that stands before it already", "once each", name)
        self.nets[net.id] = net

    def _case(self, value: dict[str, Any]) -> None:
        for name in ("aims", "rules", "flags"):
            self._texts(value[name], name)
        self._texts([value[name] for name in ("id", "scope", "unit", "protocol")], "case")
        if value["scope"] not in SCOPES or value["protocol"] not in PROTOCOLS:
            told = (value["scope"], value["protocol"])
            self.refuse("has an unknown scope or protocol", ", ".join((*SCOPES, *PROTOCOLS[1:])), told)
        net = self._known(value["network"])
        try:
            given, expected = wanted(net, value["scope"], value["unit"])
        except FsrefError as error:
            self.refuse(f"{error.place}: {error.problem}", error.limit, error.value)
        wants = able(self.limits, expected)
        arrays = self._arrays(net, value["given"], given), self._arrays(net, value["expected"], wants)
        for key, array in arrays[0].items():
            self._sendable(net, key, array)
        about: dict[str, Any] = {name: tuple(value[name]) for name in ("aims", "rules", "flags")}
        case = Case(net, value["scope"], value["unit"], *arrays, **about, protocol=value["protocol"])
        if case.id != value["id"]:
            self.refuse("is a case of another id", case.id, value["id"])
        if case.id in self.known:
            self.refuse("is a case that stands before it already", "once each", case.id)
        self.known.add(case.id)
        self.cases.append(case)

    def _reject(self, value: dict[str, Any]) -> None:
        self._texts([*(value["flags"] if isinstance(value["flags"], list) else [None]), value["rule"]], "reject")
        frame = integers(value["frame"])
        if frame is None or frame.ndim != 1:
            self.refuse("frame is no list of integers of 64 bits")
        net = None if value["network"] is None else self._known(value["network"])
        reject = Reject(tuple(frame.tolist()), value["rule"], tuple(value["flags"]), net)
        if reject.id != value["id"]:
            self.refuse("is a reject of another id", reject.id, value["id"])
        self.rejects.append(reject)

    def _known(self, name: object) -> Network:
        net = self.nets.get(name) if isinstance(name, str) else None
        if net is None:
            self.refuse("is of a network that does not stand before it", "", name)
        return net

    def _texts(self, values: Any, what: str) -> None:
        """Nothing, when these are texts, not too long. Errors: FileError."""
        if not isinstance(values, list) or not all(isinstance(v, str) and len(v) <= MAX_TEXT for v in values):
            self.refuse(f"{what} is no text or list of texts", f"at most {MAX_TEXT} characters each")

    def _arrays(self, net: Network, found: Any, keys: Sequence[Key]) -> dict[Key, NDArray[np.int64]]:
        """The arrays of a case, in the order wanted, of the shapes that they have. Errors: FileError."""
        if not isinstance(found, dict):
            self.refuse("has no arrays", "an object of NAME.OBSERVABLE")
        self._keys(found, [".".join(key) for key in keys], "case")
        arrays: dict[Key, NDArray[np.int64]] = {}
        for of, what in keys:
            array = integers(found[f"{of}.{what}"])
            p = net[net.named_projections[of].target if what == "sums" else of]
            shape = (net.steps[of], p.neurons) if what == "membranes" else (p.neurons,)
            if array is None or array.shape != shape:
                self.refuse(f"{of}.{what} is no array of integers of 64 bits", f"shape {shape}")
            arrays[of, what] = array
        return arrays

    def _sendable(self, net: Network, key: Key, array: NDArray[np.int64]) -> None:
        """Nothing, when a population can send what is given of it (VECTOR-1). Errors: FileError."""
        of, what = key
        if what == "opening":
            return
        most = net.input.max_code if of == net.input.name else 2 ** net.steps[of] - 1
        if array.min() < 0 or array.max() > most:
            self.refuse(f"{of}.{what} is nothing that it can send", f"0..{most}", int(max(array.max(), -array.min())))


def _no_number(word: str) -> float:
    """Nothing: NaN and Infinity are no JSON. Errors: ValueError."""
    raise ValueError(f"{word} is no number")
