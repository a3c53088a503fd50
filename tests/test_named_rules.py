"""Where exactly one rule is broken the error names that rule, whether the network is made or read from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Table, Width, fs_relu
from fsref.errors import FsrefError, NetworkError, RangeError
from fsref.formats import npz
from handmade import chain, tiny
from members import array, members_of
from refusals import refused

ONE = (1, 1, 1)
Make = Callable[[], Network]
Change = Callable[[dict[str, Any], dict[str, Any]], None]  # of a manifest and its arrays


def conv(weights: Any, target: Any = (2, 2, 2), **form: Any) -> Network:
    """An input (2, 2, 2), one conv2d of 1 x 1 into an fs unless told, a readout."""
    return chain(FS("a", target, fs_relu(2)), Conv2d("in", "a", weights, **form), given=Input("in", (2, 2, 2), 4, 15))


def dense(weights: Any, pooled: bool = False, target: Any = (2, 1, 1)) -> Network:
    """An input (2, 2, 2), one dense projection into an fs, a readout."""
    return chain(FS("a", target, fs_relu(2)), Dense("in", "a", weights, pooled), given=Input("in", (2, 2, 2), 4, 15))


def pool(shape: Any = (1, 1, 1), table: Table | None = None, **form: Any) -> Network:
    """An input (1, 2, 2) or an fs of a table on it, a max-pool of 2 x 2 unless told, a readout."""
    form = {"kernel": (2, 2), "stride": (1, 1), **form}
    given = Input("in", (1, 2, 2), 4, 15)
    if table is None:
        return chain(MaxPool("p", shape, "in", **form), given=given)
    return chain(FS("a", (1, 2, 2), table), Conv2d("in", "a", [[[[1]]]]), MaxPool("p", shape, "a", **form), given=given)


def table(**changes: Any) -> Network:
    """An fs of one step whose table is changed."""
    return chain(FS("a", ONE, Table(**{"T": [1], "h": [1], "d": [1], **changes})))


def hidden(**changes: Any) -> Network:
    """The tiny network, its hidden population changed."""
    first, _, last = tiny().populations
    form = {"name": "hid", "shape": (3, 1, 1), "table": fs_relu(3, 2), "bias": [1, -2, 0], **changes}
    return tiny(populations=[first, FS(**form), last])


def given(**changes: Any) -> Network:
    """The tiny network, its input changed."""
    form = {"name": "in", "shape": (1, 2, 2), "steps": 4, "max_code": 15, **changes}
    return tiny(populations=[Input(**form), *tiny().populations[1:]])


def readout(**changes: Any) -> Network:
    """The tiny network, its readout changed."""
    return tiny(populations=[*tiny().populations[:2], Readout(**{"name": "out", "shape": (2, 1, 1), **changes})])


eye3 = np.eye(3, dtype=int)
eye = np.eye(2, dtype=int)[:, :, None, None]
MADE: list[tuple[str, str, Make]] = [
    ("NET-1", "two inputs", lambda: tiny(populations=[tiny().input, *tiny().populations])),
    ("NET-2", "a blank in a name", lambda: hidden(name="a b")),
    ("NET-2", "65 characters", lambda: hidden(name="a" * 65)),
    ("NET-3", "no rows", lambda: given(shape=(1, 0, 2))),
    ("NET-3", "2^28 + 2^12 neurons", lambda: given(shape=(1, 65536, 4097))),
    ("NET-4", "its own source", lambda: tiny(projections=[*tiny().projections[:1], Dense("hid", "hid", eye3)])),
    ("NET-4", "nothing enters", lambda: tiny(projections=tiny().projections[1:])),
    ("NET-5", "bias of 2^62", lambda: hidden(bias=[2**62, 0, 0])),
    ("NET-5", "bias of -2^62 - 1", lambda: readout(bias=[0, -(2**62) - 1])),
    ("NET-5", "bias of 2^63", lambda: hidden(bias=[2**63, 0, 0])),
    ("NET-5", "bias of two channels", lambda: hidden(bias=[1, 2])),
    ("NET-7", "17 steps", lambda: given(steps=17)),
    ("NET-7", "max_code of 2^K", lambda: given(max_code=16)),
    ("NET-8", "a class too many", lambda: tiny(classes=["a", "b", "c"])),
    ("NET-8", "logit_scale 0", lambda: tiny(logit_scale=0)),
    ("NET-8", "logit_scale beyond floats", lambda: tiny(logit_scale=10**5000)),
    ("FS-1", "17 steps", lambda: table(T=[1] * 17, h=[1] * 17, d=[1] * 17)),
    ("FS-1", "T beyond 2^58", lambda: table(T=[2**58 + 1])),
    ("FS-1", "h beyond 2^58", lambda: table(h=[-(2**58) - 1])),
    ("FS-1", "d of 2^31", lambda: table(d=[2**31])),
    ("FS-1", "T and d of other steps", lambda: table(d=[1, 1])),
    ("FS-1", "two rows for one channel", lambda: table(T=[[1], [2]])),
    ("FS-1", "thresholds of an FS-ReLU beyond 2^58", lambda: chain(FS("a", ONE, fs_relu(2, 2**58)))),
    ("FS-5", "theta 0", lambda: chain(FS("a", ONE, fs_relu(2, 0)))),
    ("PROJ-1", "three outputs", lambda: conv(np.ones((3, 2, 1, 1), int))),
    ("PROJ-1", "three dimensions", lambda: conv(np.ones((2, 2, 1), int))),
    ("PROJ-2", "windows", lambda: conv(np.ones((2, 2, 2, 1), int))),
    ("PROJ-2", "stride 0", lambda: conv(eye, stride=(0, 1))),
    ("PROJ-2", "padding -1", lambda: conv(eye, padding=(-1, 0, 0, 0))),
    ("PROJ-2", "dilation 65537", lambda: conv(eye, dilation=(1, 65537))),
    ("PROJ-2", "kernel 0", lambda: conv(np.ones((2, 2, 1, 0), int))),
    ("PROJ-3", "three groups", lambda: conv(eye, groups=3)),
    ("PROJ-3", "groups 0", lambda: conv(eye, groups=0)),
    ("PROJ-3", "inputs of one group", lambda: conv(eye, groups=2)),
    ("PROJ-4", "three outputs", lambda: dense(np.ones((3, 8), int))),
    ("PROJ-4", "seven columns", lambda: dense(np.ones((2, 7), int))),
    ("PROJ-4", "no column", lambda: dense(np.ones((2, 0), int))),
    ("PROJ-4", "one dimension", lambda: dense(np.ones(16, int))),
    ("PROJ-4", "a target of two rows", lambda: dense(np.ones((2, 8), int), target=(2, 2, 1))),
    ("PROJ-5", "three outputs", lambda: dense(np.ones((3, 2), int), True)),
    ("PROJ-5", "eight columns", lambda: dense(np.ones((2, 8), int), True)),
    ("PROJ-7", "weight 2^31", lambda: dense(np.full((2, 8), 2**31))),
    ("PROJ-7", "weight -2^31 - 1", lambda: conv(eye * (-(2**31) - 1))),
    ("POOL-1", "stride 0", lambda: pool(stride=(1, 0))),
    ("POOL-1", "kernel 0", lambda: pool(kernel=(0, 2))),
    ("POOL-1", "padding 65537", lambda: pool(padding=(0, 0, 0, 65537))),
    ("POOL-1", "another size", lambda: pool((1, 2, 1))),
    ("POOL-1", "two channels", lambda: pool((2, 1, 1))),
    ("POOL-2", "d 1, 1", lambda: pool(table=Table([1, 1], [1, 1], [1, 1]))),
    ("POOL-3", "a window of padding", lambda: pool((1, 3, 1), padding=(0, 0, 2, 0))),
    ("RANGE-4", "bias and weights to 2^62", lambda: readout(bias=[2**62 - 1, 0])),
    ("RANGE-5", "64 bits", lambda: hidden(width=Width(64, "final"))),
    ("RANGE-5", "2 bits", lambda: hidden(width=Width(2, "final"))),
    ("FILE-3", "scale -1", lambda: hidden(scale=-1.0)),
    ("FILE-3", "offset beyond 2^53", lambda: hidden(offset=2**53 + 1)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "what", "make"), MADE, ids=[f"{rule}: {what}" for rule, what, _ in MADE])
def test_a_network_made_is_refused_by_the_rule_it_breaks(rule: str, what: str, make: Make) -> None:
    """One rule is broken, and it is named."""
    with refused(RangeError if rule == "RANGE-4" or what == "2 bits" else NetworkError, rule):
        make()


def population(index: int, **changes: Any) -> Change:
    """A change of one population of the manifest."""
    return lambda manifest, arrays: manifest["populations"][index].update(changes)


def projection(index: int, **changes: Any) -> Change:
    """A change of one projection of the manifest."""
    return lambda manifest, arrays: manifest["projections"][index].update(changes)


def values(name: str, held: Any) -> Change:
    """A change of one array."""
    return lambda manifest, arrays: arrays.update({name: np.asarray(held)})


def both(first: Change, second: Change) -> Change:
    """Two changes."""
    return lambda manifest, arrays: (first(manifest, arrays), second(manifest, arrays))[1]


def whole(**changes: Any) -> Change:
    """A change of the manifest."""
    return lambda manifest, arrays: manifest.update(changes)


NETS: dict[str, Make] = {
    "tiny": tiny,
    "conv": lambda: conv(eye),
    "pooled": lambda: dense(np.ones((2, 2), int), True),
    "pool": pool,
}
padded = both(population(1, shape=[1, 3, 1], padding=[0, 0, 2, 0]), values("projection.0.weights", [[1, 1, 1]]))
READ: list[tuple[str, str, str, Change]] = [
    ("NET-1", "tiny", "a gate", population(1, kind="gate")),
    ("NET-2", "tiny", "a line in a name", population(1, name="a\nb")),
    ("NET-3", "tiny", "65537 rows", population(0, shape=[1, 65537, 1])),
    ("NET-4", "tiny", "no such target", projection(0, target="more")),
    ("NET-4", "pool", "no such source", population(1, source="more")),
    ("NET-5", "tiny", "bias of 2^62", values("population.1.bias", [2**62, 0, 0])),
    ("NET-5", "tiny", "bias of two channels", values("population.1.bias", [0, 0])),
    ("NET-7", "tiny", "0 steps", population(0, steps=0)),
    ("NET-7", "tiny", "max_code 16", population(0, max_code=16)),
    ("NET-8", "tiny", "one class", whole(classes=["a"])),
    ("NET-8", "tiny", "logit_scale -1", whole(logit_scale=-1)),
    ("FS-1", "tiny", "T of 17 steps", values("population.1.T", [1] * 17)),
    ("FS-1", "tiny", "d of 2^31", values("population.1.d", [2**31, 2, 1])),
    ("PROJ-1", "conv", "three outputs", values("projection.0.weights", np.ones((3, 2, 1, 1), int))),
    ("PROJ-2", "conv", "kernel 0", values("projection.0.weights", np.ones((2, 2, 0, 1), int))),
    ("PROJ-2", "conv", "stride 0", projection(0, stride=[1, 0])),
    ("PROJ-3", "conv", "groups 2", projection(0, groups=2)),
    ("PROJ-4", "tiny", "two outputs", values("projection.0.weights", np.ones((2, 4), int))),
    ("PROJ-4", "tiny", "three columns", values("projection.0.weights", np.ones((3, 3), int))),
    ("PROJ-5", "pooled", "three columns", values("projection.0.weights", np.ones((2, 3), int))),
    ("PROJ-7", "tiny", "weight 2^31", values("projection.0.weights", np.full((3, 4), 2**31))),
    ("POOL-1", "pool", "stride 0", population(1, stride=[0, 1])),
    ("POOL-1", "pool", "kernel 65537", population(1, kernel=[1, 65537])),
    ("POOL-1", "pool", "another size", population(1, kernel=[1, 2])),
    ("POOL-3", "pool", "a window of padding", padded),
    ("RANGE-4", "tiny", "bias to 2^62", values("population.2.bias", [2**62 - 1, 0])),
    ("RANGE-5", "tiny", "0 bits", population(1, width={"bits": 0, "promise": "final"})),
    ("RANGE-5", "tiny", "2 bits", population(1, width={"bits": 2, "promise": "final"})),
    ("FILE-2", "tiny", "floats", values("population.1.bias", [0.5, 0.5, 0.5])),
    ("FILE-3", "tiny", "a key more", whole(more=1)),
    ("FILE-3", "tiny", "scale 0", population(0, scale=0)),
    ("FILE-3", "tiny", "an unknown kind", population(1, kind="relu")),
    ("FILE-3", "tiny", "crop 1", whole(input={"channels": "L", "crop": 1})),
    ("ID-4", "tiny", "version 2.0", whole(spec_version="2.0")),
    ("ID-4", "tiny", "format 2", whole(format=2)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "net", "what", "change"), READ, ids=[f"{rule}: {what}" for rule, _, what, _ in READ])
def test_a_file_is_refused_by_the_rule_it_breaks(rule: str, net: str, what: str, change: Change) -> None:
    """One rule is broken in a file, and it is named."""
    members = members_of(npz.to_bytes(NETS[net]()))
    manifest, arrays = json.loads(members.pop("manifest.json")), dict[str, Any]()
    change(manifest, arrays)
    told = {f"{name}.npy": array(held, held.dtype.str) for name, held in arrays.items()}
    with pytest.raises(FsrefError) as caught:
        npz.build({**members, "manifest.json": json.dumps(manifest).encode(), **told}, "x")
    assert caught.value.rule == rule and caught.value.place.startswith("x: "), repr(caught.value)
