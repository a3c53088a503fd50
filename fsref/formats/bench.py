"""A test bench in SystemVerilog around a module that somebody else wrote: it feeds the spikes of some populations step
by step, and gathers what the module answers as memories (BENCH).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fsref.errors import LimitError, UsageError, printable
from fsref.formats.layout import Layout
from fsref.formats.memories import Memory, owner
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES

MAX_PORT = 65_536  # bits of a vector that every tool takes (IEEE 1800, 6.9.1)
PLAIN = re.compile(r"[\w.-]+", re.ASCII)  # names that a shell and Verilog take as they are
STEPPED = ("spikes", "membranes")  # observables with an answer for each step
CODES = {"reset": 1, "stall": 2, "abort": 3, "restart": 4}  # of what is done before or in an image (VECTOR-5)
MODULES = Path(__file__).with_suffix(".sv")  # of stimuli and answers, the same for every chip

TOP = Path(__file__).with_name("bench_top.sv.in")  # what is around them, by str.format


@dataclass(frozen=True)
class Image:
    """An image of a test bench: what it is, "" for its number alone, and "" or a protocol of `CODES` (BENCH-5)."""

    label: str = ""
    protocol: str = ""


@dataclass(frozen=True)
class Bench:
    """A test bench that is wanted: whose spikes enter the chip; the command that judges its answers; and its images,
    where they are more than numbers: it is then itself all that judges them.
    """

    feed: Sequence[str]
    command: str = ""
    images: Sequence[Image] = ()


@dataclass(frozen=True)
class Port:
    """A memory at a port of the chip: the stem of its constants, that of the population of its neurons, how many
    answers an image has, and the order of its addresses: 0 chw, 1 hwc, 2 another one.
    """

    memory: Memory
    stem: str
    owner: str
    beats: int
    order: int

    @property
    def constant(self) -> str:
        """What the constants of the memory begin with."""
        return f"{self.stem}_{self.memory.what.upper()}"

    @property
    def name(self) -> str:
        """The name of the port."""
        return self.constant.lower()

    @property
    def neurons(self) -> str:
        """The constant that counts its neurons."""
        return f"{self.owner}_NEURONS"

    @property
    def range(self) -> str:
        """The range of the port, told in constants."""
        return f"[{self.neurons}{'' if self.memory.what == 'spikes' else f'*{self.constant}_BITS'}-1:0]"

    @property
    def trains(self) -> bool:
        """Whether a word of the memory holds all steps of a neuron."""
        return self.memory.what == "spikes" and self.memory.axes[-1] == "address"

    @property
    def parameters(self) -> str:
        """The parameters of the module at the port but for the name of its file."""
        return f".WORDS({self.constant}_WORDS), .BITS({self.constant}_BITS), .TRAINS({int(self.trains)})"

    def stimulus(self) -> str:
        """The module that feeds the port."""
        return (
            f"  fsref_stimulus #(.FILE({self.constant}_FILE), {self.parameters},\n"
            f"      .NEURONS({self.neurons}), .K({self.stem}_K), .START({self.stem}_START))\n"
            f"    {self.name}_port (.valid(valid), .image(image), .step(step), .spikes({self.name}));"
        )

    def answers(self) -> str:
        """The module that gathers what the port answers."""
        lanes = "1" if self.memory.what == "spikes" and not self.trains else self.neurons
        place, what = quoted(self.memory.of), quoted(self.memory.what)
        told = f".STEPS(1), .START({self.stem}_START)" if self.memory.what in STEPPED else ".STEPS(0)"
        return (
            f'  fsref_answers #(.NAME("{self.name}"), .FILE({{`FSREF_ANSWERS, "/{self.memory.file}.mem"}}),\n'
            f"      .RIGHT({self.constant}_FILE), .PLACE({place}), .WHAT({what}),\n"
            f"      {self.parameters}, .SIGNED({self.constant}_SIGNED), .LANES({lanes}), .BEATS({self.beats}),\n"
            f"      .NEURONS({self.neurons}), .H({self.owner}_H), .W({self.owner}_W), .ORDER({self.order}), {told})\n"
            f"    {self.name}_port (.clk(clk), .rst(rst), .open(open), .half(half), .image(image),\n"
            f"      .valid({self.name}_valid), .data({self.name}), .full({self.name}_full), .more({self.name}_more));"
        )


def behind(net: Network, feed: Sequence[str]) -> list[str]:
    """The populations that a chip computes which gets the spikes of those in `feed` (BENCH-1). Errors: UsageError."""
    names = [p.name for p in net.populations]
    for name in feed:
        if not (isinstance(name, str) and net.steps.get(name)):
            problem = "has no spikes" if name in names else "unknown population"
            raise UsageError("BENCH-1", "feed", problem, name, ", ".join(n for n in names if net.steps[n]))
    known = set(feed)
    for p in net.populations:
        if (before := net.sources(p.name)) and known.issuperset(before):
            known.add(p.name)
    return [name for name in names if name in known and name not in feed]


def text(
    net: Network, layout: Layout, bench: Bench, memories: Sequence[Memory], stems: Mapping[str, str], about: str
) -> bytes:
    """The test bench of a chip that gets the spikes of what is fed and answers with the other observables of
    `memories`, whose constants begin with `stems`. Errors: UsageError for a layout whose words no port has, LimitError.
    """
    if layout.bits == "low" or layout.bytes == "low" or (layout.spikes == "steps" and layout.word is not None):
        limit = "wanted bits high, bytes high, and no word beside spikes=steps"
        raise UsageError("BENCH-1", "feed", "words of this layout are none of a port", None, limit)
    ports = [_port(net, layout, memory, stems) for memory in memories if memory.what in OBSERVABLES]
    fed = [port for port in ports if port.memory.of in bench.feed]
    answers = [port for port in ports if port.memory.of not in bench.feed]
    windows = [_window(net, port.memory.of) for port in ports]
    names = [port.name for port in answers]
    connections = [f".{port.name}({port.name})" for port in fed]
    connections += [f".{name}_valid({name}_valid), .{name}({name})" for name in names]
    first = min(windows, key=lambda window: window.start)
    wires = [f"  wire {port.range} {port.name};" for port in ports]
    wires += [f"  wire {name}_valid, {name}_full, {name}_more;" for name in names]
    pieces = {
        "about": about,
        "head": "\n".join(f"//     {line}" for line in _head(fed, answers)),
        "first": str(first.start),
        "fed": str((first.start + first.stop - 1) // 2),
        "last": str(max(window.stop for window in windows) - 1),
        "wires": "\n".join(wires),
        "connections": ",\n".join(f"      {connection}" for connection in connections),
        "instances": "\n".join([*(port.stimulus() for port in fed), *(port.answers() for port in answers)]),
        "full": " && ".join(f"{name}_full" for name in names),
        "more": " || ".join(f"{name}_more" for name in names),
        "valids": ", ".join(f"{name}_valid" for name in names),
        "moves": " || ".join(f"{name}_valid === 1" for name in names),
        "unknown": " + ".join(f"{name}_port.unknown" for name in names),
        "awaited": " : ".join(['!open ? "none"', *(f'!{name}_full ? "{name}"' for name in names), '"none"']),
        "writes": "\n".join(f"      {name}_port.write(images, partly);" for name in names),
        "tells": "\n".join(f"      {name}_port.tell;" for name in names),
        "firsts": "\n".join(f"      if ({name}_port.first < first) first = {name}_port.first;" for name in names),
        "differs": "        "
        + "\n        else ".join(f"if ({name}_port.first == first) {name}_port.tell_first;" for name in names),
        **_images(bench.images),
        "tail": _tail(net, layout, bench),
    }
    top = TOP.read_text(encoding="ascii").format_map(pieces)
    return (top + MODULES.read_text(encoding="ascii")).encode("ascii")


def _images(images: Sequence[Image]) -> dict[str, str]:
    """The pieces that say of images what they are, and what is done before or in them (BENCH-5)."""
    labels = [(at, quoted(printable(image.label))) for at, image in enumerate(images) if image.label]
    codes = [(at, CODES[image.protocol]) for at, image in enumerate(images) if image.protocol]
    cases = len({image.label for image in images})
    return {
        "longest": str(max((len(text) for _, text in labels), default=1)),
        "labels": "".join(f"      {at}: label = {text};\n" for at, text in labels),
        "protocols": "".join(f"      {at}: protocol = {code};\n" for at, code in codes),
        "cases": f"{cases} cases, " if images else "",
    }


def _tail(net: Network, layout: Layout, bench: Bench) -> str:
    """What ends the last line, a string of SystemVerilog: the command that compares answers, where there is one."""
    if bench.images:
        return '"."'
    command = bench.command if bench.command.isprintable() and bench.command else _command(net, layout)
    return f'{{". Next: ", {quoted(command)}, " ", `FSREF_ANSWERS}}'


def _port(net: Network, layout: Layout, memory: Memory, stems: Mapping[str, str]) -> Port:
    """The port of an observable. Errors: LimitError when its vector is too wide."""
    of, what = memory.of, memory.what
    p = owner(net, (of, what))
    bits = p.neurons * (1 if what == "spikes" else memory.words.bits)
    if bits > MAX_PORT:
        limit = f"at most {MAX_PORT}: fewer populations, or spikes alone"
        raise LimitError("BENCH-1", f"{of} {what}", "is too wide for a port", f"{bits} bits", limit)
    order = {"chw": 0, "hwc": 1}.get(layout.neurons, 2) if isinstance(layout.neurons, str) else 2
    return Port(memory, stems[of], stems[p.name], net.steps[p.name] if what in STEPPED else 1, order)


def _window(net: Network, of: str) -> range:
    """The steps of an image in which a population fires, or a readout receives (TIME-1)."""
    name = of if of in net.schedule.fires else net.named_projections[of].target
    return net.schedule.fires[name] or net.schedule.receives[name]


def _head(fed: Sequence[Port], answers: Sequence[Port]) -> list[str]:
    """The lines of a module with all the ports and nothing in it."""
    ports = [f"input {port.range} {port.name}" for port in fed]
    ports += [f"output reg {port.name}_valid, output reg {port.range} {port.name}" for port in answers]
    lines = ["module chip import fsref_network::*; (", "    input clk, rst, start, valid, output ready,"]
    return [*lines, *(f"    {port}," for port in ports[:-1]), f"    {ports[-1]}", ");"]


def _command(net: Network, layout: Layout) -> str:
    """The command that compares answers, as far as it is known from a network and a layout."""
    command = f"fsref diff {net.name if PLAIN.fullmatch(net.name) else 'NET'} IMAGES"
    told, plain = layout.to_dict(), Layout().to_dict()
    changed = {key: value for key, value in told.items() if value != plain[key]}
    if any(isinstance(value, dict) for value in changed.values()):
        return f"{command} --layout FILE"
    keys = ",".join(f"{key}={value}" for key, value in changed.items())
    return f"{command} --layout {keys}" if changed else command


def quoted(text: str) -> str:
    """A string of SystemVerilog, what is not printable ASCII, a quote or a backslash as octal bytes."""
    shown = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(shown)}"'
