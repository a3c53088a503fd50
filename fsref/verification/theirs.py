"""Somebody else's conversion beside fsref's integers: what they answer, where it first differs, and which known trap
would do that (OBS-4).

`fsref.testing.verify` draws the images; here is everything that needs no Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, FsrefError, UsageError
from fsref.law.images import drawn_images
from fsref.law.network import Network
from fsref.law.neuron import Ints, staircase
from fsref.law.populations import FS, Input, MaxPool
from fsref.simulation.recording import Record
from fsref.simulation.run import run
from fsref.verification.explain import place_of
from fsref.verification.explanation import Place
from fsref.verification.traps import Scene, explanations

Forward: TypeAlias = Callable[[NDArray[Any]], Any]
Answers: TypeAlias = dict[str, Ints]  # by population, (B, neurons); the readout's are logits
DRAWN = 6  # drawn images beside the corners
SHOWN = 6  # pixels of an image named in a message


@dataclass(frozen=True)
class Agreement:
    """What `verify` found when nothing differs: `images` compared in `populations`, `values` integers in all.

    `busy` is the share of FS neurons whose train was neither empty nor full on these images: where a mistake can show.
    """

    network: str
    id: str
    images: int
    populations: tuple[str, ...]
    values: int
    busy: float

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {**vars(self), "populations": list(self.populations)}

    def __str__(self) -> str:
        named = ", ".join(self.populations[:4]) + (
            f" and {len(self.populations) - 4} more" if len(self.populations) > 4 else ""
        )
        lines = [
            f"{self.network or self.id[:12]}: equal in {self.values:,} integers of {self.images} images",
            f"  compared   {named}",
            f"  busy       {100 * self.busy:.1f} % of FS neurons"
            + ("; most are silent or full: give images of your data" if self.busy < 0.05 else ""),
        ]
        return "\n".join(lines)


class Disagreement(AssertionError):
    """Two conversions differ: `image` (C, H, W), `population`, `neuron` and its `place`, `theirs`, `expected`; `str()`
    is one block.

    Of an FS neuron also `membrane`, and `above`: how far it lies above (0 or more) or below the nearest threshold
    between two codes. `hints` are the known traps that give their answer in every neuron.
    """

    def __init__(self, text: str, **found: Any) -> None:
        super().__init__(text)
        self.image: Ints = found["image"]
        self.population: str = found["population"]
        self.neuron: int = found["neuron"]
        self.place: Place = found["place"]
        self.theirs: int = found["theirs"]
        self.expected: int = found["expected"]
        self.membrane: int | None = found["membrane"]
        self.above: int | None = found["above"]
        self.hints: tuple[str, ...] = found["hints"]

    def to_dict(self) -> dict[str, Any]:
        """The disagreement as plain JSON values."""
        plain: dict[str, Any] = {
            name: getattr(self, name) for name in ("population", "neuron", "theirs", "expected", "membrane", "above")
        }
        return {
            **plain,
            "place": list(self.place),
            "hints": list(self.hints),
            "image": self.image.tolist(),
            "text": str(self),
        }


class Theirs:
    """Their function of images, checked at every call; a path is a quantised ONNX file."""

    def __init__(
        self, net: Network, forward: Forward | str | PathLike[str], populations: Sequence[str] | None = None
    ) -> None:
        self.net = net
        self.wanted = None if populations is None else [self.known(name) for name in populations]
        if self.wanted == []:
            raise UsageError(
                "OBS-4", "verify", "no population to compare", None, ", ".join(p.name for p in net.populations[1:])
            )
        self.forward: Forward = forward if callable(forward) else _from_onnx(forward, net)
        self.names: tuple[str, ...] = ()  # of the populations compared, in network order

    def known(self, name: Any) -> str:
        """The population they mean: `logits` is the readout, `codes/NAME` what fsref's ONNX export calls NAME. Errors:
        UsageError.
        """
        names = [p.name for p in self.net.populations[1:]]
        plain = name.removeprefix("codes/") if isinstance(name, str) and name not in names else name
        plain = self.net.readout.name if plain == "logits" and plain not in names else plain
        if plain not in names:
            raise UsageError(
                "OBS-4",
                "their answer",
                "unknown population",
                repr(name),
                ", ".join(names if "logits" in names else ["logits", *names]),
            )
        return str(plain)

    def __call__(self, images: Ints) -> Answers:
        """Their answers for images (B, C, H, W), (B, neurons) of each population compared. Errors: UsageError."""
        given = images.astype(np.uint8 if self.net.input.max_code <= 255 else np.int32)
        try:
            answer = self.forward(given)
        except FsrefError:
            raise
        except Exception as error:
            raise UsageError(
                "OBS-4",
                "their function",
                f"raised {type(error).__name__}",
                str(error) or None,
                f"for images {given.shape}",
            ) from error
        if answer is None:
            raise UsageError("OBS-4", "their function", "returned nothing", None, "logits, or codes by population")
        found = dict(answer) if isinstance(answer, Mapping) else {"logits": answer}
        checked = {
            self.known(name): self.codes(str(name), self.net[self.known(name)].shape, values, len(images))
            for name, values in found.items()
        }
        if self.wanted is not None:
            if missing := [name for name in self.wanted if name not in checked]:
                raise UsageError(
                    "OBS-4",
                    "their answer",
                    "has no codes of a population to compare",
                    missing[0],
                    ", ".join(checked) or "it is empty",
                )
            checked = {name: checked[name] for name in self.wanted}
        names = tuple(p.name for p in self.net.populations if p.name in checked)
        if not names:
            raise UsageError("OBS-4", "their answer", "is empty", None, "codes by population, or logits")
        if self.names and names != self.names:
            raise UsageError(
                "OBS-4", "their answer", "has other populations than before", ", ".join(names), ", ".join(self.names)
            )
        self.names = names
        return {name: checked[name] for name in names}

    def codes(self, name: str, shape: tuple[int, int, int], values: Any, images: int) -> Ints:
        """Their codes of one population as (B, neurons). Errors: UsageError."""
        try:
            array = np.asarray(values)
        except Exception as error:
            raise UsageError("OBS-4", f"their {name}", "is no array", type(values).__name__) from error
        if array.dtype.kind not in "biu":
            raise UsageError(
                "OBS-4",
                f"their {name}",
                "not integers",
                array.dtype,
                "codes and logits are: round where your network rounds",
            )
        neurons = shape[0] * shape[1] * shape[2]
        if array.shape not in ((images, *shape), (images, neurons)):
            raise UsageError(
                "OBS-4", f"their {name}", "wrong shape", array.shape, f"{(images, *shape)} or {(images, neurons)}"
            )
        return array.reshape(images, neurons).astype(np.int64)


def _from_onnx(path: str | PathLike[str], net: Network) -> Forward:
    """A quantised ONNX file as a function of images: all its outputs by name. Errors: FileError; UsageError for a float
    one.
    """
    from fsref.formats import onnx

    try:
        model = onnx._onnx().load(path)
    except FsrefError:
        raise
    except Exception as error:  # the operating system's, or one of several of protobuf's
        raise FileError("FILE-5", str(path), "cannot be read", str(error)) from None
    kinds = onnx._onnx().TensorProto
    for output in model.graph.output:
        if output.type.tensor_type.elem_type in (kinds.FLOAT, kinds.FLOAT16, kinds.BFLOAT16, kinds.DOUBLE):
            wanted = ", ".join(
                ["logits", *(f"codes/{p.name}" for p in net.populations[1:4] if p is not net.readout), "..."]
            )
            raise UsageError(
                "OBS-4",
                str(path),
                "is a float model, of output",
                output.name,
                f"a quantised one, its outputs integers named {wanted}",
            )
    names = [output.name for output in model.graph.output]
    return lambda images: onnx.run(model, images, names)


def corners(net: Network) -> Ints:
    """Images (B, C, H, W) on which mistakes show without luck: black, single pixels, single channels, slopes, white,
    and drawn ones (ID-3).
    """
    (channels, height, width), top = net.input.shape, net.input.max_code
    images = [np.zeros(net.input.shape, np.int64)]
    for c, y, x in dict.fromkeys(
        [(0, 0, 0), (channels - 1, height - 1, width - 1), (channels // 2, height // 2, width // 2), (0, 0, width - 1)]
    ):
        images.append(np.zeros_like(images[0]))
        images[-1][c, y, x] = top
    for c in range(min(channels, 4) if channels > 1 else 0):
        images.append(np.zeros_like(images[0]))
        images[-1][c] = top
    c, y, x = np.indices(net.input.shape)
    images += [
        (17 * c + 5 * y + 3 * x) * top // (17 * channels + 5 * height + 3 * width),
        np.full(net.input.shape, top),
    ]
    return np.concatenate([np.stack(images), drawn_images(net.input, DRAWN)])


@dataclass(frozen=True, eq=False)
class Ours:
    """What fsref says of images: codes (B, neurons) by population, the readout's being logits, and how many FS neurons
    are busy.
    """

    codes: Answers
    busy: int
    neurons: int


def ours(net: Network, images: Ints, names: Sequence[str]) -> Ours:
    """The codes of the populations `names` for images (B, C, H, W)."""
    result = run(net, images, "quantized", Record(observables=("spikes", "codes")))
    assert result.trace is not None
    codes = {name: result.logits if name == net.readout.name else result.trace[name, "codes"] for name in names}
    busy = neurons = 0
    for p in net.populations:
        if isinstance(p, FS):
            trains = result.trace[p.name, "spikes"]
            busy, neurons = busy + int(((trains > 0) & (trains < 2**p.steps - 1)).sum()), neurons + trains.size
    return Ours(codes, busy, neurons)


def first_difference(theirs: Mapping[str, Ints], expected: Mapping[str, Ints]) -> tuple[int, str, int] | None:
    """The first image, population and neuron where two answers differ, in the order of OBS-2, or None."""
    wrong = {name: (theirs[name] != codes) for name, codes in expected.items()}
    by_image = np.array([w.any(axis=1) for w in wrong.values()])
    if not by_image.any():
        return None
    image = int(np.argmax(by_image.any(axis=0)))
    name = next(name for name, row in zip(wrong, by_image, strict=True) if row[image])
    return image, name, int(np.argmax(wrong[name][image]))


def disagreement(net: Network, theirs: Theirs, images: Ints) -> Disagreement | None:
    """How their function first differs on images (B, C, H, W), or None; the image is then looked at alone and beside
    the corners.
    """
    together = theirs(images)
    found = first_difference(together, ours(net, images, theirs.names).codes)
    if found is None:
        return None
    index, name, neuron = found
    image = images[index : index + 1]
    alone, expected = theirs(image), ours(net, image, theirs.names).codes
    again = first_difference(alone, expected)
    if again is None or any((alone[n][0] != together[n][index]).any() for n in theirs.names):
        differs = any((a != b).any() for a, b in zip(theirs(image).values(), alone.values(), strict=True))
        hint = (
            "the same image gets two answers: yours is not a function of the image"
            if differs
            else "an image alone gets another answer than among others: "
        )
        hints = [hint if differs else hint + "every image starts fresh [NET-6]"]
        alone = {n: together[n][index : index + 1] for n in theirs.names}
    else:
        _, name, neuron = again
        hints = _hints(net, theirs, image, name)
    return _described(net, theirs.names, image[0], name, neuron, alone, expected, hints)


def _hints(net: Network, theirs: Theirs, image: Ints, name: str) -> list[str]:
    """The traps that explain their codes of a population, on this image and on all corners where the populations before
    it are right.
    """
    probes = np.concatenate([image, corners(net)])
    answers = [theirs(probes[i : i + 1]) for i in range(len(probes))]
    given = {n: np.concatenate([answer[n] for answer in answers]) for n in theirs.names}
    population = net[name]
    sources = net.sources(name)
    trace = run(net, probes, "quantized", Record(observables=("spikes", "codes", "opening"))).trace
    assert trace is not None
    before = theirs.names[: theirs.names.index(name)]
    right = np.all([np.ones(len(probes), bool), *((given[n] == trace[n, "codes"]).all(axis=1) for n in before)], axis=0)

    def shaped(n: str, observable: str) -> NDArray[Any]:
        return trace[n, observable][right].reshape(-1, *net[n].shape)

    opening = None if isinstance(population, MaxPool) else shaped(name, "opening")
    codes = {n: shaped(n, "codes") for n in sources} | {
        name: shaped(name, "opening" if population is net.readout else "codes")
    }
    trains = {n: shaped(n, "spikes") for n in sources}
    return explanations(
        Scene(net, population, codes, trains, opening, given[name][right].reshape(-1, *population.shape))
    )


def _described(
    net: Network,
    names: Sequence[str],
    image: Ints,
    name: str,
    neuron: int,
    theirs: Answers,
    expected: Answers,
    hints: Sequence[str],
) -> Disagreement:
    """The difference at one neuron, in words."""
    population, wrong = net[name], theirs[name][0] - expected[name][0]
    place, (told, right) = (
        place_of(neuron, population.shape),
        (int(theirs[name][0, neuron]), int(expected[name][0, neuron])),
    )
    lines = [f"{name} differs from fsref [OBS-4]", f"image     {picture(image)}"]
    at = f"neuron {neuron} (c {place[0]}, y {place[1]}, x {place[2]})"
    lines.append(f"first     {name} {at}: theirs {told}, fsref {right}")
    membrane = above = None
    if not isinstance(population, (Input, MaxPool)):
        trace = run(net, image[None], "quantized", Record({name: [neuron]}, ("opening",))).trace
        assert trace is not None
        membrane = int(trace[name, "opening"][0, 0])
    if isinstance(population, FS) and membrane is not None:
        above = distance(net, population, place[0], membrane)
        side = (
            "no threshold parts two codes"
            if above is None
            else f"{abs(above)} {'above' if above >= 0 else 'below'} the nearest threshold"
        )
        lines.append(f"membrane  {membrane}: {side}" + (" (equality fires)" if above == 0 else ""))
    others, unlike = wrong[wrong != 0], [n for n in names if (theirs[n] != expected[n]).any() and n != name]
    span = f"{others.min():+d}" if others.min() == others.max() else f"{others.min():+d} to {others.max():+d}"
    lines.append(
        f"all       {len(others)} of {len(wrong)} neurons of {name} differ, by {span}"
        + (f"; then {', '.join(unlike[:3])}" if unlike else "")
    )
    skipped = [
        p.name for p in net.populations[1 : [p.name for p in net.populations].index(name)] if p.name not in names
    ]
    if skipped and not hints:
        lines.append(
            f"unseen    {', '.join(skipped[:4])}{', ...' if len(skipped) > 4 else ''}: "
            "give their codes too, to see where it begins"
        )
    lines += [f"hint      {hint}" for hint in hints]
    return Disagreement(
        "\n".join(lines),
        image=image,
        population=name,
        neuron=neuron,
        place=place,
        theirs=told,
        expected=right,
        membrane=membrane,
        above=above,
        hints=tuple(hints),
    )


def distance(net: Network, population: FS, channel: int, membrane: int) -> int | None:
    """How far a membrane lies from the nearest value at which the code changes: 0 or more above it, negative below;
    None when there is none.
    """
    T, h, d = (rows[channel] for rows in population.table.rows(population.shape[0]))
    low, high = (int(end) for end in net.ranges[population.name].opening[channel])
    stairs = staircase(T, h, d, min(low, membrane) - 1, max(high, membrane) + 1)
    edges = stairs.start[1:][stairs.code[1:] != stairs.code[:-1]]
    away = membrane - edges
    return int(away[np.lexsort([away < 0, np.abs(away)])[0]]) if len(edges) else None


def picture(image: Ints) -> str:
    """A few words on an image (C, H, W): which pixels are not zero."""
    shape, lit = tuple(image.shape), np.argwhere(image)
    if not len(lit):
        return f"{shape}, every pixel 0"
    if (image == image[0, 0, 0]).all():
        return f"{shape}, every pixel {image[0, 0, 0]}"
    if len(lit) > SHOWN:
        return f"{shape}, {len(lit)} of {image.size} pixels not 0, at most {image.max()}"
    return f"{shape}, 0 but for " + ", ".join(f"(c {c}, y {y}, x {x}) = {image[c, y, x]}" for c, y, x in lit.tolist())


__all__ = ["Agreement", "Disagreement", "Theirs", "corners", "disagreement", "first_difference", "ours"]
