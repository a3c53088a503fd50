"""Programs of tests run as if by another processor, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding

WIDE = "+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+avx,+avx2,+bmi,+bmi2,+fma,+lzcnt"
WIDER = f"{WIDE},+avx512f,+avx512cd,+avx512bw,+avx512dq,+avx512vl,+avx512vnni"
# What a process is told to compile for, and the features that takes.
PROCESSORS = {
    "python": {"NUMBA_DISABLE_JIT": "1"},
    "AVX-512 VNNI": {"NUMBA_CPU_NAME": "cascadelake", "NUMBA_CPU_FEATURES": WIDER},
    "AVX2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": WIDE},
    "portable": {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse2"},
}


def printed(name: str, program: str | None, arguments: Sequence[str], cache: Path) -> str:
    """What a program prints whose kernels are compiled for a processor; skips by name what this one lacks."""
    settings, has = PROCESSORS[name], binding.get_host_cpu_features()
    missing = [f for f in settings.get("NUMBA_CPU_FEATURES", "").split(",") if f and not has.get(f[1:])]
    if missing:
        pytest.skip(f"this processor has no {missing[0][1:]}")
    here = Path(__file__).parent
    env = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "COV"))}
    env |= {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)]), "NUMBA_CACHE_DIR": str(cache), **settings}
    command = [sys.executable, str(program), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def hold(checks: Mapping[str, Callable[[], None]]) -> None:
    """Nothing; in such a program each check named on its command line was made, and its name printed."""
    with np.errstate(over="ignore"):
        for name in sys.argv[1:]:
            checks[name]()
            print(name)
