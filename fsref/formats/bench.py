"""A test bench in SystemVerilog around a module that somebody else wrote: it feeds the spikes of some populations step
by step, and gathers what the module answers as memories (BENCH).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fsref.errors import LimitError, UsageError
from fsref.formats.layout import Layout
from fsref.formats.memories import Memory, owner
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES

MAX_PORT = 65_536  # bits of a vector that every tool takes (IEEE 1800, 6.9.1)
PLAIN = re.compile(r"[\w.-]+", re.ASCII)  # names that a shell and Verilog take as they are
MODULES = Path(__file__).with_suffix(".sv")  # of stimuli and answers, the same for every chip

TOP = """\
// {about}
// A test bench of a module `chip` (or the macro FSREF_CHIP) with these ports; rules BENCH-1 to BENCH-4 of fsref:
//
{head}
//
// verilator lint_off DECLFILENAME
// verilator lint_off SYNCASYNCNET
`include "fsref_network.svh"
`ifndef FSREF_CHIP
`define FSREF_CHIP chip
`endif
`ifndef FSREF_ANSWERS
`define FSREF_ANSWERS "answers"
`endif
module fsref_bench;
  import fsref_network::*;
  localparam int FIRST = {first}, LAST = {last};  // steps of an image: of the first stimulus, of the last answer
  localparam NEXT = {next};
  reg clk, rst, valid, due, open, stalls;
  integer image, step, pause, idle, clocks, timeout;
  reg [31:0] noise;
  reg [8*256-1:0] wave;
  wire ready;
  wire start = valid && step == FIRST;
{wires}
  `FSREF_CHIP dut (
      .clk(clk), .rst(rst), .start(start), .valid(valid), .ready(ready),
{connections}
  );
{instances}
  wire full = {full};
  wire more = {more};
  wire moves = rst || valid && ready === 1 || {moves};
  wire go = !stalls || noise[31] && (ready === 1 || noise[30:24] == 0);  // so that gaps outlast what a chip computes
  always #5 clk = ~clk;
  always @(posedge clk) begin
    clocks <= clocks + 1;
    noise <= {{noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]}};  // every state but 0
    idle <= moves ? 0 : idle + 1;
    if (more) stop("has an answer too many");
    if (idle == 5000) $display("fsref_bench: 5000 clocks without step or answer: image %0d, step %0d", image, step);
    if (idle > timeout) stop("does not go on (+timeout=CLOCKS)");
    if (open && ^{{ready, {valids}}} === 1'bx) stop("leaves ready or a valid x or z");
    if (pause > 0) begin  // in reset, and when an image is answered: an answer too many would come now
      pause <= pause - 1;
      rst <= rst && pause > 2;
      if (pause == 1 && image == IMAGES - 1) done;
      else if (pause == 1) begin
        image <= image + 1;
        step <= FIRST;
        {{open, due, valid}} <= {{2'b11, go}};
      end
    end else if (due && !valid) valid <= go;
    else if (valid && ready === 1) begin
      if (step < LAST) step <= step + 1;
      {{due, valid}} <= step < LAST ? {{1'b1, go}} : 2'b00;
    end else if (!due && full) begin
      open <= 0;
      pause <= 4;
    end
  end
  initial begin
    {{clk, rst, valid, due, open}} = 5'b01000;
    {{step, idle, clocks}} = 0;
    image = -1;
    pause = 6;
    timeout = 1000000;
    noise = 0;
    stalls = $value$plusargs("stall=%d", noise) != 0;
    noise = (2 * noise + 1) * 32'h9e3779b9;
    if ($value$plusargs("timeout=%d", timeout)) ;
    if (^{{noise, timeout}} === 1'bx || $test$plusargs("stall") && !stalls)
      $fatal(1, "fsref_bench: +stall=SEED and +timeout=CLOCKS take a number");
    if ($value$plusargs("vcd=%s", wave)) begin
      $dumpfile(wave);
      $dumpvars(0, fsref_bench);
    end
  end
  task done;
    begin
      write(IMAGES, 0);
      if ({unknown} > 0) $fatal(1, "fsref_bench: answers hold x or z. Next: %0s %0s", NEXT, `FSREF_ANSWERS);
      $display("fsref_bench: %0d images in %0d clocks. Next: %0s %0s", IMAGES, clocks, NEXT, `FSREF_ANSWERS);
      $finish(0);
    end
  endtask
  task write(input integer images, input partly);
    begin
{writes}
    end
  endtask
  task stop(input [8*32-1:0] why);
    begin
      $display("fsref_bench: the chip %0s: image %0d, step %0d, ready %b, first awaited %0s", why, image, step, ready,
          {awaited});
{tells}
      write(image + !open, open);
      if (open) $display("fsref_bench: of image %0d what was answered is in %0s, the rest x", image, `FSREF_ANSWERS);
      $fatal(1, "fsref_bench: stopped; %0d whole images are in %0s. Next: %0s %0s", image + !open, `FSREF_ANSWERS,
          NEXT, `FSREF_ANSWERS);
    end
  endtask
endmodule
"""


@dataclass(frozen=True)
class Port:
    """A memory at a port of the chip: the stem of its constants, the constant that counts its neurons, and how many
    answers an image has.
    """

    memory: Memory
    stem: str
    neurons: str
    beats: int

    @property
    def constant(self) -> str:
        """What the constants of the memory begin with."""
        return f"{self.stem}_{self.memory.what.upper()}"

    @property
    def name(self) -> str:
        """The name of the port."""
        return self.constant.lower()

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
        return (
            f'  fsref_answers #(.NAME("{self.name}"), .FILE({{`FSREF_ANSWERS, "/{self.memory.file}.mem"}}),\n'
            f"      {self.parameters}, .LANES({lanes}), .BEATS({self.beats}))\n"
            f"    {self.name}_port (.clk(clk), .open(open), .image(image), .valid({self.name}_valid),\n"
            f"      .data({self.name}), .full({self.name}_full), .more({self.name}_more));"
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
    net: Network,
    layout: Layout,
    feed: Sequence[str],
    memories: Sequence[Memory],
    stems: Mapping[str, str],
    about: str,
    command: str,
) -> bytes:
    """The test bench of a chip that gets the spikes of `feed` and answers with the other observables of `memories`,
    whose constants begin with `stems`; it ends with `command` and the folder of the answers. Errors: UsageError for a
    layout whose words no port has, LimitError.
    """
    if layout.bits == "low" or layout.bytes == "low" or (layout.spikes == "steps" and layout.word is not None):
        limit = "wanted bits high, bytes high, and no word beside spikes=steps"
        raise UsageError("BENCH-1", "feed", "words of this layout are none of a port", None, limit)
    ports = [_port(net, memory, stems) for memory in memories if memory.what in OBSERVABLES]
    fed = [port for port in ports if port.memory.of in feed]
    answers = [port for port in ports if port.memory.of not in feed]
    windows = [_window(net, port.memory.of) for port in ports]
    names = [port.name for port in answers]
    connections = [f".{port.name}({port.name})" for port in fed]
    connections += [f".{name}_valid({name}_valid), .{name}({name})" for name in names]
    wires = [f"  wire {port.range} {port.name};" for port in ports]
    wires += [f"  wire {name}_valid, {name}_full, {name}_more;" for name in names]
    pieces = {
        "about": about,
        "head": "\n".join(f"//     {line}" for line in _head(fed, answers)),
        "first": str(min(window.start for window in windows)),
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
        "next": _quoted(command if command.isprintable() and command else _command(net, layout)),
    }
    return (TOP.format_map(pieces) + MODULES.read_text(encoding="ascii")).encode("ascii")


def _port(net: Network, memory: Memory, stems: Mapping[str, str]) -> Port:
    """The port of an observable. Errors: LimitError when its vector is too wide."""
    of, what = memory.of, memory.what
    p = owner(net, (of, what))
    stepped = what in ("spikes", "membranes")
    bits = p.neurons * (1 if what == "spikes" else memory.words.bits)
    if bits > MAX_PORT:
        limit = f"at most {MAX_PORT}: fewer populations, or spikes alone"
        raise LimitError("BENCH-1", f"{of} {what}", "is too wide for a port", f"{bits} bits", limit)
    return Port(memory, stems[of], f"{stems[p.name]}_NEURONS", net.steps[p.name] if stepped else 1)


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


def _quoted(text: str) -> str:
    """A string of SystemVerilog, what is not printable ASCII, a quote or a backslash as octal bytes."""
    shown = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(shown)}"'
