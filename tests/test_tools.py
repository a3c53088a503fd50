"""The programs of tools/: what they say to an old Python, to --help, and what they read and write."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest

import environment
from fsref.formats.bundled import bundled
from fsref.formats.container import pack
from fsref.formats.npy import npy

TOOLS = Path(environment.__file__).parent


@pytest.mark.parametrize("name", ["run", "test", "website"])
def test_an_old_python_is_told_what_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user starts first is parsed by Python 3.8, and ends there with a line, before it does anything."""
    path = TOOLS / f"{name}.py"
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    with pytest.raises(SystemExit, match=f"tools/{name}.py needs Python 3.11 or newer; this is Python 3.8"):
        run_path(str(path))


@pytest.mark.parametrize(
    "name",
    [
        "bench",
        "compare_coding",
        "evaluate",
        "imagenet",
        "mutate",
        "site_build",
        "train_cifar10",
        "train_digits",
        "website",
    ],
)
def test_every_tool_tells_what_it_does(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--help is the docstring of the tool, as it is written, and its options."""
    if name.startswith("train"):
        pytest.importorskip("torch", reason="torch is not installed")
    module = import_module(name)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    said = capsys.readouterr().out
    assert not ended.value.code and module.__doc__.strip() in said and "--out" in said


def test_arguments_before_and_after_the_bar() -> None:
    """What stands after `--` is for another program."""
    assert environment.split(["--all", "--", "-k", "--"]) == (["--all"], ["-k", "--"])
    assert environment.split(["--all"]) == (["--all"], []) and environment.split([]) == ([], [])


def test_the_lowest_versions_are_those_of_pyproject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lower bound becomes that version; what tests alone need is left as it is; what is no lower bound is told."""
    project = tomllib.loads((environment.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    found = environment.lowest("verify", "plot", "onnx", beside="test")
    bounds = project["dependencies"] + optional["verify"] + optional["plot"] + optional["onnx"]
    assert found[: len(bounds)] == [bound.replace(">=", "==") for bound in bounds]
    assert "numpy==2" in found and any(line.startswith("pytest>=") for line in found)
    assert len({re.split("[<>=]", line)[0] for line in found}) == len(found)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    for line in ("numpy", "numpy<3", "numpy>=2,<3", "numpy>=2; python_version < '4'"):
        (tmp_path / "pyproject.toml").write_text(
            f"[project]\ndependencies = [{line!r}]\noptional-dependencies.test = []\n"
        )
        with pytest.raises(SystemExit, match="is no lower bound, NAME>=VERSION"):
            environment.lowest(beside="test")


def test_training_images_of_cifar10(tmp_path: Path) -> None:
    """Five batches are read in turn; labels beyond the ten classes, or a batch that is not there, end the program in a
    line.
    """
    torch = pytest.importorskip("torch", reason="torch is not installed")
    train = import_module("train_cifar10")
    records = np.random.default_rng(3).integers(0, 256, (10, 3073), np.uint8)
    records[:, 0] = np.arange(10)
    for batch in range(5):
        records[2 * batch : 2 * batch + 2].tofile(tmp_path / f"data_batch_{batch + 1}.bin")
    images, labels = train.training_images(tmp_path)
    assert images.dtype == torch.uint8 and images.numpy().reshape(10, -1).tolist() == records[:, 1:].tolist()
    assert labels.dtype == torch.int64 and labels.tolist() == list(range(10))
    records[:2, 0] = [3, 10]
    records[:2].tofile(tmp_path / "data_batch_2.bin")
    with pytest.raises(SystemExit, match=r"train_cifar10.py: error: labels\[3\]: no such class: 10 \(wanted 0..9\)"):
        train.training_images(tmp_path)
    (tmp_path / "data_batch_4.bin").unlink()
    with pytest.raises(SystemExit, match=r"train_cifar10.py: error: .*data_batch_4.bin"):
        train.training_images(tmp_path)


def test_digits_are_written_as_they_are() -> None:
    """The image file of the digits model is what tools/train_digits.py writes of its arrays, byte for byte."""
    path = bundled("digits") / "digits.npz"
    with np.load(path) as arrays:
        members = {f"{name}.npy": npy(arrays[name], arrays[name].dtype) for name in arrays}
    assert pack(members, "digits.npz") == path.read_bytes()


TOY = '''
def larger(a: int, b: int) -> int:
    """The larger of two: which of two equal ones decides nothing."""
    if a > b:
        return a
    return b


def half(n: int) -> int:
    """n / 2, rounded down; its test looks at 1 alone."""
    if n < 0:
        raise ValueError(f"{n - 1}")
    return n // 2


def __repr__() -> str:
    return "a" if 1 < 2 else "b"
'''
TESTS = """
from fsref.toy import half, larger

def test_larger():
    assert larger(1, 2) == larger(2, 1) == 2

def test_half():
    assert half(1) == 0
"""
JUDGED = """# Judged

## fsref/toy.py

The larger of two equal numbers is either.

```diff
-    if a > b:
+    if a >= b:
```
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A tree with a module, a test of each of its functions, and the tool that changes it."""
    for folder in ("fsref", "tests", "tools"):
        (tmp_path / folder).mkdir()
    (tmp_path / "fsref" / "__init__.py").touch()
    (tmp_path / "fsref" / "toy.py").write_text(TOY)
    (tmp_path / "tests" / "test_toy.py").write_text(TESTS)
    for name in ("mutate", "mutants", "copied_tree", "environment", "run_log"):
        shutil.copy(TOOLS / f"{name}.py", tmp_path / "tools")
    return tmp_path


def mutated(toy: Path, *arguments: str) -> tuple[int, Any, str]:
    """What the tool returns, prints and says of the module of a toy tree."""
    command = [sys.executable, "tools/mutate.py", "--module", "fsref/toy.py", "--json", *arguments]
    done = subprocess.run(command, cwd=toy, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, json.loads(done.stdout or "null"), done.stderr


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


@needs_fork
def test_mutants_that_survive_are_told(toy: Path) -> None:
    """A mutant dies by a test of its function, or is told as a survivor, but those that the page judges equivalent. The
    tree stays as it is.
    """
    (toy / "tools" / "mutants.md").write_text(JUDGED)
    code, told, said = mutated(toy)
    assert code == 1, said
    results = {(one["before"], one["after"]): (one["result"], one["by"]) for one in told["mutants"]}
    assert len(results) == len(told["mutants"]) == told["count"]
    survived = [change for change, (result, _) in results.items() if result == "survived"]
    assert survived == [
        ("if n < 0:", "if n <= 0:"),
        ("if n < 0:", "if n < (-1):"),
        ("if n < 0:", "if n < 1:"),
        ('raise ValueError(f"{n - 1}")', "pass"),
        ("return n // 2", "return n // 3"),
    ]
    assert results["if a > b:", "if a >= b:"] == ("equivalent", "The larger of two equal numbers is either.")
    assert results["if a > b:", "if (not (a > b)):"] == ("killed", "tests/test_toy.py::test_larger")
    assert results["return n // 2", "return n * 2"] == ("killed", "tests/test_toy.py::test_half")
    assert results["return n // 2", "return n // 1"] == ("killed", "tests/test_toy.py::test_half")
    assert told["results"] == {"equivalent": 1, "survived": 5, "killed": len(results) - 6}
    assert (toy / "fsref" / "toy.py").read_text() == TOY


@needs_fork
def test_a_draw_of_mutants_is_of_its_seed_and_goes_on_where_it_ended(toy: Path) -> None:
    """The same seed draws the same mutants of the same tree; what the log holds is not run again, until a test file
    changes.
    """
    log = toy / "log.jsonl"
    _, first, _ = mutated(toy, "--count", "2", "--seed", "3", "--out", str(log))
    held = log.read_bytes()
    _, again, _ = mutated(toy, "--count", "2", "--seed", "3", "--out", str(log))
    assert again == first and len(first["mutants"]) == 2 and log.read_bytes() == held
    (toy / "tests" / "test_toy.py").write_text(TESTS + "    assert half(6) == 3\n")
    mutated(toy, "--count", "2", "--seed", "3", "--out", str(log))
    assert log.read_bytes().startswith(held) and len(log.read_bytes()) > len(held)


@needs_fork
def test_an_entry_of_the_page_that_meets_no_mutant_is_an_error(toy: Path) -> None:
    """An entry is known by its lines; when they are gone it is named."""
    (toy / "tools" / "mutants.md").write_text(JUDGED.replace("a >= b", "a >= c"))
    code, told, said = mutated(toy)
    assert (code, told) == (2, None)
    assert said == (
        "mutate.py: error: tools/mutants.md: no mutant is this entry any more: "
        "fsref/toy.py: if a > b:  ->  if a >= c:\n"
    )
