"""What is worked out of a network once, and kept as long as the network."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from threading import RLock
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from fsref.law.network import Network

Found = TypeVar("Found")
ONE = RLock()  # one thread works, the others wait


class kept(Generic[Found]):
    """The same function; what it gives, which must not hold the network, is kept as long as the network."""

    def __init__(self, function: Callable[[Network], Found]) -> None:
        self.function = function
        update_wrapper(self, function)
        self.known: WeakKeyDictionary[Network, Found] = WeakKeyDictionary()

    def __call__(self, net: Network) -> Found:
        found = self.ready(net)
        if found is not None:
            return found
        with ONE:
            if net not in self.known:
                self.known[net] = self.function(net)
            return self.known[net]

    def ready(self, net: Network) -> Found | None:
        """What is kept of a network already."""
        return self.known.get(net)
