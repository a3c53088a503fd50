"""What fsref needs of others: what it imports is declared, what is declared is imported, and as late as can be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fsref

PACKAGE = Path(fsref.__file__).parent
PROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CALLED = {"PIL": "pillow", "sklearn": "scikit-learn", "vcd": "pyvcd"}  # distributions by what they are imported as
EXTRAS = {
    "verify": {"hypothesis"},
    "plot": {"matplotlib"},
    "onnx": {"onnx", "onnxruntime"},
    "vcd": {"pyvcd"},
    "nir": {"nir"},
    "dask": {"distributed"},
}


# What tools/onnx_files_*.py write files with, and nothing else needs.
EXPORTERS = {"brevitas", "onnxscript", "qonnx", "tensorflow", "tf2onnx", "tflite2onnx"}


def imported(folder: Path) -> set[str]:
    """The distributions that the modules of a folder import, the standard library and what is ours left out."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
    ours = {"fsref", "naive", *(path.stem for path in folder.glob("*.py"))}
    tops = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - ours
    return {CALLED.get(name, name) for name in tops}


def declared(lines: list[str]) -> set[str]:
    """The distributions that these requirements name."""
    return {re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in lines}


def test_what_is_imported_is_declared_and_the_other_way_round() -> None:
    """fsref imports its dependencies, all of them, and beside them what an extra brings, or the user's own PyTorch."""
    extras = PROJECT["optional-dependencies"]
    for name, brought in EXTRAS.items():
        assert declared(extras[name]) == brought
    assert imported(PACKAGE) == declared(PROJECT["dependencies"]).union(*EXTRAS.values(), {"torch"})
    beside = imported(PACKAGE.parent / "tools") - imported(PACKAGE) - EXPORTERS
    assert (
        beside == {"scikit-learn", "pytest", "spikingjelly", "torchvision", "hatchling"}
        and "pytest" in declared(extras["test"])
        and declared(extras["train"]) == {"torch", "scikit-learn"}
        and declared(extras["docs"]) == {"sphinx", "myst-parser", "furo"}
    )


@pytest.mark.parametrize(("module", "needed"), [("fsref", []), ("fsref.formats.sources", ["msgspec"])])
def test_little_is_imported_before_it_is_needed(module: str, needed: list[str]) -> None:
    """`import fsref` needs NumPy alone; reading images asks for Pillow when there is an image file."""
    others = {
        "PIL",
        "msgspec",
        "numba",
        "click",
        "rich",
        "onnx",
        "hypothesis",
        "matplotlib",
        "torch",
        "vcd",
        "nir",
        "h5py",
    }
    code = f"import sys, {module}; print(sorted({{m.split('.')[0] for m in sys.modules}} & {others}))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == str(needed)
