"""A device that is a process: started, asked frame by frame within a time, and ended with all that it started
(CONFORM-1, CONFORM-3).
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from fsref.conformance.driven import CRASH, GARBAGE, LONGER, SILENCE, TIMEOUT
from fsref.conformance.frames import (
    MOST_SAID,
    REFUSED,
    NoReply,
    Words,
    check_length,
    from_bytes,
    from_hex,
    to_bytes,
    to_hex,
    too_long,
)
from fsref.conformance.garbage import no_number, so_far, written, wrote
from fsref.conformance.starting import started
from fsref.errors import shown
from fsref.tables import plural

PIECE = 2**16  # bytes that are read at once
TAIL = 2**12  # bytes of what a device writes to its standard error that are kept, the last ones
LARGEST = 2**32  # words, beyond which a number of words is none
PER_WORD = 20  # characters of a line at most, for each word it may have
PATIENCE = 2.0  # seconds that a device has to end behind a bye, at most


class Broken(Exception):
    """A device did not answer: a verdict of CONFORM-3, and what happened, in words, with what it said of it, in lines,
    and what would do, where that is known.
    """

    def __init__(self, verdict: str, told: str, said: str = "", would_do: str = "") -> None:
        super().__init__(verdict, told)
        self.verdict, self.told, self.said, self.would_do = verdict, told, said, would_do

    def at(self, what: str) -> Broken:
        """The same, of the answer to this; a run is not said."""
        return self if what == "run" else Broken(self.verdict, f"{what}: {self.told}", self.said)


def end(process: subprocess.Popen[bytes]) -> None:
    """Nothing; then the process and all of its group have ended, and its pipes are closed."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.wait()


def ended(code: int, told: str, said: str = "") -> Broken:
    """How a process ended that gave no whole reply."""
    if code == 0:
        return Broken(SILENCE, f"ended {told}", said)
    known = {int(number): number.name for number in signal.Signals}  # not all that there are: SIGRTMIN + 1
    how = f"signal {known.get(-code, -code)}" if code < 0 else f"exit code {code}"
    return Broken(CRASH, f"ended with {how} {told}", said)


