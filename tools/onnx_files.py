"""Small ONNX files as exporters write them, under tests/fixtures/onnx: what the programs that make them share.

Each exporter has a program of its own (onnx_files_*.py), since few of them can be installed beside one another. Tests
install none of them: they read the files, and `files.jsonl`, a line for each: its kind, who wrote it, what it is, the
input contract, and of networks trained in few bits which values are codes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "onnx"
LARGEST = 20_000  # bytes of a file
SCOPES = "pkg.torch.onnx.name_scopes"  # of a node that torch wrote: the modules it stands in


class Code(NamedTuple):
    """A value of the model that holds codes: code = value / scale - first."""

    value: str
    scale: float = 1.0
    first: float = 0.0


class File(NamedTuple):
    """A file to be: the model, what it is, the arguments of its Pixels beside 3 x 8 x 8, and its codes in the order of
    the populations that send them.
    """

    kind: str
    name: str
    model: Any
    what: str
    pixels: dict[str, Any] = {}
    codes: Sequence[Code] = ()


def plain(model: Any) -> Any:
    """The model without what tells of the machine that made it, the places of source code; the scopes of nodes stay."""
    graphs = (model.graph, *model.functions)
    values = (*model.graph.input, *model.graph.output, *model.graph.initializer)
    for part in (*graphs, *values, *(part for graph in graphs for part in (*graph.node, *graph.value_info))):
        kept = [prop for prop in part.metadata_props if prop.key == SCOPES]
        part.doc_string = ""
        del part.metadata_props[:]
        part.metadata_props.extend(kept)
    return model


def write(exporter: str, versions: str, files: Sequence[File]) -> None:
    """Write the files of an exporter, and their lines in the place of those that it had."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    index = FOLDER / "files.jsonl"
    known = [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()] if index.exists() else []
    for line in known:
        if line["exporter"] == exporter:
            (FOLDER / line["file"]).unlink(missing_ok=True)
    kept = [line for line in known if line["exporter"] != exporter]
    for file in files:
        name, data = f"{file.kind}.{file.name}.{exporter}.onnx", plain(file.model).SerializeToString(deterministic=True)
        if len(data) > LARGEST:
            sys.exit(f"{Path(sys.argv[0]).name}: error: {name}: {len(data)} bytes, at most {LARGEST}")
        (FOLDER / name).write_bytes(data)
        made = {"file": name, "kind": file.kind, "exporter": exporter, "versions": versions, "what": file.what}
        more = {"pixels": file.pixels} if file.pixels else {}
        codes = {"codes": [list(code) for code in file.codes]} if file.codes else {}
        kept.append({**made, **more, **codes})
        print(f"{name}: {len(data):,} bytes")
    lines = sorted(json.dumps(line, ensure_ascii=False) for line in kept)
    index.write_text("\n".join(lines) + "\n", encoding="utf-8")
