"""What failed, decided without fsref: `python replay.py [COMMAND ...]` beside case.json (CONFORM-5).

It computes anew what the law expects, says where what was observed differs, and, given the command of a device, drives
it twice from a start and says whether it still answers so. Exit code 0 when the device is right, 1 when it is wrong, 2
when it cannot say.
"""

import contextlib
import json
import math
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import naive  # type: ignore[import-not-found]  # beside it, where it is copied to

OBSERVABLES = ("sums", "opening", "spikes", "membranes", "codes")
SECONDS = 20  # for all answers of a device
PIECE = 2**16  # bytes that are read at once
PER_WORD = 20  # bytes of a word at most, in lines of hex
OTHERS = 2**14  # words of a greeting, a refusal, or what stands before the values of a run, at most
WIDEST = 1000  # characters of a line
LARGEST = 2**22  # neurons of a network
KINDS = {0: "hello", 1: "a load", 2: "a run", 3: "a reset", 4: "bye"}  # frames of a session
RUN, REFUSED = 2, 5  # how a run begins, and a reply that refuses its frame
AGAIN = ("reset", "repeat")  # protocols of cases that are run twice
Arrays = dict[str, Any]  # NAME.OBSERVABLE: neurons, of membranes steps of neurons


class NoAnswer(Exception):
    """A device gave no answer: how, in words, and the exit code that says whether that is wrong."""

    def __init__(self, told: str, code: int = 1) -> None:
        super().__init__(told)
        self.code = code


def index(names: dict[str, list[str]], key: str) -> tuple[int, int]:
    """Which population or projection, and which observable, NAME.OBSERVABLE is."""
    name, what = key.rsplit(".", 1)
    return names["projections" if what == "sums" else "populations"].index(name), OBSERVABLES.index(what)


def expected(net: naive.Net, names: dict[str, list[str]], given: Arrays, asked: Arrays) -> Arrays:
    """What the law says of everything asked, when this is given."""
    trains: dict[int, Any] = {}
    opening: dict[int, Any] = {}
    for key, values in given.items():
        place, what = index(names, key)
        (opening if OBSERVABLES[what] == "opening" else trains)[place] = values  # codes of an input are its trains
    seen = naive.follow(net, trains, opening)
    of = (seen.sums, seen.opening, seen.trains, seen.membranes, seen.codes)
    return {key: of[index(names, key)[1]][index(names, key)[0]] for key in asked}


def flat(values: Any) -> list[int]:
    """Integers in lists in lists as one list."""
    return [n for inner in values for n in flat(inner)] if values and isinstance(values[0], list) else list(values)


def differences(net: naive.Net, names: dict[str, list[str]], right: Arrays, seen: Arrays) -> list[str]:
    """Where what was seen is not right, in words."""
    found = []
    for key, values in seen.items():
        place, what = index(names, key)
        target = net.projections[place].target if what == 0 else place
        count = len(net.populations[target].channel)
        for at, (a, b) in enumerate(zip(flat(right[key]), flat(values), strict=True)):
            if a != b:
                step = f" step {at // count}" if OBSERVABLES[what] == "membranes" else ""
                found.append(f"{key}{step} neuron {at % count}: observed {b} expected {a}")
    return found


def frames(told: dict[str, Any]) -> list[list[int]]:
    """The frames of a session that asks for the case behind those before it (CONFORM-1)."""
    session, loaded, other = [[0, 1]], None, None
    for case in [*told["before"], told]:
        network = case["network"]
        if network != loaded and told["loads"]:
            session.append(load(network))
            other = loaded or other
        loaded = network
        if case["protocol"] == "reload" and other is not None:
            session += [load(other), load(network)]
        run = [2, len(case["given"])]
        for key, values in case["given"].items():
            run += [*index(network["names"], key), len(flat(values)), *flat(values)]
        run += [len(case["asked"])]
        for key in case["asked"]:
            run += index(network["names"], key)
        session.append(run)
        session += [[3]] if case["protocol"] == "reset" else []
        session += [run] if case["protocol"] in AGAIN else []
    return [*session, [4]]


def load(network: dict[str, Any]) -> list[int]:
    """The frame that loads a network."""
    return [1, *naive.words_of(built(network))]


def written(command: list[str], data: bytes, most: int) -> tuple[bytes, int | None]:
    """What a device writes that reads these bytes, of what is too much `most` bytes and one, and the exit code with
    which it ended by itself; it has ended then.

    Errors: OSError where it cannot be started, NoAnswer where it has not written its last in time.
    """
    deadline, found = time.monotonic() + SECONDS, bytearray()
    pipe = subprocess.PIPE
    device = subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0)
    given, output = device.stdin, device.stdout
    assert given is not None and output is not None

    def give() -> None:
        left = memoryview(data)
        with contextlib.suppress(OSError), given:  # it may read no more
            while left:
                left = left[given.write(left) :]

    def take() -> None:
        while len(found) <= most and (piece := output.read(PIECE)):
            found.extend(piece)

    threads = [threading.Thread(target=target, daemon=True) for target in (give, take)]
    for thread in threads:
        thread.start()
    threads[1].join(SECONDS)
    late = threads[1].is_alive()
    if not late and len(found) <= most:  # it closed its output, and may have something to do before it ends
        with contextlib.suppress(subprocess.TimeoutExpired):
            device.wait(max(0.0, deadline - time.monotonic()))
    code = device.poll()
    device.kill()
    device.wait()
    if late:
        raise NoAnswer(f"has not written its last in {SECONDS} s", 2)
    return bytes(found[: most + 1]), code


