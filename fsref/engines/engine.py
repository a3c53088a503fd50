"""What an engine is: whatever has `simulator(net)` and `working_bytes(net)`; and those that come with fsref, by name
(RUN-2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from importlib import import_module
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable
from weakref import WeakKeyDictionary

import numpy as np

from fsref.engines.activity import Activity
from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints

ENGINES = ("events", "quantized", "reference")
OBJECTS = 2**11  # bytes of the objects around the arrays of one population or projection
Wanted: TypeAlias = Mapping[str, frozenset[str]]  # population -> observables to keep
Simulator: TypeAlias = Callable[[Ints, Wanted], Iterator[Activity]]
Found = TypeVar("Found")


def kept(function: Callable[[Network], Found]) -> Callable[[Network], Found]:
    """The same function, what it gives kept as long as the network lives, which it must not hold."""
    known: WeakKeyDictionary[Network, Found] = WeakKeyDictionary()

    @wraps(function)
    def once(net: Network) -> Found:
        if net not in known:
            known[net] = function(net)
        return known[net]

    return once


@runtime_checkable
class Engine(Protocol):
    """An engine: a module or an object. It may also have a `name`; `kernels`, what does its work, in words, or a
    function of the network that gives them; `shared_bytes(net, threads)`, a bound on the bytes that all images share;
    and `telling_bytes(net, wanted)`, what these and one image take more where observables are wanted.
    """

    def simulator(self, net: Network) -> Simulator:
        """A function from images (B, C, H, W) to the activity of every population in turn, the readout last."""

    def working_bytes(self, net: Network) -> int:
        """A bound on the bytes one image takes."""


def engine_of(engine: str | Engine) -> Engine:
    """The engine of this name, its module imported on first use, or the engine given (RUN-2). Errors: UsageError."""
    if isinstance(engine, str):
        if engine in ENGINES:
            found: Engine = import_module(f"fsref.engines.{engine}")
            return found
    elif isinstance(engine, Engine) and not isinstance(engine, type):  # a class has them too, and no self
        return engine
    given = engine if isinstance(engine, str) else getattr(engine, "__name__", type(engine).__name__)
    limit = f"{', '.join(ENGINES)}, or an object with simulator(net) and working_bytes(net)"
    raise UsageError("RUN-2", "engine", "unknown engine", given, limit)


def name_of(engine: str | Engine) -> str:
    """What results call an engine: its name, else that of its module or class."""
    if isinstance(engine, str):
        return engine
    own = getattr(engine, "name", None)
    module = getattr(engine, "__name__", None) or type(engine).__name__
    return str(own) if own else str(module).rpartition(".")[2]


def bytes_of(engine: str | Engine, net: Network, threads: int, wanted: Wanted) -> tuple[int, int]:
    """What an engine takes for a network on so many threads where observables are wanted: the bytes that images share,
    0 where it does not tell, and those of one image (RUN-2, RUN-3). Errors: UsageError for what is no number of bytes.
    """
    own = engine_of(engine)
    shared, telling = getattr(own, "shared_bytes", None), getattr(own, "telling_bytes", None)
    found = {"shared_bytes": shared(net, threads) if shared else 0, "working_bytes": own.working_bytes(net)}
    for name, given in found.items():
        if not isinstance(given, int | np.integer) or isinstance(given, bool) or given < 0:
            raise UsageError("RUN-2", "engine", f"{name} gave no number of bytes", repr(given), "an integer, 0 or more")
    more = telling(net, wanted) if telling else (0, 0)
    return int(found["shared_bytes"]) + more[0], int(found["working_bytes"]) + more[1]


def kernels_of(engine: str | Engine, net: Network) -> str:
    """What does the work of an engine for a network, in words; "its own" where the engine does not tell."""
    found = getattr(engine_of(engine), "kernels", "its own")
    return str(found(net) if callable(found) else found)
