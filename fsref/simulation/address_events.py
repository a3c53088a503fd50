"""Lists of address events: the spikes of a recording as text or as words, and back (AER-1, AER-2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, UsageError
from fsref.formats import aer, hexadecimal, readmemh
from fsref.formats import layout as layouts
from fsref.formats.aer import Fields
from fsref.formats.files import write
from fsref.formats.layout import Layout
from fsref.formats.reading import read_whole
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.simulation.events_told import OBSERVED, Told, sayings, told_by
from fsref.simulation.folder_told import check_network
from fsref.simulation.memory import check_memory
from fsref.simulation.recording import Selection, Trace, check_trace

RULE = "AER-1"
HOLDS = ("spikes",)
LINES, WORDS = 32, 80  # bytes of memory for each byte of a list
Given = Layout | Mapping[str, Any] | str | PathLike[str] | None
Places = NDArray[np.intp]


def save(
    net: Network,
    path: str | PathLike[str],
    trace: Trace | None = None,
    layout: Given = None,
    fields: Sequence[str] | Fields | str | None = None,
    replace: bool = True,
) -> None:
    """Write the spikes of a recording as a list of address events (AER-1).

    `fields` are the columns of lines, or a mapping from the fields of words to their bits, the highest field first, or
    either as text; without them lines of image, step, population and neuron. Errors: UsageError for a recording of no
    spikes, and for fields that do not hold them; LimitError, FileError.
    """
    if trace is None:
        limit = "trace=fsref.run(..., record=...).trace; on the command line images"
        raise UsageError(RULE, "export", "a list of events needs a recording", None, limit)
    check_trace(trace, "trace")
    check_network(trace.net, net, RULE)
    if not any(what == "spikes" for _, what in trace.arrays):
        raise UsageError(RULE, "trace", "holds no spikes", None, "a recording of the observable spikes")
    chosen = layouts.given(layout, net)
    named = aer.fields_of(fields, "fields") if isinstance(fields, str) else aer.COLUMNS if fields is None else fields
    named = aer.checked(named, "fields")
    if "image" not in named and trace.image_count > 1:
        raise UsageError(RULE, "fields", "leave out the image", f"{trace.image_count} images", "a field image")
    events = aer.to_columns(net, chosen, trace.events(), [*named])
    write(aer.joined(_text(trace, chosen, named, events), str(path)), path, RULE, replace)


def _text(trace: Trace, layout: Layout, named: Sequence[str] | Fields, events: Ints) -> Iterator[bytes]:
    """The parts of a list: what is told of it, then its events."""
    mark = "//" if isinstance(named, Mapping) else "#"
    told = sayings(trace, layout, named if isinstance(named, Mapping) else None)
    yield "".join(f"{mark} {line}\n" for line in told).encode("ascii")
    if isinstance(named, Mapping):
        yield hexadecimal.lines(layout.pack(aer.to_numbers(events, named), sum(named.values()), "fields"))
    else:
        yield f"{','.join(named)}\n".encode("ascii")
        yield from aer.to_lines(events)


def read(net: Network, path: str | PathLike[str], layout: Given = None, memory_limit: int = 2**33) -> Trace:
    """The recording that a list of address events is; without `layout` that which it tells (AER-2). Errors: FileError,
    naming the event; UsageError, LimitError.
    """
    place = str(path)
    data = read_whole(path, RULE, hexadecimal.MAX_TEXT, "a list of address events")
    told = told_by(net, data, place)
    check_memory((LINES if told.fields is None else WORDS) * len(data), memory_limit, place)
    chosen = layouts.given(layout, net) if layout is not None else told.layout or Layout()
    names, columns = _columns(net, data, told.fields, chosen, place)
    events = aer.of_columns(net, chosen, columns, names, place)
    return _recorded(net, events, told, chosen, place, memory_limit)


def _columns(
    net: Network, data: bytes, fields: Fields | None, layout: Layout, place: str
) -> tuple[Sequence[str], Ints]:
    """The names of the columns of a list, and its columns. Errors: FileError."""
    if fields is not None:
        bits = sum(fields.values())
        found = readmemh.read(data, layout.width_in_file(layout.width(bits, place)), place)
        numbers = layout.unpack(found, bits, False, place)
        if (wide := np.flatnonzero(numbers >> bits)).size:
            limit = f"fields of {bits} bits"
            raise FileError(RULE, f"{place}: event {wide[0]}", "has bits beside its fields", None, limit)
        return [*fields], aer.of_numbers(numbers, fields)
    lines = [line for text in data.split(b"\n") if (line := text.strip()) and not line.startswith((b"#", b"//"))]
    head = lines[0].decode("ascii", "replace") if lines else ""
    try:
        named = aer.checked(aer.fields_of(head, "columns"), "columns")
    except UsageError as error:
        raise FileError(RULE, f"{place}: {error.place}", error.problem, head[:60], error.limit) from None
    if isinstance(named, Mapping):
        raise FileError(RULE, place, "words are numbers alone", head[:60], f"a first line // fields {head[:60]}")
    return named, aer.of_lines(net, lines[1:], named, place)


def _recorded(net: Network, events: Ints, told: Told, layout: Layout, place: str, memory_limit: int) -> Trace:
    """The recording that events are, of what was observed (AER-2). Errors: FileError, LimitError."""
    observed = told.observed or {
        index: (np.array(net.schedule.fires[p.name]), np.arange(p.neurons))
        for index, p in enumerate(net.populations)
        if index in np.unique(events[:, 2])
    }
    observed = {index: observed[index] for index in sorted(observed) if len(observed[index][1])}
    if not observed:
        limit = "events, or a line # population I steps all neurons all"
        raise FileError(OBSERVED, place, "does not say what was observed", None, limit)
    neurons: dict[str, Places] = {}
    window: dict[str, Places] = {}
    for index, (steps, at) in observed.items():
        p = net.populations[index]
        if "spikes" not in p.observables:
            raise FileError(OBSERVED, place, f"{p.name} never fires", index, "populations that send spikes")
        neurons[p.name] = np.sort(layout.neuron_at(p)[at])
        window[p.name] = (steps - net.schedule.start[p.name]).astype(np.intp)
    images = told.images or 1 + int(events[:, 0].max(initial=0))
    check_memory(4 * images * sum(map(len, neurons.values())), memory_limit, place)
    names = [p.name for p in net.populations]
    known = {name: events[:, 2] == names.index(name) for name in neurons}
    _check_observed(events, ~np.any([*known.values()], axis=0), "population", place)
    _check_observed(events, events[:, 0] >= images, "image", place)
    arrays = {}
    for name, mine in known.items():
        shift = net.steps[name] - 1 - (events[mine, 1] - net.schedule.start[name])
        at = np.searchsorted(neurons[name], events[mine, 3])
        at[at == len(neurons[name])] = 0
        for what, missing in (
            ("neuron", neurons[name][at] != events[mine, 3]),
            ("step", ~np.isin(events[mine, 1] - net.schedule.start[name], window[name])),
        ):
            _check_observed(events[mine], missing, what, place)
        arrays[name, "spikes"] = np.zeros((images, len(neurons[name])), np.uint16)
        np.bitwise_or.at(arrays[name, "spikes"], (events[mine, 0], at), (1 << shift).astype(np.uint16))
    complete = all(len(neurons[n]) == net[n].neurons and len(window[n]) == net.steps[n] for n in neurons)
    return Trace(net, images, Selection(neurons, window, ("spikes",), complete), arrays)


def _check_observed(events: Ints, missing: NDArray[np.bool_], what: str, place: str) -> None:
    """Nothing, when every event is of what was observed. Errors: FileError naming the first that is not."""
    if missing.any():
        event = dict(zip(aer.COLUMNS, events[int(np.argmax(missing))].tolist(), strict=True))
        told: Iterable[str] = (f"{name} {value}" for name, value in event.items())
        limit = "the lines before the events say which was"
        raise FileError(OBSERVED, f"{place}: {', '.join(told)}", f"this {what} was not observed", event[what], limit)
