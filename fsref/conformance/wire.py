"""Cases as frames: what is sent for each, and what came back (CONFORM-1, VECTOR-5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fsref.conformance.device import Broken
from fsref.conformance.driven import GARBAGE, LONGER, Observed, Reject
from fsref.conformance.frames import (
    BYE,
    HELLO,
    LOAD,
    REFUSED,
    RESET,
    VERSION,
    NoReply,
    Words,
    frame,
    hello_text,
    load_frame,
    run_frame,
    run_reply,
    run_words,
)
from fsref.conformance.greeting import GREETING, Greeting, greeting_of
from fsref.errors import FileError, shown
from fsref.law.network import Network
from fsref.vectors.case import Case

Ask = tuple[Words, int]  # a frame, and the most words of its reply


class Refused(Exception):
    """A device refuses a frame; `str()` says which."""


class Device(Protocol):
    """What frames are sent to."""

    @property
    def together(self) -> int:
        """How many cases are best asked together."""

    def start(self) -> None:
        """Nothing; then it runs anew."""

    def stop(self) -> None:
        """Nothing; then nothing of it runs any more."""

    def prepare(self, asks: Sequence[Ask]) -> None:
        """Nothing; then it knows what will be asked."""

    def ask(self, words: Words, most: int) -> Words:
        """The reply to a frame. Errors: Broken."""

    def broken(self, found: Broken) -> Broken:
        """What was found; then it is ended."""

    def bye(self, words: Words) -> None:
        """Nothing; then it has ended."""


@dataclass
class Sent:
    """Which network a device has loaded, and which one before it."""

    net: Network | None = None
    before: Network | None = None

    def loaded(self, net: Network) -> bool:
        """Whether it has this one; then it has."""
        known = self.net is not None and self.net.id == net.id
        if not known:
            self.before = self.net or self.before
        self.net = net
        return known


class Wire:
    """A device that is sent frames: it greets, answers cases, and refuses rejects."""

    def __init__(self, device: Device) -> None:
        self.device, self.sent, self.greeting = device, Sent(), Greeting()

    @property
    def together(self) -> int:
        """How many cases are best asked together."""
        return self.device.together

    def greet(self) -> Greeting:
        """What the device says of itself, started anew. Errors: Broken, UsageError where it cannot be started."""
        self.device.start()
        self.sent = Sent()
        reply = self.device.ask(frame(HELLO, VERSION), GREETING)
        try:
            self.greeting = greeting_of(hello_text(reply))
        except NoReply as error:
            raise self.device.broken(Broken(GARBAGE, f"no greeting: {error}")) from None
        except FileError as error:
            raise self.device.broken(
                Broken(GARBAGE, str(error), would_do="fsref rule CONFORM-2 tells its keys")
            ) from None
        return self.greeting

    def prepare(self, coming: Sequence[Case | Reject]) -> None:
        """Nothing; then the device knows what will be asked."""
        if self.together > 1:
            sent, asks = Sent(self.sent.net, self.sent.before), []
            sent.net = None  # each file is a start
            for one in coming:
                asks += [ask for ask, _ in asked(one, sent, self.greeting)]
            self.sent.net = None
            self.device.prepare(asks)

    def answers(self, case: Case) -> Iterator[Observed]:
        """What the device answers, of each run that a case asks for: arrays as expected, in the order of OBS-2.
        Errors: Broken, Refused.
        """
        shapes = {key: case.expected[key].shape for key in self.greeting.asked(case)}
        for (words, most), what in asked(case, self.sent, self.greeting):
            try:
                reply = self.device.ask(words, most)
            except Broken as error:
                raise error.at(what) from None
            if reply[0] == REFUSED:
                self.sent.net = None if words[0] == LOAD else self.sent.net
                raise Refused(f"it refuses its {what}{_own(reply)}")
            try:
                if what == "run":
                    yield run_reply(reply, shapes)
                elif reply[0] != words[0] or len(reply) > 1:
                    raise NoReply(f"no reply to a {what}: it begins with {reply[0]}")
            except NoReply as error:
                raise self.device.broken(Broken(LONGER if error.longer else GARBAGE, str(error))) from None

    def refuses(self, reject: Reject) -> bool:
        """Whether the device refuses a frame. Errors: Broken."""
        *loads, (ask, _) = asked(reject, self.sent, self.greeting)
        for load, _ in loads:
            self.device.ask(*load)
        refused = bool(self.device.ask(*ask)[0] == REFUSED)
        if not refused:
            self.sent.net = None  # it may have loaded that
        return refused

    def stop(self) -> None:
        """Nothing; then nothing of the device runs any more."""
        self.device.stop()

    def bye(self) -> None:
        """Nothing; then the device was told to end, and has."""
        self.device.bye(frame(BYE))


def asked(one: Case | Reject, sent: Sent, greeting: Greeting) -> Iterator[tuple[Ask, str]]:
    """The frames of a case or a reject for a device that greets so, with what each is; then they were sent."""
    net, held = one.net, bool(greeting.network)
    if net is not None and not held and not sent.loaded(net):
        yield (load_frame(net), 1), "load"
    if not isinstance(one, Case):
        yield (np.array(one.frame, np.int64), GREETING), "reject"
        return
    if one.protocol == "reload" and not held and sent.before is not None:
        yield (load_frame(sent.before), 1), "load"
        yield (load_frame(one.net), 1), "load"
    keys = greeting.asked(one)
    run = run_frame(one.net, one.given, keys), run_words([one.expected[key].size for key in keys])
    yield run, "run"
    if one.protocol == "reset":
        yield (frame(RESET), 1), "reset"
    if one.protocol in ("reset", "repeat"):
        yield run, "run"


def _own(reply: Words) -> str:
    """The words of its own with which a device refuses."""
    return f": {shown(' '.join(map(str, reply[1:].tolist())))}" if len(reply) > 1 else ""
