#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Change one place of the code at a time and see whether the tests tell: mutation testing of what decides an integer.

Of all mutants (tools/mutants.py says what is changed) a seeded draw is run, in a copy of the tree, one after another:
the tests that call the changed function, those of a file in one process, up to the first that fails. A mutant is killed
by a failing test, by a crash, and by a timeout, which is five times the processor time of the tests and 20 seconds.
What is left has survived. tools/mutants.md lists the mutants judged equivalent; they are not run and not counted, and
an entry that meets no mutant any more is an error.

Which tests call what is measured once for each test file, as it stands. FILE gets a line of JSON for each; another for
each mutant; a start that finds them goes on where they end. A killed mutant stays killed while its module and the test
file that killed it stand as they did; one that survived is run again when any test file has changed. Tests that only
read the source are left out, those that take more than a minute, and what tests call in processes of their own.
Needs os.fork.

Exits with 1 when a mutant has survived, with 2 for an error.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from copied_tree import Copy, Test
from environment import ROOT
from mutants import Mutant, mutants
from run_log import Log, sha256

MODULES = """
law/*.py engines/*.py engines/kernels/*.py metrics/*.py rate_coding/*.py
simulation/recording.py simulation/difference.py simulation/pipeline.py simulation/stages.py simulation/memory.py
conversion/quantisation.py conversion/folding.py conversion/calibration.py conversion/search.py
formats/npz.py formats/manifest.py formats/npy.py formats/onnx.py verification/explain.py
""".split()
PAGE = "tools/mutants.md"
SECONDS = 120.0  # of processor time, as measured once, that the tests of one mutant may take
RESULTS = ("killed", "timeout", "survived", "equivalent")


def stop(text: str) -> NoReturn:
    """End the program with one line."""
    sys.stderr.write(f"mutate.py: error: {text}\n")
    sys.exit(2)


def judged(text: str) -> dict[tuple[str, str, str], str]:
    """The entries of the page: (module, before, after) and why the two are the same function."""
    found: dict[tuple[str, str, str], str] = {}
    module, reason, before, inside, ended = "", "", "", False, True
    for line in text.splitlines():
        if line.startswith("## "):
            module, reason, ended = line[3:].strip(), "", True
        elif line.startswith("```"):
            inside = not inside
        elif inside and line.startswith("-"):
            before = " ".join(line[1:].split())
        elif inside and line.startswith("+"):
            if not (module and reason and before):
                stop(f"{PAGE}: an entry without module, reason or line before: {line}")
            found[module, before, " ".join(line[1:].split())] = reason
        elif not line.strip():
            ended = True
        elif not inside:
            reason, ended = (line.strip() if ended else f"{reason} {line.strip()}"), False
    return found


def drawn(found: Iterable[Mutant], seed: int, count: int) -> list[Mutant]:
    """`count` mutants, drawn by seed and id alone, so that an edit of one module draws no others elsewhere."""
    return sorted(found, key=lambda mutant: hashlib.sha256(f"{seed} {mutant.id}".encode()).digest())[:count]


