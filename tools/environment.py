"""The environments of tools/run.py and tools/test.py: made once, renewed when pyproject.toml changes. Standard library
only.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = {"venv": "python3-venv", "ensurepip": "python3-venv"}


def lowest(*extras: str, beside: str) -> list[str]:
    """Return the requirements of pyproject.toml with the lowest versions allowed: what fsref needs, and of `extras`;
    those of the extra `beside` that are not among them stay as they are.
    """
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    optional = project["optional-dependencies"]
    ours = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    pins = {}
    for line in ours:
        name, bound, version = line.partition(">=")
        if not bound or not set(version) <= set("0123456789."):
            sys.exit(f"pyproject.toml: {line} is no lower bound, NAME>=VERSION")
        pins[name] = f"{name}=={version}"
    others = [line for line in optional[beside] if re.split("[<>=]", line)[0] not in pins]
    return [*pins.values(), *others]


def prepare(folder: str, requirement: str, *others: str) -> str:
    """Return the Python of an environment in ROOT/folder that holds `requirement` (of this clone, editable) and the
    `others`; a failure ends the program.
    """
    place = ROOT / folder
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = place / "fsref-stamp"
    wanted = _stamp(requirement, *others)
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return str(python)
    for module, package in MODULES.items():
        if importlib.util.find_spec(module) is None:
            sys.exit(
                f"{sys.executable} has no module {module}: install it (Debian, Ubuntu: {package}) and run this again"
            )
    shutil.rmtree(place, ignore_errors=True)
    begun = time.monotonic()
    _quietly([sys.executable, "-m", "venv", str(place)], f"making {folder}", begun)
    install = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--editable", requirement]
    install += others
    _quietly(install, f"installing fsref into {folder}", begun, " (needs a package index)")
    stamp.write_text(wanted, encoding="utf-8")
    return str(python)


def _stamp(*requirements: str) -> str:
    """Return what an environment depends on: its Python, where the clone lies, what is installed, and
    pyproject.toml.
    """
    parts = [sys.version, sys.executable, str(ROOT), *requirements]
    return hashlib.sha256("\0".join(parts).encode() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()


def _quietly(command: list[str], what: str, begun: float, hint: str = "") -> None:
    """Run a command behind one progress line; show its output, and end the program with `hint`, only when it fails."""
    live = sys.stderr.isatty()
    if not live:
        print(f"{what} ...", file=sys.stderr, flush=True)
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT) as job,
    ):
        code = None
        while code is None:
            if live:
                print(f"\r{what} ... {time.monotonic() - begun:.0f} s ", end="", file=sys.stderr, flush=True)
            try:
                code = job.wait(timeout=1)
            except subprocess.TimeoutExpired:
                continue
        if live:
            print(file=sys.stderr)
        if code:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            sys.exit(f"{what} failed (exit code {code}){hint}")


def call(command: list[str], folder: Path | None = None) -> int:
    """Run a command with this program's input and output, in `folder` if given; return its exit code, 128 + n when
    signal n ended it.
    """
    with subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONUTF8": "1"}) as job:
        try:
            code = job.wait()
        except KeyboardInterrupt:  # the job was told too: let it close in its own way
            try:
                job.wait(timeout=10)
            except (KeyboardInterrupt, subprocess.TimeoutExpired):
                job.kill()
            raise
    return code if code >= 0 else 128 - code


def split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the arguments before and after the first `--`."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


def finish(main: Callable[[], int]) -> None:
    """Exit with what main() returns; Ctrl-C exits with 130 and no traceback."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
