"""Devices that do what no device should: hostile.py MODE [--hex]. What they do they do at the first run whose first
given value is 9, or, where MODE says so, when they start or greet; else they answer as core.py does.
"""

import os
import signal
import subprocess
import sys
from select import select
from struct import pack

import core

MODE, HEX = sys.argv[1], "--hex" in sys.argv
OUT = sys.stdout.buffer


def encoded(words):
    return core.text(words).encode() if HEX else pack(f"<{len(words) + 1}q", len(words), *words)


def write(data):
    OUT.write(data)
    OUT.flush()


def wait(seconds=None):
    select([], [], [], seconds)


def misbehave(reply):
    """What is done in the place of a reply."""
    whole = encoded(reply)
    if MODE == "exit":
        sys.exit(0)
    if MODE == "fail":
        sys.exit("out of order \x1b[31m")
    if MODE == "kill":
        os.kill(os.getpid(), signal.SIGSEGV)
    if MODE == "hang":
        wait()
    if MODE == "half":
        write(whole[: len(whole) // 2])
        sys.exit(0)
    if MODE == "half-hang":
        write(whole[: len(whole) // 2])
        wait()
    if MODE == "close":
        os.close(1)
        wait()
    if MODE == "text":
        write(b"ready and waiting\n")
        wait()
    if MODE == "endless":
        while True:
            write(b"0 " * 4096 if HEX else encoded([2, 1] * 2**15))
    if MODE == "longer":
        write(encoded([*reply, 7]))
    if MODE == "shorter":
        write(encoded(reply[:-1]))
    if MODE == "more":
        write(whole + whole)
    if MODE == "drip":
        for i in range(len(whole)):
            write(whole[i : i + 1])
            wait(0.05)
    if MODE == "noise":
        while True:
            os.write(2, b"\x07noise" * 1000)
    if MODE == "child":
        subprocess.Popen([sys.executable, "-S", "-c", "import select; select.select([], [], [])"])
        wait()
    if MODE == "refuse":
        write(encoded([5, 42]))


def main():
    if MODE == "early":
        write(encoded([0, 1]))
        wait()
    if MODE == "mute":
        wait()
    frames = core.lines(sys.stdin) if HEX else core.binary()
    seen = []

    def noted():
        for frame in frames:
            seen.append(frame)
            yield frame

    for reply in core.answers(noted()):
        frame = seen[-1]
        if MODE == "deaf" and frame[0] == 1:
            write(encoded(reply))
            os.close(0)
            wait()
        if MODE == "later" and frame[0] == 0:
            write(encoded(reply))
            sys.stdin.buffer.read(8)
            write(encoded(reply))
            wait()
        if frame[0] == 2 and frame[5] == 9 and MODE != "deaf":
            misbehave(reply)
        else:
            write(encoded(reply))


if __name__ == "__main__":
    main()