def chosen(mutant: Mutant, reached: list[Test], importers: Sequence[str], seconds: float) -> dict[str, list[Test]]:
    """The tests for a mutant by file, the quickest first, of so many seconds in all.

    They call its function; where none is seen to, as a kernel of Numba's is not, any function of its module; else any
    of a module that imports it.
    """
    place = f"{mutant.module}:{mutant.scope}"
    tests = [test for test in reached if place in test.functions]
    for modules in ([mutant.module], importers):
        tests = tests or [test for test in reached if any(test.calls(module) for module in modules)]
    taken: dict[str, list[Test]] = defaultdict(list)
    for test in sorted(tests, key=lambda test: (test.seconds, test.id)):
        seconds -= test.seconds
        if seconds < 0 and taken:
            break
        taken[test.file].append(test)
    return taken


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: one of RESULTS, and the test or the page that says so."""

    mutant: Mutant
    result: str
    by: str


class Trial:
    """A copy of the tree, what its tests call, and the log of what is known."""

    def __init__(self, root: Path, log: Log, copy: Copy, seconds: float) -> None:
        self.root, self.log, self.copy, self.seconds = root, log, copy, seconds
        self.tests = {file: sha256((root / file).read_bytes()) for file in copy.test_files()}
        self.state = sha256(json.dumps(self.tests).encode())
        self.reached: list[Test] = []
        self.kills: Counter[tuple[str, str]] = Counter()
        for number, (file, digest) in enumerate(self.tests.items(), 1):
            known = log.found(kind="tests", file=file, digest=digest)
            if known is None:
                print(f"tests {number} of {len(self.tests)}: {file}", file=sys.stderr, flush=True)
                known = log.add(kind="tests", file=file, digest=digest, **copy.measure(file))
            self.reached += Test.read(file, known)
        if not self.reached:
            stop("no test passes in a copy of the tree")

    def importers(self, module: str) -> list[str]:
        """The modules that import one."""
        name = module.removesuffix(".py").replace("/", ".")
        package, _, last = name.rpartition(".")
        ways = (f"from {name} import", f"from {package} import {last}\n")
        files = sorted((self.root / "fsref").rglob("*.py"))
        having = [path for path in files if any(way in path.read_text(encoding="utf-8") for way in ways)]
        return [path.relative_to(self.root).as_posix() for path in having]

    def of(self, mutant: Mutant) -> Verdict:
        """What becomes of a mutant, from the log where it is known."""
        for known in self.log.lines:
            if known.get("mutant") == mutant.id:
                file = known["by"].partition("::")[0]
                survived = known["result"] == "survived"
                now = {"tests": self.state, "seconds": self.seconds} if survived else {"tests": self.tests.get(file)}
                if now.items() <= known.items():
                    self.kills[mutant.module, file] += not survived
                    return Verdict(mutant, known["result"], known["by"])
        verdict = self.run(mutant)
        tests = self.tests.get(verdict.by.partition("::")[0], self.state)
        self.log.add(mutant=mutant.id, result=verdict.result, by=verdict.by, tests=tests, seconds=self.seconds)
        return verdict

    def run(self, mutant: Mutant) -> Verdict:
        """Run the tests for a mutant, files that killed others of its module first, until one fails."""
        by_file = chosen(mutant, self.reached, self.importers(mutant.module), self.seconds)
        order = sorted(by_file, key=lambda f: (-self.kills[mutant.module, f], sum(t.seconds for t in by_file[f]), f))
        with self.copy.changed(mutant):
            for file in order:
                outcome, test = self.copy.run(file, by_file[file])
                if outcome != "passed":
                    self.kills[mutant.module, file] += 1
                    return Verdict(mutant, outcome, test or f"{file}::")
        return Verdict(mutant, "survived", f"{sum(map(len, by_file.values()))} tests of {len(by_file)} files")


def table(verdicts: Sequence[Verdict]) -> str:
    """The results by module, in all, and every mutant that survived."""
    by_module: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        by_module[verdict.mutant.module][verdict.result] += 1
    total = sum(by_module.values(), Counter[str]())
    lines = [f"{'module':40}{''.join(f'{name:>12}' for name in RESULTS)}"]
    for module, counts in [*sorted(by_module.items()), ("all", total)]:
        lines.append(f"{module:40}{''.join(f'{counts[name]:12}' for name in RESULTS)}")
    dead = total["killed"] + total["timeout"]
    asked = dead + total["survived"]
    lines.append(f"\n{dead} of {asked} mutants that are not equivalent died: {100 * dead / max(1, asked):.1f} %")
    left = [f"{verdict.mutant}\n    passed {verdict.by}" for verdict in verdicts if verdict.result == "survived"]
    return "\n".join([*lines, *(["\nsurvived:"] if left else []), *left])


def plain(verdicts: Sequence[Verdict], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The results as plain JSON values."""
    each = [
        {
            "module": verdict.mutant.module,
            "line": verdict.mutant.line,
            "before": verdict.mutant.before,
            "after": verdict.mutant.after,
            "result": verdict.result,
            "by": verdict.by,
        }
        for verdict in verdicts
    ]
    return {**settings, "results": dict(Counter(verdict.result for verdict in verdicts)), "mutants": each}


def mutate(root: Path, modules: Sequence[str], options: argparse.Namespace) -> int:
    """Draw mutants of modules of the tree at `root` and run them; return the exit code."""
    page = root / PAGE
    entries = judged(page.read_text(encoding="utf-8")) if page.exists() else {}
    found = {module: mutants(root, module) for module in {*modules, *(module for module, _, _ in entries)}}
    all_of_it = {(m.module, m.before, m.after) for each in found.values() for m in each}
    for entry in entries:
        if entry not in all_of_it:
            stop(f"{PAGE}: no mutant is this entry any more: {entry[0]}: {entry[1]}  ->  {entry[2]}")
    draw = drawn((m for module in modules for m in found[module]), options.seed, options.count)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="fsref-mutate-") as place:
        trial = Trial(root, Log(options.out), Copy(root, Path(place)), options.seconds)
        for mutant in draw:
            reason = entries.get((mutant.module, mutant.before, mutant.after))
            verdict = Verdict(mutant, "equivalent", reason) if reason else trial.of(mutant)
            verdicts.append(verdict)
            print(f"{len(verdicts)} of {len(draw)}: {verdict.result}: {mutant}", file=sys.stderr, flush=True)
    verdicts.sort(key=lambda v: (v.mutant.module, v.mutant.line, v.mutant.start, v.mutant.new))
    if options.json:
        print(json.dumps(plain(verdicts, {"seed": options.seed, "count": len(draw)}), indent=1))
    else:
        print(table(verdicts))
    return int(any(verdict.result == "survived" for verdict in verdicts))


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the draw (default 1)")
    parser.add_argument("--count", type=int, default=180, metavar="N", help="mutants to draw (default 180)")
    parser.add_argument(
        "--module", action="append", metavar="FILE", help="fsref/... instead of the modules that decide an integer"
    )
    text = f"of processor time for the tests of one mutant (default {SECONDS:.0f})"
    parser.add_argument("--seconds", type=float, default=SECONDS, metavar="N", help=text)
    where = ROOT / "build" / "mutants.jsonl"
    parser.add_argument("--out", type=Path, default=where, metavar="FILE", help="the log (default build/mutants.jsonl)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args()
    if not hasattr(os, "fork"):
        stop("this system has no os.fork")
    listed = (path for pattern in MODULES for path in sorted((ROOT / "fsref").glob(pattern)))
    modules = options.module or [path.relative_to(ROOT).as_posix() for path in listed if path.stem != "__init__"]
    for module in modules:
        if not (ROOT / module).is_file() or not module.startswith("fsref/"):
            stop(f"no module of fsref: {module}")
    return mutate(ROOT, modules, options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
