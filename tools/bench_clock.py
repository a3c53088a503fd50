# SPDX-License-Identifier: Apache-2.0
"""How tools/bench.py measures: all contestants in turn, again and again, so that what slows the machine slows all; and
the machine.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np

PACKAGES = ("numpy", "numba", "torch", "onnxruntime", "onnx", "spikingjelly")

NARROWED = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "ONEDNN_MAX_CPU_ISA")  # where less is used than the machine has


@dataclass
class Times:
    """What passes of one contestant took, in milliseconds per image: of process time, all threads, and of the clock."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """Medians, and the process times of all passes, as plain values."""
        return {"cpu": median(self.cpu), "wall": median(self.wall), "passes": self.cpu}


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The first, the median and the third."""
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    return low, middle, high


def interleaved(
    passes: Mapping[Any, tuple[Callable[[], object], int]], rounds: int, seconds: float, seed: int = 0
) -> dict[Any, Times]:
    """The times of every pass, a function and the number of its images: `rounds` times each, in an order that is drawn
    anew in every round. One that has taken `seconds` of process time sits the next rounds out. All have run before.
    """
    rng, times, spent = np.random.default_rng(seed), {key: Times() for key in passes}, dict.fromkeys(passes, 0.0)
    keys = list(passes)
    for _ in range(rounds):
        for i in rng.permutation(len(keys)).tolist():
            key, (call, images) = keys[i], passes[keys[i]]
            if spent[key] >= seconds:
                continue
            begun, cpu = time.perf_counter(), time.process_time()
            call()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - begun
            spent[key] += cpu
            times[key].cpu.append(1e3 * cpu / images)
            times[key].wall.append(1e3 * wall / images)
    return times


def machine() -> dict[str, Any]:
    """The machine and the versions of what ran on it, as plain values."""
    told: dict[str, str] = {}
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            told.setdefault(name.strip(), value.strip())
    flags = told.get("flags", told.get("Features", "")).split()
    wanted = ("avx2", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni", "asimd", "asimddp")
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": told.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "instructions": [flag for flag in wanted if flag in flags],
        "asked": {name: os.environ[name] for name in NARROWED if name in os.environ},
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
        "python": platform.python_version(),
        "versions": versions,
    }
