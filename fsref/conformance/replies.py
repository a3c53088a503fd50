"""A pack as frames, and the replies to them judged, where fsref does not start the device: through a pipe, or of a file
(CONFORM-1, CONFORM-3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from copy import copy
from typing import BinaryIO, TypeAlias

from fsref.conformance.device import Broken
from fsref.conformance.drive import Drive, witnessed
from fsref.conformance.driven import GARBAGE, LONGER, SILENCE, Driven, Reject
from fsref.conformance.frames import BYE, NoReply, Words, frame, from_bytes, from_hex, too_long
from fsref.conformance.garbage import SHOWN, no_number, wrote
from fsref.conformance.greeting import Greeting
from fsref.conformance.wire import Ask, Sent, Wire, asked
from fsref.limits.chip import Limits
from fsref.tables import plural
from fsref.vectors.case import SCOPES, Case
from fsref.vectors.pack import Pack

MAX_REPLY = 2**26  # bytes of a reply
MAX_SURPLUS = 1_000  # replies behind the last that are counted
WORD = 8  # bytes
Reply: TypeAlias = Words | NoReply


def items(pack: Pack) -> list[Case | Reject]:
    """The cases, then the rejects, behind each of which the last case must be answered as before (VECTOR-4)."""
    return list(witnessed(pack.cases, pack.rejects))


def able(pack: Pack) -> Greeting:
    """What the device of a pack is taken to say of itself: it has every scope, and the limits that the pack is for."""
    return Greeting(Limits() if pack.limits is None else pack.limits, SCOPES)


def frames(pack: Pack) -> Iterator[Words]:
    """The frames of a pack, and a bye; asked is what the limits of the pack say that the device can give back."""
    sent, greeting = Sent(), able(pack)
    for one in items(pack):
        for (words, _), _ in asked(one, sent, greeting):
            yield words
    yield frame(BYE)


def judged(pack: Pack, replies: Iterator[Reply]) -> Iterator[Driven]:
    """The verdict of each case and reject of a pack from the replies to `frames`, and of what stands behind them."""
    sent, given, greeting = Sent(), Given(), able(pack)
    wire = Offline(given, greeting)
    drive = Drive(wire)
    for one in items(pack):
        wire.sent = copy(sent)
        asks = list(asked(one, sent, greeting))
        given.replies = deque(reply for _, reply in zip(asks, replies, strict=False))
        yield drive.judged(one)
    next(replies, None)  # of the bye, which a device need not answer
    if surplus := sum(1 for _ in zip(range(MAX_SURPLUS), replies, strict=False)):
        told = f"{surplus} or more" if surplus == MAX_SURPLUS else str(surplus)
        yield Driven("end", "pack", LONGER, told=f"replies stand behind the last: {told}")


class Offline(Wire):
    """A device whose replies are there already, and what it is taken to say of itself."""

    def __init__(self, given: Given, greeting: Greeting) -> None:
        super().__init__(given)
        self.told = greeting

    def greet(self) -> Greeting:
        """What it is taken to say of itself."""
        self.greeting = self.told
        return self.greeting


class Given:
    """The replies to the frames of one case."""

    together = 1

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()

    def start(self) -> None:
        """Nothing: it does not run."""

    def stop(self) -> None:
        """Nothing: it does not run."""

    def prepare(self, asks: Sequence[Ask]) -> None:
        """Nothing: what it was asked is known."""

    def bye(self, words: Words) -> None:
        """Nothing: it does not run."""

    def ask(self, words: Words, most: int) -> Words:
        """The next reply. Errors: Broken."""
        if not self.replies:
            raise Broken(SILENCE, "no reply is left")
        reply = self.replies.popleft()
        if isinstance(reply, NoReply):
            raise Broken(GARBAGE, str(reply))
        if len(reply) > most and len(reply) > 1 and reply[0] == words[0]:
            raise Broken(LONGER, f"{too_long(len(reply), most)}")
        return reply

    def broken(self, found: Broken) -> Broken:
        """What was found."""
        return found


def hex_replies(stream: BinaryIO) -> Iterator[Reply]:
    """The replies that lines hold, one each; empty lines are none."""
    while line := stream.readline(MAX_REPLY):
        if not line.strip():
            continue
        if len(line) == MAX_REPLY and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_REPLY)) and not rest.endswith(b"\n"):
                pass
            yield NoReply(f"a line of {MAX_REPLY} bytes or more")
            continue
        try:
            yield from_hex(line.decode("ascii", "backslashreplace"))
        except NoReply as error:
            yield NoReply(f"{error}{wrote(line, True, MAX_REPLY // WORD)}")


def binary_replies(stream: BinaryIO) -> Iterator[Reply]:
    """The replies in frames, each behind its number of words; none behind one that is cut off."""
    while head := stream.read(WORD):
        count = int.from_bytes(head, "little")
        if len(head) < WORD:
            yield NoReply(f"a frame is cut off behind {plural(len(head), 'byte')}")
            return
        if not 0 < count <= MAX_REPLY // WORD:
            head += stream.read(SHOWN)
            yield NoReply(f"{no_number(MAX_REPLY // WORD)}{wrote(head, False, MAX_REPLY // WORD)}")
            return
        data = stream.read(WORD * count)
        if len(data) < WORD * count:
            yield NoReply(f"a frame of {count} words is cut off")
            return
        yield from_bytes(data)
