"""A table of answers, of codes, membranes, trains and sums, held against fsref on the images that it answers (OBS-4,
TRACE-3).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fsref.errors import UsageError
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.simulation.answers import of_arrays
from fsref.simulation.exported import exported
from fsref.simulation.reader import part_of, read_trace
from fsref.simulation.recording import Trace
from fsref.verification.agreement import Agreement, Disagreement
from fsref.verification.differences import compare_dump
from fsref.verification.disagreement import ours, picture
from fsref.verification.returned import DumpReport

Table: TypeAlias = Trace | Mapping[str, Any]
TOGETHER = 2**22  # neurons whose trains are looked at together


def is_table(given: object) -> bool:
    """Whether this is a table of answers: a recording, arrays by name, or a path of one that is no ONNX file."""
    if isinstance(given, str | PathLike):
        return Path(given).suffix.lower() in (".csv", ".npz") or os.path.isdir(given)
    return isinstance(given, Trace | Mapping)


def verify_table(
    net: Network,
    table: Table | str | PathLike[str],
    images: ArrayLike | None,
    populations: Sequence[str] | None,
) -> Agreement:
    """That a table of answers holds the integers of a network for images (B, C, H, W), of which it answers the first.

    Errors: Disagreement, UsageError, FileError.
    """
    if images is None:
        raise UsageError("OBS-4", "verify", "a table needs the images that it answers", None, "images=(B, C, H, W)")
    x = check_images(net.input, images)
    if isinstance(table, Trace):
        dump = table
    else:
        if not isinstance(table, Mapping):
            exported(Path(table))
        dump = of_arrays(net, table, "their table") if isinstance(table, Mapping) else read_trace(table, net=net)
    dump = part_of(dump, populations, None)
    report = compare_dump(net, x, dump)
    if not report.agrees:
        raise _disagreement(report, x)
    names = tuple(p.name for p in report.populations if p.observables)
    size = max(1, TOGETHER // sum(p.neurons for p in net.populations))
    parts = [ours(net, x[i : i + size], []) for i in range(0, report.image_count, size)]
    busy = sum(part.busy for part in parts) / max(1, sum(part.neurons for part in parts))
    return Agreement(net.name, net.id, report.image_count, names, report.values, busy)


def _disagreement(report: DumpReport, images: Ints) -> Disagreement:
    """The first difference of a report as the error that `verify` raises."""
    p = report.first
    assert p is not None and p.first is not None
    found = p.first.difference
    lines = [f"{p.name} differs from fsref [OBS-4]", f"image     {found.image}: {picture(images[found.image])}"]
    lines.append(f"first     {p.first}")
    lines.append(f"all       {p.differing} of {p.values} integers of {p.name} differ, in {p.images} images")
    if report.looks_like:
        lines.append(f"looks     like {report.looks_like}")
    lines += [f"{'or' if i else 'hint':<8}  {hint.text}" for i, hint in enumerate(p.judged.hints)]
    lines += [f"explains  {p.judged}"] if p.judged.explained else []
    membrane, threshold = p.first.membrane, p.first.threshold
    return Disagreement(
        "\n".join(lines),
        image=np.asarray(images[found.image]),
        population=p.name,
        neuron=found.neuron,
        place=p.first.place,
        theirs=found.observed,
        expected=found.expected,
        membrane=membrane,
        above=None if membrane is None or threshold is None else membrane - threshold,
        judged=p.judged,
    )
