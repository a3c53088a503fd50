"""What an engine is: whatever has `simulator(net)` and `working_bytes(net)`; and those that come with fsref, by name
(RUN-2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from fsref.engines.activity import Activity
from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints

ENGINES = ("events", "quantized", "reference")
OBJECTS = 2**11  # bytes of the objects around the arrays of one population or projection
Wanted: TypeAlias = Mapping[str, frozenset[str]]  # population -> observables to keep
Simulator: TypeAlias = Callable[[Ints, Wanted], Iterator[Activity]]
Counter: TypeAlias = Callable[[Ints], tuple[Ints, Ints]]


@runtime_checkable
class Engine(Protocol):
    """An engine: a module or an object. It may also have a `name`; `kernels`, what does its work, in words, or
    `kernels_for(net)`; `shared_bytes(net, threads)`, a bound on the bytes that all images share; and
    `counting_bytes(net)`, a bound on the bytes of one image of which nothing is wanted; `telling_bytes(net)`, a bound
    on what images share beside where something is; and `counter(net)`, a function from images (B, C, H, W) to their
    logits (B, neurons of all readouts) and spikes (B, spiking populations), which then takes the place of the simulator
    where nothing is wanted, or None for a network that it has none for.
    """

    def simulator(self, net: Network) -> Simulator:
        """A function from images (B, C, H, W) to the activity of every population in turn."""

    def working_bytes(self, net: Network) -> int:
        """A bound on the bytes one image takes."""


@cache
def named(name: str) -> Engine:
    """The module of one that comes with fsref."""
    found: Engine = import_module(f"fsref.engines.{name}")
    return found


def engine_of(engine: str | Engine) -> Engine:
    """The engine of this name, its module imported on first use, or the engine given (RUN-2). Errors: UsageError."""
    if isinstance(engine, str):
        if engine in ENGINES:
            return named(engine)
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


def bytes_of(engine: str | Engine, net: Network, threads: int, recording: bool) -> tuple[int, int]:
    """What an engine takes for a network on so many threads: the bytes that images share, 0 where it does not tell, and
    those of one image (RUN-2, RUN-3). Errors: UsageError for what is no number of bytes.
    """
    own = engine_of(engine)
    shared = getattr(own, "shared_bytes", None)
    counting = None if recording else getattr(own, "counting_bytes", None)
    telling = getattr(own, "telling_bytes", None) if recording else None
    found = {"shared_bytes": shared(net, threads) if shared else 0, "telling_bytes": telling(net) if telling else 0}
    found |= {"counting_bytes": counting(net)} if counting else {"working_bytes": own.working_bytes(net)}
    for name, given in found.items():
        if not isinstance(given, int | np.integer) or isinstance(given, bool) or given < 0:
            raise UsageError("RUN-2", "engine", f"{name} gave no number of bytes", repr(given), "an integer, 0 or more")
    total, more, each = map(int, found.values())
    return total + more, each


def counter_of(engine: str | Engine, net: Network) -> Counter | None:
    """What tells only logits and spikes of images, where the engine has it for this network (RUN-2)."""
    found: Callable[[Network], Counter | None] | None = getattr(engine_of(engine), "counter", None)
    return found(net) if found else None


def kernels_of(engine: str | Engine, net: Network) -> str:
    """What does the work of an engine for a network, in words; "its own" where the engine does not tell."""
    own = engine_of(engine)
    told = getattr(own, "kernels_for", None)
    return str(told(net) if told else getattr(own, "kernels", "its own"))
