"""Somebody else's function of images, its answers checked at every call (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, FsrefError, UsageError
from fsref.formats import onnx
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Population

Forward: TypeAlias = Callable[[NDArray[Any]], Any]
Answers: TypeAlias = dict[str, Ints]  # by population, (B, neurons); those of readouts are logits


class Theirs:
    """Their function of images, checked at every call; a path is a quantised ONNX file."""

    def __init__(
        self, net: Network, forward: Forward | str | PathLike[str], populations: Sequence[str] | None = None
    ) -> None:
        self.net = net
        self.wanted = None if populations is None else [self.known(name) for name in populations]
        if self.wanted == []:
            limit = ", ".join(p.name for p in net.populations[1:])
            raise UsageError("OBS-4", "verify", "no population to compare", None, limit)
        self.forward: Forward = forward if callable(forward) else _from_onnx(forward, net)
        self.names: tuple[str, ...] = ()  # of the populations compared, in network order

    def known(self, name: Any) -> str:
        """The population they mean: `logits` is the only readout, `codes/NAME` what fsref's ONNX export calls NAME.
        Errors: UsageError.
        """
        names = [p.name for p in self.net.populations[1:]]
        plain = name.removeprefix("codes/") if isinstance(name, str) and name not in names else name
        only = len(self.net.readouts) == 1
        plain = self.net.readout.name if plain == "logits" and plain not in names and only else plain
        if plain not in names:
            limit = ", ".join(dict.fromkeys([*["logits"][: int(only)], *names]))
            raise UsageError("OBS-4", "their answer", "unknown population", repr(name), limit)
        return str(plain)

    def __call__(self, images: Ints) -> Answers:
        """Their answers for images (B, C, H, W), (B, neurons) of each population compared. Errors: UsageError."""
        given = images.astype(np.uint8 if self.net.input.max_code <= 255 else np.int32)
        try:
            answer = self.forward(given)
        except FsrefError:
            raise
        except Exception as error:
            problem, limit = f"raised {type(error).__name__}", f"for images {given.shape}"
            raise UsageError("OBS-4", "their function", problem, str(error) or None, limit) from error
        if answer is None:
            raise UsageError("OBS-4", "their function", "returned nothing", None, "logits, or codes by population")
        if not isinstance(answer, Mapping) and not self.net.is_classifier:
            problem, limit = "returned one array", f"a mapping of {', '.join(p.name for p in self.net.readouts)}"
            raise UsageError("OBS-4", "their function", problem, type(answer).__name__, limit)
        found = dict(answer) if isinstance(answer, Mapping) else {"logits": answer}
        checked = {}
        for name, values in found.items():
            known = self.known(name) if isinstance(answer, Mapping) else self.net.readout.name
            checked[known] = self.codes(str(name), self.net[known], values, len(images))
        if self.wanted is not None:
            if missing := [name for name in self.wanted if name not in checked]:
                problem, limit = "has no codes of a population to compare", ", ".join(checked) or "it is empty"
                raise UsageError("OBS-4", "their answer", problem, missing[0], limit)
            checked = {name: checked[name] for name in self.wanted}
        names = tuple(p.name for p in self.net.populations if p.name in checked)
        if not names:
            raise UsageError("OBS-4", "their answer", "is empty", None, "codes by population, or logits")
        if self.names and names != self.names:
            before, now = ", ".join(self.names), ", ".join(names)
            raise UsageError("OBS-4", "their answer", "has other populations than before", now, before)
        self.names = names
        return {name: checked[name] for name in names}

    def codes(self, name: str, population: Population, values: Any, count: int) -> Ints:
        """Their codes of one population for so many images as (count, neurons). Errors: UsageError."""
        try:
            array = np.asarray(values)
        except Exception as error:
            raise UsageError("OBS-4", f"their {name}", "is no array", type(values).__name__) from error
        if array.dtype.kind not in "biu":
            limit = "codes and logits are: round where your network rounds"
            raise UsageError("OBS-4", f"their {name}", "not integers", array.dtype, limit)
        shapes = (count, *population.shape), (count, population.neurons)
        if array.shape not in shapes:
            raise UsageError("OBS-4", f"their {name}", "wrong shape", array.shape, f"{shapes[0]} or {shapes[1]}")
        return array.reshape(shapes[1]).astype(np.int64)


def _from_onnx(path: str | PathLike[str], net: Network) -> Forward:
    """A quantised ONNX file as a function of images: all its outputs by name. Errors: FileError; UsageError for a float
    one.
    """
    package = onnx.package()
    try:
        model = package.load(path)
    except FsrefError:
        raise
    except Exception as error:  # the operating system's, or one of several of protobuf's
        raise FileError("FILE-5", str(path), "cannot be read", getattr(error, "strerror", None) or str(error)) from None
    kinds = package.TensorProto
    for output in model.graph.output:
        if output.type.tensor_type.elem_type in (kinds.FLOAT, kinds.FLOAT16, kinds.BFLOAT16, kinds.DOUBLE):
            names = ["logits", *(f"codes/{p.name}" for p in net.populations[1:4] if p not in net.readouts), "..."]
            limit = f"a quantised one, its outputs integers named {', '.join(names)}"
            raise UsageError("OBS-4", str(path), "is a float model, of output", output.name, limit)
    names = [output.name for output in model.graph.output]
    return lambda images: onnx.run(model, images, names)