class Process:
    """A device that reads frames, or lines of hex, from its standard input and writes one reply to each."""

    together = 1  # frames that are best asked together

    def __init__(self, command: Sequence[str], timeout: float, lines: bool, starting: float | None = None) -> None:
        self.command, self.timeout, self.lines = command, timeout, lines
        self.starting = timeout if starting is None else starting  # seconds of a start and its greeting
        self.process: subprocess.Popen[bytes] | None = None
        self.selector = selectors.DefaultSelector()
        self.buffer, self.tail, self.looked, self.fresh = bytearray(), bytearray(), 0, True

    def start(self) -> None:
        """Nothing; then the device runs anew. Errors: UsageError."""
        self.stop()
        pipe = subprocess.PIPE
        self.process = process = started(self.command, pipe, pipe, pipe)
        self.selector = selectors.DefaultSelector()
        assert process.stdin and process.stdout and process.stderr
        for stream in (process.stdin, process.stdout, process.stderr):
            os.set_blocking(stream.fileno(), False)
        for reads in (process.stdout, process.stderr):
            self.selector.register(reads, selectors.EVENT_READ)
        self.buffer, self.tail, self.looked, self.fresh = bytearray(), bytearray(), 0, True

    def stop(self) -> None:
        """Nothing; then nothing of the device runs any more."""
        if self.process is not None:
            self.selector.close()
            end(self.process)
            self.process = None

    def prepare(self, asks: Sequence[tuple[Words, int]]) -> None:
        """Nothing: a process is asked when its time comes."""

    def bye(self, words: Words) -> None:
        """Nothing; then the device was told to end, and has."""
        if self.process is not None:
            own, self.timeout = self.timeout, min(self.timeout, PATIENCE)
            with suppress(Broken):
                self.ask(words, 1)
                self._code(monotonic() + self.timeout)
            self.timeout = own
            self.stop()

    def ask(self, words: Words, most: int) -> Words:
        """The reply to a frame, of at most so many words, or a refusal. Errors: Broken, behind which it is ended."""
        try:
            return self._asked(words, most)
        except NoReply as error:
            told = "" if error.longer else wrote(self.buffer, self.lines, most)
            raise self.broken(Broken(LONGER if error.longer else GARBAGE, f"{error}{told}")) from None

    def broken(self, found: Broken) -> Broken:
        """What was found, with what the device said of it; then it is ended."""
        lines = bytes(self.tail).decode("utf-8", "backslashreplace").strip().splitlines()
        found.said = found.said or "\n".join(map(shown, lines))
        self.stop()
        return found

    def _asked(self, words: Words, most: int) -> Words:
        process = self.process
        assert process is not None and process.stdin is not None
        seconds = self.starting if self.fresh else self.timeout
        deadline, self.fresh = monotonic() + seconds, False
        left = memoryview(f"{to_hex(words)}\n".encode() if self.lines else to_bytes(words))
        open_, writes = self._read(0)
        if self.buffer:
            raise NoReply("it wrote before it was asked")
        left = self._sent(left)
        if left:
            self.selector.register(process.stdin, selectors.EVENT_WRITE)
        reply: Words | None = None
        while True:
            if open_:  # else nothing more will come
                open_, writes = self._read(deadline - monotonic())
            if left and writes:
                left = self._sent(left)
                if not left:
                    self.selector.unregister(process.stdin)
            if reply is not None and self.buffer:
                raise self._behind(0)
            if reply is None:
                reply = self._line(most) if self.lines else self._frame(most)
            if reply is not None and not (left and open_):
                return reply
            if not open_ and reply is None:
                told = f"behind {len(self.buffer)} bytes of a reply" if self.buffer else "without a reply"
                code = self._code(deadline)
                raise self.broken(Broken(SILENCE, f"closed its output {told}") if code is None else ended(code, told))
            if monotonic() >= deadline:
                told = f"no whole reply in {seconds:g} s; {so_far(self.buffer, self.lines)}"
                over = "" if process.poll() is None else "; it has ended, what it started holds its output open"
                raise self.broken(Broken(TIMEOUT, told + over))

    def _behind(self, end: int) -> NoReply:
        """That bytes stand behind the end of a reply."""
        rest = self.buffer[end:]
        return NoReply(f"{plural(len(rest), 'byte')} behind the end of its reply, {written(rest)}", longer=True)

    def _sent(self, left: memoryview) -> memoryview:
        """What is left to write; nothing, where the device reads no more: it may have answered."""
        assert self.process is not None and self.process.stdin is not None
        try:
            return left[os.write(self.process.stdin.fileno(), left) :]
        except BlockingIOError:
            return left
        except OSError:
            return left[:0]

    def _read(self, wait: float) -> tuple[bool, bool]:
        """Whether the output is open still, and whether more may be written; read is what is there, within a time."""
        assert self.process is not None
        writes, output = False, self.process.stdout
        assert output is not None
        for key, _ in self.selector.select(max(0.0, wait)):
            if key.fileobj is self.process.stdin:
                writes = True
                continue
            piece = os.read(key.fd, PIECE)
            if not piece:
                self.selector.unregister(key.fileobj)
            elif key.fileobj is output:
                self.buffer += piece
            else:
                self.tail = (self.tail + piece)[-TAIL:]
        return output in self.selector.get_map(), writes

    def _code(self, deadline: float) -> int | None:
        """The exit code of a device that wrote its last, None when it has not ended by then."""
        assert self.process is not None
        while (code := self.process.poll()) is None and monotonic() < deadline:
            self._read(0.002)
        self._read(0)
        return code

    def _frame(self, most: int) -> Words | None:
        """A whole reply in frames, None while it is none yet. Errors: NoReply."""
        if len(self.buffer) < 8:
            return None
        count = int(from_bytes(self.buffer[:8])[0])
        if not 1 <= count <= LARGEST:
            raise NoReply(no_number(max(most, 1 + MOST_SAID)))
        if count > most:
            if len(self.buffer) < 16 and count <= 1 + MOST_SAID:
                return None
            if count > 1 + MOST_SAID or from_bytes(self.buffer[8:16])[0] != REFUSED:
                raise too_long(count, most)
        whole = 8 + 8 * count
        if len(self.buffer) > whole:
            raise self._behind(whole)
        if len(self.buffer) < whole:
            return None
        reply = from_bytes(self.buffer[8:])
        self.buffer.clear()
        return reply

    def _line(self, most: int) -> Words | None:
        """A whole reply in hex, None while it is none yet. Errors: NoReply."""
        stop = self.buffer.find(b"\n", self.looked)
        self.looked = len(self.buffer)
        if stop < 0:
            if len(self.buffer) > PER_WORD * max(most, 1 + MOST_SAID):
                told = f"a line of {plural(len(self.buffer), 'character')} without an end, of {plural(most, 'word')}"
                raise NoReply(f"{told} that were asked for", longer=True)
            return None
        reply = from_hex(self.buffer[: stop + 1].decode("ascii", "backslashreplace"))
        check_length(reply, most)
        if stop + 1 < len(self.buffer):
            raise self._behind(stop + 1)
        self.buffer.clear()
        self.looked = 0
        return reply
