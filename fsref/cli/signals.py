"""How the command line ends when it is told to: Ctrl-C, SIGTERM and SIGHUP are one line and exit code 128 + N, behind
an orderly way out, on which whatever writes takes back what it has not finished.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SOON = 0.01  # seconds; at once would be inside the finaliser still
TOLD = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}


class Stopped(BaseException):
    """The command was told to end: no error that anything between here and `main` may catch."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def told(self) -> str:
        """What happened, in words."""
        return TOLD[signal.Signals(self.number).name]

    @property
    def code(self) -> int:
        """The exit code, as shells count it."""
        return 128 + self.number


def to_main_thread(number: int) -> None:
    """Nothing; then the signal has come to the main thread, and woken it where it waits, if the system can do that."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


@contextmanager
def stopping() -> Iterator[Callable[[], None]]:
    """While the block runs, signals end it. Until the function it gives is called nothing is open, and the process ends
    at once: an exception would be lost or garbled half-way through an import. From then on the first raises Stopped in
    the main thread, and those behind it wait: the way out is short. Signals that are ignored, as `nohup` does, stay so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    numbers = [number for name in TOLD if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    hook = sys.unraisablehook

    def at_once(number: int, frame: object) -> None:
        os.write(2, f"fsref: error: {Stopped(number).told}\n".encode())
        os._exit(Stopped(number).code)

    def in_order(number: int, frame: object) -> None:
        handled(waiting)
        raise Stopped(number)

    def waiting(number: int, frame: object) -> None:
        """Nothing. Not SIG_IGN: of a signal that came already Python would print that it is ignored."""

    def again(unraisable: Any) -> None:
        """Where Python drops an exception, as in a finaliser, the signal comes once more."""
        if isinstance(unraisable.exc_value, Stopped):
            handled(in_order)
            threading.Timer(SOON, to_main_thread, (unraisable.exc_value.number,)).start()
        else:
            hook(unraisable)

    def handled(by: Any) -> None:
        for number in taken:
            signal.signal(number, by)

    handled(at_once)
    sys.unraisablehook = again
    try:
        yield lambda: handled(in_order)
    finally:
        sys.unraisablehook = hook
        for number in taken:
            signal.signal(number, before[number])
