"""The wheel, installed alone into an empty environment, does what the README says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from blocks import READER, python_blocks

ROOT = Path(__file__).resolve().parent.parent
UNREACHABLE = re.compile(
    r"connection broken by|Failed to establish a new connection|Name or service not known|name resolution",
    re.IGNORECASE,
)


def call(command: list[str], folder: Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with nothing of this environment on its path."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "COLUMNS", "FORCE_COLOR"}
    }
    settings = {**kept, "PYTHONUTF8": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(
        command,
        cwd=folder,
        env=settings,
        input=given,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=900,
    )


def must(command: list[str], folder: Path, given: str | None = None) -> str:
    """Run a command that has to succeed; return what it printed."""
    done = call(command, folder, given)
    assert done.returncode == 0, f"{' '.join(command)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def program(folder: Path, name: str) -> str:
    """The path of a program of the environment."""
    return str(folder / "environment" / (f"Scripts/{name}.exe" if os.name == "nt" else f"bin/{name}"))


def install(tmp_path: Path) -> Path:
    """Return a folder with nothing in it but `environment`, into which the wheel alone was installed."""
    folder, wheels = tmp_path / "elsewhere", tmp_path / "wheel"
    folder.mkdir()
    must([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(ROOT)], folder)
    (wheel,) = wheels.glob("fsref-*-py3-none-any.whl")
    must([sys.executable, "-m", "venv", str(folder / "environment")], folder)
    installed = call([program(folder, "python"), "-m", "pip", "install", str(wheel)], folder)
    said = installed.stdout + installed.stderr
    if installed.returncode and UNREACHABLE.search(said):
        pytest.skip("no package index reachable")
    assert installed.returncode == 0, said
    return folder


def holds_what_a_user_needs(elsewhere: Path) -> None:
    """The installed package is the one in the environment, typed, with all pages and the digits model inside, and
    nothing of the tests.
    """
    shown = must(
        [
            program(elsewhere, "python"),
            "-c",
            "import fsref, pathlib; print(fsref.__version__, pathlib.Path(fsref.__file__).parent)",
        ],
        elsewhere,
    )
    version, place = shown.strip().split(" ", 1)
    package = Path(place)
    assert package.is_relative_to(elsewhere)
    assert f'__version__ = "{version}"' in (ROOT / "fsref" / "version.py").read_text(encoding="utf-8")
    assert (package / "py.typed").is_file()
    assert {p.name for p in (ROOT / "fsref" / "reports").iterdir() if p.suffix in (".js", ".css", ".html")} <= {
        p.name for p in (package / "reports").iterdir()
    }
    pages = {p.relative_to(ROOT / "fsref") for p in (ROOT / "fsref").rglob("*.md")}
    assert {Path("SPEC.md"), Path("RUNS.md"), Path("guide/costs.md")} < pages
    assert {p.relative_to(package) for p in package.rglob("*.md")} >= pages
    models = {p.name for p in (ROOT / "reference_models" / "digits").iterdir()} - {"__pycache__"}
    assert {p.name for p in (package / "models" / "digits").iterdir()} == models
    assert {p.name for p in (package / "models" / "resnet20").iterdir()} == {"resnet20.fs.npz"}
    assert not (package.parent / "tests").exists()


def console_script_runs_the_digits_model(elsewhere: Path) -> None:
    """`fsref run digits` works from any folder, and prints something; so do a network and a rule that come along."""
    assert must([program(elsewhere, "fsref"), "run", "digits"], elsewhere).strip()
    assert "latency" in must([program(elsewhere, "fsref"), "info", "resnet20"], elsewhere)
    assert must([program(elsewhere, "fsref"), "rule", "POOL-1"], elsewhere).startswith("POOL-1 ")


def readme_runs_and_prints_what_it_shows(elsewhere: Path) -> None:
    """Every python block of the README runs, one after another, and prints the text block that follows it."""
    blocks = python_blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    assert blocks, "README.md has no ```python block"
    assert any(shown is not None for _, shown in blocks), (
        "no ```python block of README.md is followed by a ```text block with what it prints"
    )
    printed = json.loads(
        must([program(elsewhere, "python"), "-c", READER], elsewhere, json.dumps([text for text, _ in blocks]))
    )
    for (_, shown), said in zip(blocks, printed, strict=True):
        if shown is not None:
            assert [line.rstrip() for line in said.strip("\n").splitlines()] == [
                line.rstrip() for line in shown.strip("\n").splitlines()
            ]


def test_the_wheel_alone_does_what_the_readme_says(tmp_path: Path) -> None:
    """Installed into an empty environment and run from another folder, the wheel holds what a user needs, runs the
    digits model and keeps the README's word.
    """
    elsewhere = install(tmp_path)
    holds_what_a_user_needs(elsewhere)
    console_script_runs_the_digits_model(elsewhere)
    readme_runs_and_prints_what_it_shows(elsewhere)
