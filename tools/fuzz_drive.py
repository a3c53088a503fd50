"""Devices that give the answers of a file, driven by fsref; a replay, run by itself."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

from fsref.conformance import smallest
from fsref.conformance.conforming import conform
from fsref.conformance.junit import junit
from fuzz_devices import pack

QUESTIONS = 20  # in making a failure small: each is a start
SECONDS = 30.0  # of an answer, which comes at once or never
PATIENCE = 10.0  # of a replay
SPACE = 2**30  # of addresses of a replay
PYTHON = [sys.executable, "-S", "-E", "-B"]
PLAYER = "../good/fuzz_player.py"


def drive(carrier: str, answers: str) -> list[Any]:
    """The report of a device that gives these answers, to print."""
    vars(smallest).update(BUDGET=QUESTIONS, STARTS=QUESTIONS)
    device = [*PYTHON, PLAYER, carrier, answers]
    report = conform(device, None, carrier, SECONDS, 0, pack().cases, pack().rejects)
    json.dumps(report.to_dict(), allow_nan=False)
    junit(report)
    return [report]


def replayed(folder: str, *device: str) -> list[Any]:
    """What a replay says. Errors: AssertionError where it ends otherwise than it may, or writes of an error."""
    command = [*PYTHON, f"{folder}/replay.py", *(PYTHON if device else ()), *device]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False, preexec_fn=_bounded
        )
    except subprocess.TimeoutExpired:  # it is simulated in Python
        return []
    assert done.returncode in (0, 1, 2) and not done.stderr, done.stderr[-300:]
    return [done.stdout.rstrip("\n")]


def _bounded() -> None:
    """Nothing; then this process has little memory."""
    resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))