def ask(command: list[str], told: dict[str, Any]) -> list[list[int]]:
    """The replies of a device just started to the runs of the case. Errors: NoAnswer."""
    session = frames(told)
    if told["carrier"] == "frames":
        data = b"".join(struct.pack(f"<{len(frame) + 1}q", len(frame), *frame) for frame in session)
    else:
        lines = (" ".join(f"{word % 2**64:016x}" for word in frame) + "\n" for frame in session)
        data = "".join(lines).encode()
    asked = [flat(case["expected"][key]) for case in (*told["before"], told) for key in case["asked"]]
    most = PER_WORD * (OTHERS * len(session) + sum(1 + len(values) for values in asked))
    try:
        out, code = written(command, data, most)
    except OSError as error:
        quoted = "; give the program and its words without quotes around them" if " " in command[0] else ""
        raise NoAnswer(f"gives no answer: {error}{quoted}", 2) from None
    if len(out) > most:
        raise NoAnswer("writes more than it was asked for")
    ended = f": it ended with exit code {code}" if code else ""
    got, broken = replies(out, told["carrier"])
    for frame, reply in zip(session[:-1], got, strict=False):
        if reply[:1] == [REFUSED]:
            raise NoAnswer(f"refuses {KINDS[frame[0]]}")
        if reply[:1] != frame[:1]:
            raise NoAnswer(f"answers {KINDS[frame[0]]} with what is no reply to it: {reply[:4]}")
    if len(got) >= len(session) - 1:
        runs = [reply for frame, reply in zip(session, got, strict=False) if frame[0] == RUN]
        return runs[len(told["before"]) + sum(case["protocol"] in AGAIN for case in told["before"]) :]
    if broken:
        raise NoAnswer(f"writes what is no answer by the carrier {told['carrier']}{ended}")
    raise NoAnswer(f"answers {len(got)} of {len(session) - 1} frames{ended}")


def replies(out: bytes, carrier: str) -> tuple[list[list[int]], bool]:
    """The replies that are whole, and whether something else stands behind them."""
    found: list[list[int]] = []
    try:
        if carrier == "frames":
            while out:
                (count,) = struct.unpack_from("<q", out)
                found.append(list(struct.unpack_from(f"<{count}q", out, 8)))
                out = out[8 * (count + 1) :]
        else:
            for line in out.decode().splitlines():
                words = [int(word, 16) for word in line.split()]
                found.append([word - 2**64 if word >> 63 else word for word in words])
    except (struct.error, ValueError):
        return found, True
    return found, False


def answers(reply: list[int], asked: Arrays) -> Arrays | None:
    """The arrays of a reply, None where it is none of a run."""
    found, at = {}, 1
    for key, values in asked.items():
        count = len(flat(values))
        if reply[:1] != [2] or reply[at : at + 1] != [count]:
            return None
        found[key] = reply[at + 1 : at + 1 + count]
        at += 1 + count
    return found if at == len(reply) else None


def nested(values: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """An array that is written as lists in lists (VECTOR-2)."""
    if not values or not isinstance(values[0], list):
        return (len(values),), tuple(values)
    inner = [nested(row) for row in values]
    assert all(dims == inner[0][0] for dims, _ in inner)
    return (len(values), *inner[0][0]), tuple(value for _, row in inner for value in row)


def built(network: dict[str, Any]) -> naive.Net:
    """The network that a case holds. Errors: ValueError where that is too large, any where it holds none."""
    neurons = sum(math.prod(map(int, one["shape"])) for one in network["manifest"]["populations"])
    if neurons > LARGEST:
        raise ValueError(f"a network of {neurons} neurons, at most {LARGEST}")
    return naive.build(network["manifest"], {name: nested(rows) for name, rows in network["arrays"].items()})


def say(text: str) -> None:
    """Print lines, none too long, without what a terminal would obey."""
    for line in text.split("\n"):
        print("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line[:WIDEST])[:WIDEST])


def main(command: list[str]) -> int:
    """Say what is expected, what was observed, and, given a command, what the device answers now."""
    if command and command[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    try:
        return decided(command)
    except BrokenPipeError:  # nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except Exception as error:  # whatever somebody has made of the file
        say(f"replay.py: case.json holds no case that can be decided: {type(error).__name__}: {error}")
        return 2


def decided(command: list[str]) -> int:
    """The exit code, once all was said. Errors: any, where case.json is not what was written."""
    told = json.loads(Path(__file__).with_name("case.json").read_text(encoding="utf-8"))
    net, names = built(told["network"]), told["network"]["names"]
    right = expected(net, names, told["given"], told["expected"])
    if wrong := differences(net, names, right, told["expected"]):
        say(f"replay.py: case.json is not what the law says: {wrong[0]}")
        return 2
    say(f"network {naive.identity(net)[:12]}, scope {told['scope']}, what is expected is what the law says")
    found = differences(net, names, right, told["observed"])
    for line in found[:8]:
        say(f"  {line}")
    if not command:
        say("the device was wrong" if found else f"the device gave no answer that differs: {told['verdict']}")
        for rule, text in told["rules"].items():
            say(f"\n{rule}  {text}")
        return 1
    try:
        reply, again = (ask(command, told) for _ in range(2))
    except NoAnswer as error:
        say(f"replay.py: the device {error}")
        return error.code
    if reply != again:
        say("the device answers otherwise when it is started and asked the same again")
        return 1
    asked = {key: told["expected"][key] for key in told["asked"]}
    for now in (answers(one, asked) for one in reply):
        if now is None:
            say("the device answers nothing that can be compared")
            return 1
        if left := differences(net, names, right, now):
            for line in left[:8]:
                say(f"  now: {line}")
            say("the device is still wrong")
            return 1
    if not told["whole"]:
        say("the device is right now, but it failed behind more than is asked here: conform asks that")
        return 2
    say("the device is right now")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
