"""A recording as a value change dump, which waveform viewers show (VCD-1)."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from fsref.errors import LimitError, UsageError
from fsref.formats import aer
from fsref.formats import layout as layouts
from fsref.formats.files import write
from fsref.formats.layout import Layout
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Population
from fsref.simulation import dumps
from fsref.simulation.folder_told import check_network
from fsref.simulation.recording import Key, Trace, check_trace
from fsref.tables import Brief
from fsref.version import __version__

if TYPE_CHECKING:
    from vcd.writer import Variable, VCDWriter

RULE = "VCD-1"
HOLDS = ("opening", "spikes", "membranes", "codes")
SCOPE = "fsref"
MAX_TEXT = 2**30
Given = Layout | Mapping[str, Any] | str | PathLike[str] | None


def save(
    net: Network,
    path: str | PathLike[str],
    trace: Trace | None = None,
    layout: Given = None,
    replace: bool = True,
) -> None:
    """Write spikes, membranes, opening and codes of a recording as a value change dump (VCD-1).

    Of `layout` the keys neurons and shift are taken: a dump shows integers, not words. Errors: UsageError, also where
    pyvcd is missing; LimitError, FileError.
    """
    if trace is None:
        limit = "trace=fsref.run(..., record=...).trace; on the command line images"
        raise UsageError(RULE, "export", "a value change dump needs a recording", None, limit)
    check_trace(trace, "trace")
    check_network(trace.net, net, RULE)
    if not any(_is_shown(trace, key) for key in trace.arrays):
        raise UsageError(RULE, "trace", "holds nothing that a dump shows", None, f"some of {', '.join(HOLDS)}")
    write(_text(trace, layouts.given(layout, net)).encode("ascii"), path, RULE, replace)


def package() -> Any:
    """The package pyvcd, which writes dumps. Errors: UsageError when it is not installed."""
    try:
        import vcd
    except ModuleNotFoundError:
        raise UsageError(RULE, "export", "needs the package pyvcd", None, 'pip install "fsref[vcd]"') from None
    return vcd


def scopes(net: Network) -> dict[str, str]:
    """The name of the scope of each population: its own as a Verilog identifier, with its index where two agree."""
    plain = {p.name: re.sub("[^A-Za-z0-9_]", "_", p.name) for p in net.populations}
    plain = {name: made if made[0].isalpha() or made[0] == "_" else f"p_{made}" for name, made in plain.items()}
    if len(set(plain.values())) == len(plain):
        return plain
    return {name: f"{made}_{index}" for index, (name, made) in enumerate(plain.items())}


def period(net: Network) -> int:
    """The time from one image to the next: all steps, and that in which logits stand that nothing reads later."""
    return net.schedule.steps + 1


def moments(net: Network, p: Population, what: str) -> range:
    """The steps of an image in which an observable of a population has the value that is meant: spikes and membranes
    in each of its window, the opening in the first, codes in the last.
    """
    start, steps = net.schedule.start[p.name], net.steps[p.name]
    match what:
        case "opening":
            return range(start, start + 1)
        case "codes":
            return range(start + steps - 1, start + steps)
        case _:
            return range(start, start + steps)


@dataclass(frozen=True, repr=False)
class Wires(Brief):
    """The signals of one array of a recording, in the order of its neurons: what they show of an image, and when."""

    what: str
    variables: list[Variable[Any]]
    values: Ints
    steps: range
    observed: Mapping[int, int]  # of a step of the image, its place in the values of an image

    def at(self, image: int, step: int) -> Sequence[int | str] | None:
        """What the signals become in a step of an image: integers, digits x, or None where they stay."""
        if (place := self.observed.get(step)) is not None:
            values: list[int] = self.values[image, place].tolist()
            return values
        if step in self.steps:
            return ["x"] * len(self.variables)
        if self.what == "spikes":
            return [0] * len(self.variables) if step in (0, self.steps.stop) else None
        return ["x"] * len(self.variables) if step == 0 else None


def _text(trace: Trace, layout: Layout) -> str:
    """The dump: an image begins `period` units of time after the one before it, a step is one unit."""
    net, file = trace.net, io.StringIO()
    writer = _writer(file, trace, layout)
    markers = [writer.register_var((SCOPE,), name, "integer", 32) for name in ("image", "step")]
    wires = list(_wires(writer, trace, layout))
    for image in range(trace.image_count):
        for step in range(period(net)):
            time = image * period(net) + step
            for variable, number in zip(markers, (image, step), strict=True):
                writer.change(variable, time, number)
            for one in wires:
                if (now := one.at(image, step)) is not None:
                    for variable, value in zip(one.variables, now, strict=True):
                        writer.change(variable, time, value)
        if file.tell() > MAX_TEXT:
            limit = f"at most {MAX_TEXT} bytes: fewer images, populations or observables"
            raise LimitError(RULE, "trace", "is too long for one dump", f"{trace.image_count} images", limit)
    writer.close(trace.image_count * period(net))
    return file.getvalue()


def _writer(file: io.StringIO, trace: Trace, layout: Layout) -> VCDWriter:
    """A writer of dumps. Errors: UsageError where pyvcd is missing."""
    usual, own = Layout().to_dict(), layout.to_dict()
    told = {key: own[key] for key in ("neurons", "shift") if own[key] != usual[key]}
    comment = f"fsref {__version__} network {trace.net.id} layout {json.dumps(told)}"
    made: VCDWriter = package().VCDWriter(file, "1 ns", date="", comment=comment)
    return made


def _is_shown(trace: Trace, key: Key) -> bool:
    """Whether a dump shows an array: of spikes and membranes none of whose steps were recorded there is nothing."""
    of, what = key
    return what in HOLDS and (what in ("opening", "codes") or len(trace.selection.window[of]) > 0)


def _wires(writer: VCDWriter, trace: Trace, layout: Layout) -> Iterator[Wires]:
    """The signals of every array of a recording that a dump shows."""
    net, named = trace.net, scopes(trace.net)
    for (of, what), array in trace.arrays.items():
        if not _is_shown(trace, (of, what)):
            continue
        p, chosen = net[of], trace.selection
        bits, signed = dumps.form(net, layout, (of, what))
        order = dumps.addressed(net, layout, p, chosen.neurons[of])
        numbers = np.sort(aer.addresses(layout, p)[chosen.neurons[of]]).tolist()
        window = chosen.window[of]
        values = array[..., order].astype(np.int64)
        if what == "spikes":
            values, bits = values[:, None] >> (net.steps[of] - 1 - window)[:, None] & 1, 1
        elif what in dumps.SHIFTED:
            values = values >> layout.shift_of(of)
        values = (values if values.ndim == 3 else values[:, None]) & ((1 << bits) - 1 if bits < 64 else -1)
        steps = moments(net, p, what)
        places = range(len(steps)) if what in ("opening", "codes") else window.tolist()
        observed = {steps[at]: place for place, at in enumerate(places)}
        kind = "integer" if signed else "wire"  # viewers show an integer with its sign
        span = "" if what == "spikes" else f" [{bits - 1}:0]"
        variables = [writer.register_var((SCOPE, named[of]), f"{what}[{n}]{span}", kind, bits) for n in numbers]
        yield Wires(what, variables, values, steps, observed)
