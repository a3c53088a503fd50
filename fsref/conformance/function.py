"""A device that is a function of Python (CONFORM-3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fsref.conformance.device import Broken
from fsref.conformance.driven import Observed, Reject
from fsref.conformance.greeting import Greeting, in_order
from fsref.errors import shown
from fsref.law.network import Network
from fsref.vectors.case import Case

Answer = Callable[[Network, dict[str, Any]], Mapping[str, Any]]


class Function:
    """A function that takes a network and what is given, and gives arrays, both by NAME.OBSERVABLE; what it can do is
    told, all of scope network otherwise. It gives at least one array of those expected; all that its limits say it has,
    where they name observables. What it gives beside those is passed over: it is not told which are expected.
    """

    together = 1

    def __init__(self, answer: Answer, told: Greeting) -> None:
        self.answer, self.greeting = answer, told

    def greet(self) -> Greeting:
        """What was told of it."""
        return self.greeting

    def prepare(self, coming: Sequence[Case | Reject]) -> None:
        """Nothing: it is called when its time comes."""

    def answers(self, case: Case) -> Iterator[Observed]:
        """What it answers: arrays as expected, in the order of OBS-2; twice where a case says so. Errors: Broken."""
        for _ in range(2 if case.protocol in ("repeat", "reset") else 1):
            yield self._answered(case)

    def _answered(self, case: Case) -> Observed:
        named = {".".join(key): key for key in in_order(case.net, case.expected)}
        given = {".".join(key): values.copy() for key, values in case.given.items()}
        try:
            made = self.answer(case.net, given)
        except Exception as error:  # whatever it raises is its own
            raise Broken("crash", f"{type(error).__name__}: {shown(error)}") from error
        if not isinstance(made, Mapping):
            raise Broken("garbage", f"it gives {type(made).__name__}, a mapping was asked for")
        if unknown := [name for name in made if name not in named and not _known(case.net, name)]:
            raise Broken("garbage", f"it gives {shown(unknown[0])}, which the network does not have")
        found = {key: _array(name, made[name], case.expected[key].shape) for name, key in named.items() if name in made}
        told = self.greeting.limits.observables
        if missing := [
            name for name, key in named.items() if name not in made and (not found or key[1] in (told or ()))
        ]:
            raise Broken("silence", f"it gives no {missing[0]}")
        return found

    def refuses(self, reject: Reject) -> bool:
        """Whether it refuses a frame: it takes none."""
        return True

    def stop(self) -> None:
        """Nothing: it has ended."""

    def bye(self) -> None:
        """Nothing: it has ended."""


def _known(net: Network, name: Any) -> bool:
    """Whether NAME.OBSERVABLE names an array of a network."""
    of, _, what = str(name).rpartition(".")
    if what == "sums":
        return of in net.named_projections
    return any(of == p.name and what in p.observables for p in net.populations)


def _array(name: str, values: Any, shape: tuple[int, ...]) -> Any:
    """Values as int64 of a shape, flat or as neurons lie in C order. Errors: Broken."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "iub" or array.size != int(np.prod(shape)):
        raise Broken("garbage", f"{name} is {array.dtype} {array.shape}, integers {shape} were asked for")
    return array.astype(np.int64).reshape(shape)
