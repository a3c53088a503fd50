"""What is worked out of a network once, and kept as long as the network."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import TypeVar
from weakref import WeakKeyDictionary

from fsref.law.network import Network

Found = TypeVar("Found")
ONE = RLock()  # one thread works, the others wait


def kept(function: Callable[[Network], Found]) -> Callable[[Network], Found]:
    """The same function; what it gives, which must not hold the network, is kept as long as the network."""
    known: WeakKeyDictionary[Network, Found] = WeakKeyDictionary()

    @wraps(function)
    def once(net: Network) -> Found:
        try:
            return known[net]
        except KeyError:
            with ONE:
                if net not in known:
                    known[net] = function(net)
                return known[net]

    return once
