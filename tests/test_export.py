"""fsref.export: one table of formats, of which each is a module; what it does not know is refused in one line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import fsref
from fsref.errors import UsageError
from fsref.formats import onnx
from fsref.simulation import export as formats


def test_a_format_writes_what_its_module_writes(tmp_path: Path) -> None:
    """A network goes to the module of the format with its options, given itself, as a path or by bundled name."""
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    net = fsref.load("digits")
    net.save(tmp_path / "net.npz")
    codes = [net.fs[0].name]
    onnx.save(net, tmp_path / "wanted", codes=codes)
    for given in (net, tmp_path / "net.npz", str(tmp_path / "net.npz"), "digits"):
        fsref.export(given, tmp_path / "found", format="onnx", codes=codes)
        assert (tmp_path / "found").read_bytes() == (tmp_path / "wanted").read_bytes()


def test_a_new_format_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever has a `save` is a format; its keywords are the options that are known."""

    def save(net: fsref.Network, path: Path, lines: int = 1) -> None:
        path.write_text(f"{net.name}\n" * lines)

    monkeypatch.setattr(formats, "FORMATS", {**formats.FORMATS, "name": SimpleNamespace(save=save)})
    fsref.export("digits", tmp_path / "names", "name", lines=2)
    assert (tmp_path / "names").read_text() == "digits\ndigits\n"
    with pytest.raises(UsageError, match=r"unknown option of name: line \(did you mean lines\?\)"):
        fsref.export("digits", tmp_path / "none", "name", line=2)


@pytest.mark.parametrize(
    ("given", "value", "says"),
    [
        ({"format": "onx"}, "onx", "export: unknown format: onx (did you mean onnx?) [FILE-5]"),
        ({"format": None}, None, "export: unknown format (onnx, readmemh, coe, mif) [FILE-5]"),
        (
            {"format": "onnx", "code": []},
            "code",
            "export: unknown option of onnx: code (did you mean codes?) [FILE-5]",
        ),
    ],
)
def test_what_is_not_known_is_refused(given: dict[str, Any], value: Any, says: str, tmp_path: Path) -> None:
    """An unknown format or option is one line with the nearest name, and nothing is written."""
    with pytest.raises(UsageError) as caught:
        fsref.export("digits", tmp_path / "none", **given)
    assert str(caught.value) == says and caught.value.value == value
    assert not list(tmp_path.iterdir())


def test_what_is_no_network(tmp_path: Path) -> None:
    """Only networks are exported: a graph has no integers yet."""
    with pytest.raises(UsageError, match="not a network: int"):
        fsref.export(3, tmp_path / "none", "onnx")  # type: ignore[arg-type]
