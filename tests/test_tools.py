"""The programs of tools/: what they say to an old Python, to --help, and what they read and write."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest

import environment
from fsref.formats.bundled import bundled
from fsref.formats.container import pack
from fsref.formats.npy import npy

TOOLS = Path(environment.__file__).parent


@pytest.mark.parametrize("name", ["run", "test"])
def test_an_old_python_is_told_what_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user starts first is parsed by Python 3.8, and ends there with a line, before it does anything."""
    path = TOOLS / f"{name}.py"
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    with pytest.raises(SystemExit, match=f"tools/{name}.py needs Python 3.11 or newer; this is Python 3.8"):
        run_path(str(path))


@pytest.mark.parametrize("name", ["compare_coding", "evaluate", "imagenet", "mutate", "train_cifar10", "train_digits"])
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
    with pytest.raises(SystemExit, match=r"train_cifar10.py: error: labels\[3\]: no such class: 10 \(0..9\)"):
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
