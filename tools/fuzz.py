"""Break files, put them before the verbs that read them, and judge what comes: `python tools/fuzz.py [--files N]`.

Valid files of each kind are made small and broken with knowledge of what they hold; each is read by a few command
lines, in processes of their own. A fault is: a traceback, a death, more memory than told, a character that a terminal
obeys, a line of more than 2,000 characters, more or less than one line of error, output cut off, a file left behind or
half written, a subprocess, a pickle, what no page lists or lies outside of its folder. Standard output is a file, a
terminal, a pipe that nobody reads or a device that is full. Faults are told once each, the first file of each is
kept with its command line, and the exit code is 1. The same seed and code make the same files. Linux alone.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

import fuzz_verbs as verbs
from fsref.errors import printable
from fuzz_child import Worker
from fuzz_devices import DEVICES, device_companions, device_seeds
from fuzz_dumps import DUMPS, dump_seeds
from fuzz_files import BREAKERS, mutated
from fuzz_judge import LIMIT, PICTURE, Fault, faults, listing
from fuzz_seeds import Case, Files, companions, seeds

LINES = 2  # command lines of one file
OUTPUTS = ("file",) * 8 + ("terminal",) * 3 + ("pipe", "full")  # what standard output is
RULE = re.compile(r"\[([A-Z]+-\d+)\]$", re.MULTILINE)


@dataclass
class Found:
    """What was found so far: files by kind, refusals by rule, and of each fault its first case, number and command."""

    files: Counter[str] = field(default_factory=Counter)
    commands: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    faults: dict[Fault, tuple[int, str, str]] = field(default_factory=dict)
    times: Counter[Fault] = field(default_factory=Counter)

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {number:,}" for kind, number in self.files.items())
        rules = ", ".join(f"{rule} {number:,}" for rule, number in self.refused.most_common(12))
        told = f"{self.files.total():,} files ({kinds}), {self.commands:,} commands, "
        told += f"{self.refused.total():,} refused ({rules})"
        if not self.faults:
            return f"{told}: no fault"
        rows = [
            f"{self.times[fault]:>7,}  {fault.judge}: {printable(fault.detail)}\n{'':9}file {number}, {kind}: {line}"
            for fault, (number, kind, line) in self.faults.items()
        ]
        return "\n".join([f"{told}: {len(self.faults)} faults", *rows])


class Bench:
    """A folder in which broken files are put before verbs: `good`, the companions, `case`, `out` and `tmp`."""

    def __init__(self, root: Path, keep: Path | None) -> None:
        self.root, self.keep = root, keep
        self.case, self.out, self.temporary = (root / name for name in ("case", "out", "tmp"))
        self.good, self.worker = companions() | device_companions(), Worker(verbs.called, verbs.misfit)
        put(root / "good", self.good)
        if keep is not None:
            put(keep / "good", self.good)
            (keep / "out").mkdir(exist_ok=True)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *how: object) -> None:
        self.worker.close()

    def try_out(self, case: Case, line: list[str], output: str = "file") -> tuple[list[Fault], str]:
        """The faults of a command line on a case, and what it said on standard error."""
        self._clear(case)
        named = verbs.target_of(line)
        before = listing(self.root)
        said = self.worker.call(self.case, self.temporary, line, output)
        after = listing(self.root)
        left = {name: held for name, held in after.items() if before.get(name) != held}
        left |= {name: held for name, held in before.items() if name not in after}
        target = None if named is None else self.out / Path(named).name
        bound = max(LIMIT, PICTURE if verbs.sees_picture(case, line) else 0)
        return list(faults(said, line, case.foreign, output, bound, left, target)), said.err

    def warm(self, valid: Mapping[str, list[Case]]) -> None:
        """Import and compile here what the verbs need, so that no worker has to. A valid file that is refused ends the
        program.
        """
        here = Path.cwd()
        for case in (cases[0] for cases in valid.values()):
            for line in verbs.lines_of(case, content=True):
                self._clear(case)
                os.chdir(self.case)
                try:
                    with redirect_stdout(io.TextIOWrapper(io.BytesIO())), redirect_stderr(io.StringIO()) as said:
                        code = verbs.called(verbs.limited(line))
                finally:
                    os.chdir(here)
                if code:
                    sys.exit(f"fuzz.py: error: a valid file is refused by {shown(line)}: {said.getvalue()}")

    def _clear(self, case: Case) -> None:
        """Put the files of a case into an empty folder, beside other empty ones."""
        for folder in (self.case, self.out, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        put(self.case, case.files)

    def kept(self, number: int, case: Case, line: list[str], fault: Fault) -> None:
        """Keep a case in the folder for it, with the command line that shows the fault there."""
        if self.keep is None:
            return
        folder = self.keep / f"{number:06}-{case.kind}-{fault.judge.replace(' ', '-')}"
        put(folder, case.files)
        (folder / "command.txt").write_text(
            f"{shown(line)}\n{fault.judge}: {printable(fault.detail)}\n", encoding="utf-8"
        )


def valid_cases(kind: str, good: Files) -> list[Case]:
    """The valid cases of any kind; `good` are the companions."""
    if kind in DEVICES:
        return device_seeds(kind)
    return dump_seeds(kind) if kind in DUMPS else seeds(kind, good)


def put(folder: Path, files: Files) -> None:
    """Write files below a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def shown(line: list[str]) -> str:
    """A command line as one types it in the folder of its case; where it is Python, with tools/ in PYTHONPATH."""
    if line[0] not in verbs.OWN:
        return shlex.join(["fsref", *line])
    return shlex.join(["python", "-c", f"from fuzz_verbs import called; called({line})"])


def drawn(seed: int, number: int, valid: Mapping[str, list[Case]]) -> tuple[Case, Random]:
    """The file of this number, kinds taking turns, and the draws that go on from it; the same for the same seed."""
    kind, draw = list(valid)[number % len(valid)], Random(f"{seed} {number}")
    return mutated(draw, draw.choice(valid[kind])), draw


def fuzz(seed: int, kinds: list[str], files: int | None, minutes: float | None, keep: Path | None) -> Found:
    """What so many files show, or files for so many minutes."""
    found, ends = Found(), None if minutes is None else time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="fsref-fuzz-") as folder, Bench(Path(folder), keep) as bench:
        valid = {kind: valid_cases(kind, bench.good) for kind in kinds}
        bench.warm(valid)
        for number in count():
            if number == files or (ends is not None and time.monotonic() >= ends):
                break
            case, draw = drawn(seed, number, valid)
            found.files[case.kind] += 1
            for line in verbs.drawn_lines(draw, case, LINES):
                output = draw.choice(OUTPUTS)
                seen, err = bench.try_out(case, line, "file" if line[0] in verbs.OWN else output)
                found.commands += 1
                found.refused.update(RULE.findall(err)[:1])
                for fault in seen:
                    found.times[fault] += 1
                    if fault not in found.faults:
                        found.faults[fault] = number, case.kind, shown(line)
                        bench.kept(number, case, line, fault)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Fuzz, as the command line says; 1 when there are faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the files (default 1)")
    parser.add_argument("--files", type=int, metavar="N", help="how many files (default 400, without --minutes)")
    parser.add_argument("--minutes", type=float, metavar="M", help="how long")
    parser.add_argument(
        "--kind", nargs="+", choices=tuple(BREAKERS), default=list(BREAKERS), help="of these kinds alone"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the first file of each fault here")
    told = parser.parse_args(arguments)
    files = 400 if told.files is None and told.minutes is None else told.files
    found = fuzz(told.seed, told.kind, files, told.minutes, told.keep)
    print(f"seed {told.seed}: {found}")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
