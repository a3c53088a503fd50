"""What a list of address events says of itself before its first event: network, layout, images, what was observed of
each population, fields (AER-2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, UsageError
from fsref.formats import aer
from fsref.formats import layout as layouts
from fsref.formats.aer import Fields
from fsref.formats.container import unique
from fsref.formats.layout import Layout
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.simulation.recording import Trace
from fsref.tables import Brief
from fsref.version import __version__

OBSERVED = "AER-2"
MAX_IMAGES = 2**40
SAYING = re.compile(r"(?:#|//)\s*(network|layout|images|population|fields)\s+(\S.*)")
POPULATION = re.compile(r"(\S{1,64})\s+steps\s+(\S+)\s+neurons\s+(\S+)")


@dataclass(repr=False)
class Told(Brief):
    """What the lines before the first event say: how many images, of each population its steps in the window and the
    addresses observed, fields of words, the layout.
    """

    images: int | None = None
    observed: dict[int, tuple[Ints, Ints]] = field(default_factory=dict)
    fields: Fields | None = None
    layout: Layout | None = None


def sayings(trace: Trace, layout: Layout, fields: Fields | None) -> Iterator[str]:
    """The lines, without their mark; of the layout what is not as usual."""
    yield f"fsref {__version__}"
    yield f"network {trace.net.id}"
    usual, own = Layout().to_dict(), layout.to_dict()
    if own != usual:
        yield f"layout {json.dumps({key: value for key, value in own.items() if value != usual[key]})}"
    yield f"images {trace.image_count}"
    net, chosen = trace.net, trace.selection
    for index, p in enumerate(net.populations):
        if (p.name, "spikes") in trace.arrays:
            window = chosen.window[p.name] + net.schedule.start[p.name]
            neurons = np.sort(aer.addresses(layout, p)[chosen.neurons[p.name]])
            steps = _spans(window, net.schedule.fires[p.name])
            yield f"population {index} steps {steps} neurons {_spans(neurons, range(p.neurons))}"
    if fields is not None:
        yield f"fields {','.join(f'{name}:{bits}' for name, bits in fields.items())}"


def _spans(numbers: NDArray[np.integer], whole: range) -> str:
    """Numbers that ascend as `all`, `none`, or spans such as 0-3,7."""
    if len(numbers) in (0, len(whole)):
        return "all" if len(numbers) else "none"
    breaks = np.flatnonzero(np.diff(numbers) > 1)
    first, last = numbers[[0, *(breaks + 1)]].tolist(), numbers[[*breaks, len(numbers) - 1]].tolist()
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(first, last, strict=True))


def told_by(net: Network, data: bytes, place: str) -> Told:
    """What the lines say that come before the first event. Errors: FileError."""
    told, at = Told(), 0
    while True:
        stop = data.find(b"\n", at)
        line = data[at : stop if stop >= 0 else len(data)].decode("ascii", "replace").strip()
        if line and not line.startswith(("#", "//")):
            return told
        if (match := SAYING.fullmatch(line)) is not None:
            try:
                _take(net, told, match[1], match[2].strip(), f"{place}: {match[1]}")
            except UsageError as error:
                raise FileError(
                    error.rule, f"{place}: {error.place}", error.problem, error.value, error.limit
                ) from None
        if stop < 0:
            return told
        at = stop + 1


def is_list(start: bytes) -> bool:
    """Whether a text that begins so is a list: its first line names the columns of an event, or it tells fields."""
    told = False
    for line in map(str.strip, start.decode("ascii", "replace").split("\n")):
        match = SAYING.fullmatch(line)
        told |= match is not None and match[1] == "fields"
        if line and not line.startswith(("#", "//")):
            with suppress(UsageError):
                return not isinstance(aer.checked(aer.fields_of(line, "columns"), "columns"), Mapping)
            break
    return told


def _take(net: Network, told: Told, key: str, text: str, place: str) -> None:
    """Take in what one line says. Errors: FileError, UsageError."""
    match key:
        case "network":
            if text != net.id:
                raise FileError(OBSERVED, place, "is another one", text[:12], f"this one is {net.id[:12]}")
        case "images":
            if not re.fullmatch("[0-9]{1,12}", text) or not 1 <= int(text) <= MAX_IMAGES:
                raise FileError(OBSERVED, place, "is no number of images", text[:40], "wanted 1 or more")
            told.images = int(text)
        case "fields":
            found = aer.checked(aer.fields_of(text, "fields"), "fields")
            if not isinstance(found, Mapping):
                raise FileError(OBSERVED, place, "have no widths", text[:40], "wanted NAME:BITS,NAME:BITS")
            told.fields = found
        case "layout":
            try:
                plain = json.loads(text if len(text) <= layouts.MAX_FILE else "", object_pairs_hook=unique)
            except (ValueError, RecursionError):
                raise FileError(OBSERVED, place, "is no JSON object", text[:40]) from None
            told.layout = layouts.checked(layouts.from_dict(plain, "layout"), net)
        case _:
            said = POPULATION.fullmatch(text)
            named = said[1].encode("ascii", "replace") if said is not None else b""
            digits = aer.indexes(net).get(named, named)
            index = int(digits) if digits.isdigit() else -1
            if said is None or not 0 <= index < len(net.populations):
                limit = f"wanted I steps all neurons all, or spans as 0-3,7; I a name or 0..{len(net.populations) - 1}"
                raise FileError(OBSERVED, place, "says nothing of this network", text[:40], limit)
            if index in told.observed:
                raise FileError(OBSERVED, place, "is told twice", index, "each population once")
            p = net.populations[index]
            steps = _numbers(said[2], net.schedule.fires[p.name], f"{place} {index} steps")
            told.observed[index] = steps, _numbers(said[3], range(p.neurons), f"{place} {index} neurons")


def _numbers(text: str, whole: range, place: str) -> Ints:
    """The numbers that spans name, within those that there are. Errors: FileError."""
    flags = np.full(len(whole), text == "all")
    for span in () if text in ("all", "none") else text.split(",", len(whole)):
        match = re.fullmatch("([0-9]{1,12})(?:-([0-9]{1,12}))?", span)
        first, last = (int(match[1]), int(match[2] or match[1])) if match is not None else (0, -1)
        if not (first <= last and first in whole and last in whole):
            limit = f"wanted all, none, or spans of {whole.start}..{whole.stop - 1}"
            raise FileError(OBSERVED, place, "are not there", span[:40], limit)
        flags[first - whole.start : last + 1 - whole.start] = True
    return np.flatnonzero(flags) + whole.start
