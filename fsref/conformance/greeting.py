"""What a device says of itself when it is greeted: its limits, and which scopes and network it has (CONFORM-2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fsref.errors import FileError, UsageError, nearest
from fsref.formats.chips import MAX_FILE, no_number
from fsref.formats.container import unique
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.limits.chip import Limits, from_dict
from fsref.simulation.recording import Key
from fsref.tables import Brief
from fsref.vectors.case import SCOPES, Case

MAX_VERSION = 256  # characters
OWN = ("scopes", "network", "version", "refuses")  # keys beside those of a limits file
GREETING = MAX_FILE // 8 + 2  # words of the longest reply to a hello


@dataclass(frozen=True, repr=False)
class Greeting(Brief):
    """What a device can do: its `limits` (CHIP-1), the `scopes` that it runs, the id of the one `network` that it holds
    or "", a `version` of its own, and whether it `refuses` what it must. Errors: UsageError.
    """

    limits: Limits = field(default_factory=Limits)
    scopes: tuple[str, ...] = ("network",)
    network: str = ""
    version: str = ""
    refuses: bool = True

    @classmethod
    def of(cls, plain: Any, place: str = "greeting") -> Greeting:
        """The greeting that plain values say. Errors: UsageError, which names the nearest key for an unknown one."""
        if not isinstance(plain, Mapping):
            raise UsageError("CONFORM-2", place, "not an object", type(plain).__name__)
        known = [*OWN, *(f.name for f in fields(Limits))]
        for key in plain:
            if key not in known:
                raise UsageError("CONFORM-2", place, "unknown key", key, nearest(str(key)[:64], known))
        scopes, network, version = plain.get("scopes", ["network"]), plain.get("network", ""), plain.get("version", "")
        if not isinstance(scopes, list | tuple) or not scopes or any(scope not in SCOPES for scope in scopes):
            raise UsageError("CONFORM-2", f"{place} scopes", "not a list of scopes", scopes, ", ".join(SCOPES))
        if not isinstance(network, str) or network and (len(network) != 64 or set(network) - set("0123456789abcdef")):
            raise UsageError("CONFORM-2", f"{place} network", "no id of a network", network, "64 hexadecimal digits")
        if not isinstance(version, str) or len(version) > MAX_VERSION:
            raise UsageError(
                "CONFORM-2", f"{place} version", "not a text", version, f"at most {MAX_VERSION} characters"
            )
        if not isinstance(refuses := plain.get("refuses", True), bool):
            raise UsageError("CONFORM-2", f"{place} refuses", "not true or false", refuses)
        limits = from_dict({key: value for key, value in plain.items() if key not in OWN}, place)
        return cls(limits, tuple(dict.fromkeys(scopes)), network, version, refuses)

    def asked(self, case: Case) -> list[Key]:
        """What of a case the device can be asked for, in the order of OBS-2; nothing where it has not its scope."""
        able = self.limits.observables
        if case.scope not in self.scopes:
            return []
        return [key for key in in_order(case.net, case.expected) if able is None or key[1] in able]

    def to_dict(self) -> dict[str, Any]:
        """The keys that say something, as plain JSON values."""
        own = {"scopes": list(self.scopes), "network": self.network or None, "version": self.version or None}
        return {"limits": self.limits.to_dict(), **own, "refuses": self.refuses}


def in_order(net: Network, keys: Iterable[Key]) -> list[Key]:
    """Keys in the order in which they are compared (OBS-2)."""
    names, projections = [p.name for p in net.populations], list(net.named_projections)

    def place(key: Key) -> tuple[int, int, int]:
        of, what = key
        at = projections.index(of) if what == "sums" else 0
        owner = net.named_projections[of].target if what == "sums" else of
        return names.index(owner), OBSERVABLES.index(what), at

    return sorted(keys, key=place)


def greeting_of(text: bytes) -> Greeting:
    """The greeting that a device wrote, of nothing the one of an empty object. Errors: FileError."""
    if not text:
        return Greeting()
    place = "greeting of the device"
    if len(text) > MAX_FILE:
        raise FileError("CONFORM-2", place, "is too long", len(text), f"at most {MAX_FILE} bytes")
    try:
        return Greeting.of(json.loads(text.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_number), place)
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, too deep, an integer too long
        raise FileError("CONFORM-2", place, "is no JSON of what it can do", str(error)) from None
    except UsageError as error:
        raise FileError(error.rule, error.place, error.problem, error.value, error.limit) from None
