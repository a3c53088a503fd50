"""The one schema of `manifest.json` (FILE-3): a msgspec struct per object, unknown keys refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = ["UNSET", "UnsetType"]
INVALID = (msgspec.MsgspecError, UnicodeError, RecursionError)  # what `decode` raises
Count = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Two = tuple[Count, Count]
Three = tuple[Count, Count, Count]
Four = tuple[Count, Count, Count, Count]


class WidthEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """A declared width (RANGE-5)."""

    bits: Count
    promise: Literal["any_order", "final"]


class InputEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="input"):
    """An input (NET-7)."""

    name: str
    shape: Three
    steps: Count
    max_code: Count
    scale: float | None = None


class FSEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="fs"):
    """A population of FS neurons (FS-1); its table and bias are arrays of the file."""

    name: str
    shape: Three
    width: WidthEntry | None = None
    scale: float | tuple[float, ...] | None = None
    offset: Count = 0


class MaxPoolEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="max_pool"):
    """A max-pool (POOL-1)."""

    name: str
    shape: Three
    source: str
    kernel: Two
    stride: Two
    padding: Four


class ViewEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="view"):
    """A view (VIEW-1)."""

    name: str
    shape: Three
    source: str
    rows: tuple[Count, ...]
    columns: tuple[Count, ...]


class ReadoutEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="readout"):
    """A readout (NET-8); its bias is an array of the file. What has no scale of its own says nothing of it, so that
    files are as before there could be one.
    """

    name: str
    shape: Three
    width: WidthEntry | None = None
    scale: float | UnsetType = UNSET


class Conv2dEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="conv2d"):
    """A convolution (PROJ-1)."""

    source: str
    target: str
    stride: Two = (1, 1)
    padding: Four = (0, 0, 0, 0)
    dilation: Two = (1, 1)
    groups: Count = 1


class DenseEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="dense"):
    """A dense projection (PROJ-4, PROJ-5)."""

    source: str
    target: str
    pooled: bool = False


class GateEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="gate"):
    """A gate (GATE-1)."""

    source: str
    by: str
    target: str


PopulationEntry: TypeAlias = InputEntry | FSEntry | MaxPoolEntry | ViewEntry | ReadoutEntry
ProjectionEntry: TypeAlias = Conv2dEntry | DenseEntry | GateEntry


class ContractEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """How pixels became codes."""

    channels: Literal["L", "RGB"]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: Count | None = None
    crop: Count | None = None


class Manifest(Struct, forbid_unknown_fields=True, frozen=True):
    """The whole manifest (FILE-3)."""

    format: int
    spec_version: str
    populations: list[PopulationEntry]
    projections: list[ProjectionEntry]
    name: str = ""
    logit_scale: float = 1.0
    classes: tuple[str, ...] = ()
    input: ContractEntry | None = None
    provenance: dict[str, Any] = {}


class PixelsEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """The input contract of a float graph (GRAPH-5)."""

    channels: Count
    height: Count
    width: Count
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    scale: float = 1 / 255
    max_code: Count = 255
    order: str = ""
    resize: Count | None = None
    crop: Count | None = None


class NodeEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """A node of a float graph (GRAPH-2); its arrays are arrays of the file."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, bool | int | float | str | tuple[Count, ...]] = {}


class GraphEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """A whole float graph (GRAPH-6)."""

    format: int
    nodes: list[NodeEntry]
    input: PixelsEntry | None = None
    name: str = ""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    outputs: tuple[tuple[str, str], ...] | UnsetType = UNSET


class GraphFormat(Struct):
    """The format of a graph's file alone, read first so that a later format is refused by name."""

    format: int


class ShardEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """What a shard is of, all but the last two of which name it (RUN-7); its arrays are arrays of the file."""

    format: int
    fsref: str
    spec_version: str
    id: str
    engine: str
    counted: bool
    images: str
    image_count: Count
    kernels: str = ""
    seconds: float = 0.0


class Version(Struct):
    """Format and version alone, read first so that a later format is refused by name."""

    format: int
    spec_version: str


class Kind(Struct):
    """The kind of a population alone."""

    kind: str


class Kinds(Struct):
    """The kinds of all populations alone, read first so that a gate among them is refused by name."""

    populations: list[Kind]


def later(found: Manifest) -> Iterator[tuple[str, str, str]]:
    """What of a manifest came with a version of the law after 1.0: where it stands, what it is, and the version
    (FILE-3).
    """
    readouts = [p for p in found.populations if isinstance(p, ReadoutEntry)]
    if len(readouts) > 1:
        yield "populations", "several readouts", "1.3"
    for p in found.populations:
        match p:
            case ViewEntry():
                yield f"population {p.name}", "a view", "1.3"
            case FSEntry(scale=tuple()):
                yield f"population {p.name}", "a scale per channel", "1.3"
            case FSEntry() if p.offset:
                yield f"population {p.name}", "an offset", "1.1"
            case ReadoutEntry() if p.scale is not UNSET or p.shape[1:] != (1, 1):
                yield f"population {p.name}", "a map or a scale of its own as readout", "1.3"
            case _:
                pass
    for q in found.projections:
        if isinstance(q, GateEntry):
            yield f"projection {q.source}->{q.target}", "a gate", "1.4"


def decode(text: bytes, kind: type[Any]) -> Any:
    """`text` as a struct of this schema. Errors: one of INVALID, saying which key."""
    return msgspec.json.decode(text, type=kind)


def plain(entry: Struct) -> dict[str, Any]:
    """A struct as plain JSON values, its kind included."""
    built: dict[str, Any] = msgspec.to_builtins(entry, enc_hook=_scalar)
    return built


def _scalar(value: Any) -> Any:
    """A NumPy scalar as the Python number it is."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")
