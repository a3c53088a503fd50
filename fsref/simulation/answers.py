"""Tables of answers: arrays by population and observable, in a mapping or an npz, as a recording (TRACE-2)."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, LimitError
from fsref.formats.arrays import INTEGERS, OTHERS
from fsref.formats.container import MAX_FILE, pack, read_file
from fsref.formats.files import write
from fsref.formats.memories import owner
from fsref.formats.npy import npy, read_array
from fsref.formats.reading import opened
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import OBSERVABLES, Population
from fsref.simulation.memory import FIXED, check_memory
from fsref.simulation.recording import Key, Selection, Trace
from fsref.tables import plural

RULE = "TRACE-2"
EACH = 12  # bytes that an integer takes while it becomes one of a recording
TYPES = (*OTHERS, *INTEGERS)  # floats, too, to say that they are


def read(path: Path, net: Network, memory_limit: int) -> Trace:
    """The recording that an npz of arrays NAME or NAME.OBSERVABLE holds. Errors: FileError; LimitError for what takes
    more than `memory_limit` bytes.
    """
    with opened(path, "FILE-1", MAX_FILE, "an .npz file") as (_, size):
        check_memory(size + FIXED, memory_limit, str(path))
    found = {
        name.removesuffix(".npy"): read_array(data, f"{path}: {name.removesuffix('.npy')}", TYPES, fortran=True, axes=5)
        for name, data in read_file(path).items()
    }
    check_memory(size + FIXED + EACH * sum(array.size for array in found.values()), memory_limit, str(path))
    return of_arrays(net, found, str(path))


def of_arrays(net: Network, arrays: Mapping[str, Any], place: str) -> Trace:
    """The recording that arrays by name hold: NAME alone are codes, of a readout its opening membranes.

    Codes, opening, sums and train words are (B, neurons) or (B, C, H, W); membranes, and spikes as planes of 0 and 1,
    (B, K, neurons) or (B, K, C, H, W). Errors: FileError.
    """
    found: dict[Key, NDArray[Any]] = {}
    for name, values in arrays.items():
        key = key_of(net, str(name), place)
        if key in found:
            raise FileError(RULE, place, "holds two arrays of one kind", " ".join(key), "each once")
        found[key] = _array(net, key, values, f"{place}: {name}")
    if not found:
        raise FileError(RULE, place, "holds no array", None, f"NAME or NAME.OBSERVABLE, such as {_example(net)}")
    counts = {key: len(values) for key, values in found.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{' '.join(key)} {count}" for key, count in list(counts.items())[:6])
        raise FileError(RULE, place, "arrays are of different numbers of images", told, "one number for all")
    names = [p.name for p in net.populations if any(owner(net, key).name == p.name for key in found)]
    neurons = {name: np.arange(net[name].neurons) for name in names}
    window = {name: np.arange(net.steps[name]) for name in names}
    kinds = tuple(o for o in OBSERVABLES if any(key[1] == o for key in found))
    return Trace(
        net, next(iter(counts.values())), Selection(neurons, window, kinds, complete=True), ordered(net, found)
    )


def ordered(net: Network, arrays: Mapping[Key, NDArray[Any]]) -> dict[Key, NDArray[Any]]:
    """Arrays in the order of OBS-2."""
    names = [*(p.name for p in net.populations), *net.named_projections]
    populations = [p.name for p in net.populations]

    def place(key: Key) -> tuple[int, int, int]:
        return populations.index(owner(net, key).name), OBSERVABLES.index(key[1]), names.index(key[0])

    return {key: arrays[key] for key in sorted(arrays, key=place)}


def key_of(net: Network, name: str, place: str, what: str = "") -> Key:
    """What NAME.OBSERVABLE, or NAME alone, says: a population by its name or index, or a projection. Errors: FileError
    when the network has none such.
    """
    names = [p.name for p in net.populations]
    of, _, last = name.rpartition(".")
    of, observable = (name, what) if what or last not in OBSERVABLES or name in names else (of, last)
    of = of.removeprefix("codes/") if of not in names else of
    if of.isascii() and of.isdecimal() and of not in names and len(of) < 10 and int(of) < len(names):
        of = names[int(of)]
    of = net.readout.name if of == "logits" and of not in names and len(net.readouts) == 1 else of
    sends = of not in names or "codes" in net[of].observables
    observable = observable or ("codes" if sends else "opening")
    if observable == "sums" and of not in net.named_projections:
        limit = ", ".join(list(net.named_projections)[:12])
        raise FileError(RULE, place, "sums are of a projection, and there is none of this name", of, limit)
    if observable != "sums" and of not in names:
        raise FileError(RULE, place, "there is no such population", of, f"wanted {', '.join(names[:12])}")
    p = owner(net, (of, observable))
    if observable not in p.observables:
        limit = ", ".join(o for o in OBSERVABLES if o in p.observables)
        raise FileError(RULE, place, f"{p.name} has no such observable", observable, f"wanted {limit}")
    return of, observable


def _example(net: Network) -> str:
    return f"{net.populations[1].name}.codes"


def _array(net: Network, key: Key, values: Any, place: str) -> NDArray[Any]:
    """An array of a recording from one that was given: (B, neurons), of membranes (B, K, neurons). Errors: FileError
    that says what another shape looks like.
    """
    p, what = owner(net, key), key[1]
    try:
        given = np.asarray(values)
    except Exception as error:  # whatever an object of somebody says that is no array
        raise FileError(RULE, place, "is no array", type(values).__name__) from error
    if given.dtype.kind not in "biu":
        raise FileError(RULE, place, "not integers", given.dtype, "wanted codes, membranes and trains: integers")
    steps = net.steps[p.name]
    planes = what == "membranes" or (what == "spikes" and given.ndim > 1 and given.shape[1:] in _shapes(p, (steps,)))
    wanted = _shapes(p, (steps,) if planes else ())
    if given.ndim < 2 or len(given) == 0 or given.shape[1:] not in wanted:
        raise FileError(RULE, place, "wrong shape", given.shape, _told(given.shape, p, wanted, steps, what))
    if given.dtype.kind == "u" and given.size and int(given.max()) >= 2**63:
        raise FileError(RULE, place, "integer out of range", int(given.max()), f"below {2**63}")
    if what != "spikes":
        return given.reshape(len(given), *((steps, p.neurons) if planes else (p.neurons,))).astype(np.int64)
    top = 2 if planes else 2**steps
    if given.size and not (int(given.min()) >= 0 and int(given.max()) < top):
        limit = "0 or 1: whether the neuron fires in the step" if planes else f"train words of {steps} bits"
        raise FileError(RULE, place, "spikes out of range", f"{given.min()} .. {given.max()}", limit)
    if not planes:
        return given.reshape(len(given), p.neurons).astype(np.uint16)
    fired = given.reshape(len(given), steps, p.neurons).astype(np.uint16)
    weights = (1 << np.arange(steps - 1, -1, -1)).astype(np.uint16)
    words: NDArray[Any] = (fired * weights[:, None]).sum(axis=1, dtype=np.uint16)
    return words


def _shapes(p: Population, steps: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (*steps, p.neurons), (*steps, *p.shape)


def _either(shapes: tuple[tuple[int, ...], ...]) -> str:
    """Shapes of one image as those of arrays, in words."""
    return " or ".join(f"(images, {', '.join(map(str, shape))})" for shape in shapes)


def _told(shape: tuple[int, ...], p: Population, wanted: tuple[tuple[int, ...], ...], steps: int, what: str) -> str:
    """What shapes of an observable would do, and what another looks like."""
    plain, full = wanted
    told = f"wanted {_either(wanted)}"
    if what == "spikes":
        told += f"; of 0 and 1 {_either(_shapes(p, (steps,)))}"
    if what in ("spikes", "membranes") and shape[1:] in ((p.neurons, steps), (*p.shape, steps)):
        return f"{told}; this looks like steps last: np.moveaxis(values, -1, 1)"
    c, h, w = p.shape
    front, last = shape[: len(shape) - 3], shape[-3:]
    if shape in wanted:
        return f"{told}; this is one image: values[None]"
    if len(front) == len(full) - 2 and last != p.shape:
        for order, text in (((h, w, c), "(H, W, C)"), ((c, w, h), "(C, W, H)"), ((w, h, c), "(W, H, C)")):
            if last == order:
                return f"{told}; this looks like {text}"
    if shape[1:2] and shape[0] == p.neurons:
        return f"{told}; this looks like (neurons, images): values.T"
    count = int(np.prod(shape, dtype=object))
    each = int(np.prod(plain))
    if count and count % each:
        return f"{told}; {plural(count, 'integer')} are no whole number of images of {each}"
    return told


def check_outputs(net: Network, images: int, memory_limit: int) -> int:
    """A bound on the bytes in which the outputs of so many images become a file. Errors: LimitError where that is more
    than `memory_limit`, or the file would be too large (FILE-1).
    """
    size = 8 * images * net.output_neurons
    if size > MAX_FILE:
        limit = f"{MAX_FILE} in one file: fewer images, or a recording of openings"
        raise LimitError("FILE-1", "outputs", "too many bytes", size, limit)
    bound = FIXED + 3 * size  # as members, in the file, and once more as its bytes
    check_memory(bound, memory_limit, "outputs")
    return bound


def save_outputs(outputs: Mapping[str, Ints], path: str | PathLike[str], replace: bool = True) -> None:
    """Write outputs by readout, (B, C, H, W), to an npz of arrays NAME, which `read` takes as any (TRACE-5, RUN-5).
    Errors: FileError, UsageError.
    """
    members = {f"{name}.npy": npy(values) for name, values in outputs.items()}
    write(pack(members, str(path)), path, "TRACE-5", replace)
