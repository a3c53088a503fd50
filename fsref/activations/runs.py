"""Runs of annealing that are kept in a file as they end, so that a fit that was stopped goes on (FIT-9)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fsref.errors import FileError
from fsref.formats.container import unique
from fsref.formats.files import write
from fsref.formats.json_network import integers
from fsref.formats.reading import read_whole
from fsref.law.neuron import Ints

SCHEMA = "fsref.fit/2"  # runs of 1 have another cost
MAX_FILE = 2**20  # bytes
WANTED = "a file of this fit, or none: another name"


class Run(NamedTuple):
    """What a run found: the least cost, and the thresholds and resets (K,) that have it."""

    cost: float
    T: Ints
    h: Ints


class Runs:
    """The runs of one fit, in their order; those that stand in the file at `path` are not made again.

    `asked`, plain values, is all that the fit depends on, its `steps` among it. Errors: FileError for a file that is
    none of this fit.
    """

    def __init__(self, path: str | PathLike[str] | None, asked: Mapping[str, Any]) -> None:
        self.path = None if path is None else Path(path)
        self.asked, self.taken = dict(asked), 0
        self.done: list[Run] = self._read() if self.path is not None and self.path.exists() else []

    def run(self, make: Callable[[], Run]) -> Run:
        """The next run: as it stands in the file, else made and kept."""
        if self.taken == len(self.done):
            self.done.append(make())
            self._keep()
        self.taken += 1
        return self.done[self.taken - 1]

    def _keep(self) -> None:
        if self.path is None:
            return
        runs = [{"cost": run.cost, "T": run.T.tolist(), "h": run.h.tolist()} for run in self.done]
        write(json.dumps({"schema": SCHEMA, "asked": self.asked, "runs": runs}).encode("ascii"), self.path, "FIT-9")

    def _read(self) -> list[Run]:
        assert self.path is not None
        where = str(self.path)
        try:
            plain = json.loads(read_whole(self.path, "FIT-9", MAX_FILE, WANTED).decode(), object_pairs_hook=unique)
            if not isinstance(plain, dict) or plain.get("schema") != SCHEMA:
                raise ValueError(f"no {SCHEMA}")
            theirs = dict(plain["asked"])
            for name in {**self.asked, **theirs}:
                if (there := theirs.get(name)) != (here := self.asked.get(name)):
                    raise FileError("FIT-9", where, "holds another fit", f"{name} {there}, not {here}", WANTED)
            return [self._one(run) for run in plain["runs"]]
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
            raise FileError("FIT-9", where, "holds no runs of a fit", str(error), WANTED) from None

    def _one(self, plain: Any) -> Run:
        """A run of the file. Errors: ValueError, KeyError, TypeError."""
        T, h = integers(plain["T"]), integers(plain["h"])
        if T is None or h is None or not T.shape == h.shape == (self.asked["steps"],):
            raise ValueError("T and h are not integers, one for each step")
        return Run(float(plain["cost"]), np.array(T), np.array(h))
