"""A replay directory: one failing case that the standard library alone decides (CONFORM-5)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fsref.formats.json_network import to_plain
from fsref.simulation.recording import Key
from fsref.vectors.case import Case, plain

STANDALONE = Path(__file__).parent / "standalone"
PROGRAMS = ("replay.py", "naive.py")


def files(
    cases: Sequence[Case],
    observed: Mapping[Key, Any],
    verdict: str,
    rules: Mapping[str, str],
    carrier: str,
    loads: bool,
) -> dict[str, bytes]:
    """The files of a replay directory by name: the last of `cases` failed, behind those before it.

    `observed` is what the device answered, (neurons,) by (name, observable), empty where it gave no answer; `verdict`
    says what happened, `rules` the text of each rule that matters, `carrier` how the device takes frames, and `loads`
    whether it loads networks.
    """
    told = {
        **_told(cases[-1]),
        "observed": plain(observed),
        "verdict": verdict,
        "rules": dict(rules),
        "carrier": carrier,
        "loads": loads,
        "before": [_told(case) for case in cases[:-1]],
    }
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in told.items())
    found = {"case.json": ("{\n" + lines + "\n}\n").encode("ascii")}
    return found | {name: (STANDALONE / name).read_bytes() for name in PROGRAMS}


def _told(case: Case) -> dict[str, Any]:
    """A case as plain JSON values, its network and the names of its populations and projections with it."""
    names = {"populations": [p.name for p in case.net.populations], "projections": list(case.net.named_projections)}
    return {
        "id": case.id,
        "scope": case.scope,
        "unit": case.unit,
        "network": {"names": names, **to_plain(case.net)},
        "given": plain(case.given),
        "expected": plain(case.expected),
    }
