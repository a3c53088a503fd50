"""A device that is handed files: frames of many cases in one, replies in another (CONFORM-1)."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from fsref.conformance.device import PER_WORD, TAIL, Broken, end, ended
from fsref.conformance.driven import GARBAGE, LONGER, SILENCE, TIMEOUT
from fsref.conformance.frames import (
    BYE,
    HELLO,
    MOST_SAID,
    VERSION,
    NoReply,
    Words,
    check_length,
    frame,
    from_hex,
    to_hex,
)
from fsref.conformance.starting import started
from fsref.errors import shown


class Files:
    """A device that answers the lines of a file by those of another: COMMAND IN OUT."""

    together = 100  # frames that are best asked together

    def __init__(self, command: Sequence[str], timeout: float) -> None:
        self.command, self.timeout = command, timeout  # seconds of a file
        self.asked: deque[Words] = deque()
        self.replies: deque[str] = deque()
        self.broken_off = Broken(SILENCE, "ended without a reply")

    def start(self) -> None:
        """Nothing: it is started for each file, and what was prepared is dropped."""
        self.asked.clear()
        self.replies.clear()

    def stop(self) -> None:
        """Nothing: it has ended."""
        self.start()

    def bye(self, words: Words) -> None:
        """Nothing: every file ends with one."""

    def prepare(self, asks: Sequence[tuple[Words, int]]) -> None:
        """Nothing; then the device was started for these frames, each with the most words of its reply."""
        self.start()
        hello, bye = frame(HELLO, VERSION), frame(BYE)
        self.asked.extend([hello, *(words for words, _ in asks)])
        most = PER_WORD * sum(max(bound, 1 + MOST_SAID) for _, bound in asks) + 2**21
        with TemporaryDirectory(prefix="fsref-") as folder:
            given, answered, said = (Path(folder) / name for name in ("in", "out", "said"))
            given.write_text("".join(f"{to_hex(words)}\n" for words in (*self.asked, bye)), encoding="ascii")
            with open(said, "wb") as errors:
                command, nothing = [*self.command, str(given), str(answered)], subprocess.DEVNULL
                process = started(command, nothing, nothing, errors.fileno())
            try:
                code: int | None = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                end(process)
            last = _end_of(said, TAIL)
            self.broken_off = (
                Broken(TIMEOUT, f"no whole reply in {self.timeout:g} s", last)
                if code is None
                else ended(code, "without a reply", last)
            )
            self.replies.extend(_lines(answered, most))
        self._next(2**13 + 2)  # the greeting, which is known

    def ask(self, words: Words, most: int) -> Words:
        """The reply to a frame, which was prepared or is asked alone. Errors: Broken."""
        if not self.asked or not np.array_equal(self.asked[0], words):
            self.prepare([(words, most)])
        return self._next(most)

    def broken(self, found: Broken) -> Broken:
        """What was found; then nothing is left of what was prepared."""
        self.stop()
        return found

    def _next(self, most: int) -> Words:
        """The next reply. Errors: Broken."""
        self.asked.popleft()
        if not self.replies:
            raise self.broken(self.broken_off)
        line = self.replies.popleft()
        try:
            reply = from_hex(line)
            check_length(reply, most)
        except NoReply as error:
            verdict = LONGER if error.longer else GARBAGE
            raise self.broken(Broken(verdict, f"{error}", self.broken_off.said)) from None
        return reply


def _lines(path: Path, most: int) -> list[str]:
    """The whole lines of a file, of at most so many bytes."""
    if not path.is_file():
        return []
    with open(path, "rb") as file:
        text = file.read(most)
    return text[: text.rfind(b"\n") + 1].decode("ascii", "backslashreplace").splitlines()


def _end_of(path: Path, most: int) -> str:
    """The end of a file as text to show."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - most))
        return shown(file.read(most).decode("utf-8", "backslashreplace").strip())
