"""What an engine is: whatever has `simulator(net)` and `working_bytes(net)`; and those that come with fsref, by name
(RUN-2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Protocol, TypeAlias, runtime_checkable

from fsref.engines.activity import Activity
from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints

ENGINES = ("events", "quantized", "reference")
Wanted: TypeAlias = Mapping[str, frozenset[str]]  # population -> observables to keep
Simulator: TypeAlias = Callable[[Ints, Wanted], Iterator[Activity]]


@runtime_checkable
class Engine(Protocol):
    """An engine: a module or an object. It may also have a `name`, and `kernels`, what does its work, in words."""

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


def kernels_of(engine: str | Engine) -> str:
    """What does the work of an engine, in words; "its own" where the engine does not tell."""
    return str(getattr(engine_of(engine), "kernels", "its own"))
