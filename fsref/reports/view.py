"""A spike debugger: a page that shows a network at work on one image, and where a dump differs (DEBUG-1 to DEBUG-3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.engines.engine import Engine
from fsref.errors import UsageError, public
from fsref.formats.bundled import network_of
from fsref.law.arrays import as_array
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.reports.view_choice import choose
from fsref.reports.view_data import data_of
from fsref.reports.view_differences import LEAST, LISTED, add_differences, by_population
from fsref.reports.view_page import SpikePage, html_of
from fsref.simulation.difference import first_by_population
from fsref.simulation.reader import read_trace
from fsref.simulation.recording import Record, Trace
from fsref.simulation.run import class_name, run
from fsref.simulation.shared import Shared, shared
from fsref.tables import plural
from fsref.verification.differences import compare_dump
from fsref.verification.isolated import images_of
from fsref.verification.returned import DumpReport

CLASSES = 2**12  # names of classes on a page


@public
def view(
    net: Network | str | PathLike[str],
    images: ArrayLike,
    dump: Trace | str | PathLike[str] | None = None,
    populations: Iterable[str] | None = None,
    image: int | None = None,
    engine: str | Engine = "events",
) -> SpikePage:
    """A page that shows the network `net` at work on one image, step by step and neuron by neuron: `save(path)` writes
    it, a notebook shows it (DEBUG-1 to DEBUG-3).

    `images` is one image of codes (C, H, W), or (B, C, H, W), of which `image` is shown: 0, with a `dump` the first
    that differs, unless given. The dump is a recording, or the path of one, of the first of these images.
    `populations` are those on the page, with what they read, all unless given; `engine` runs the image. Errors:
    InputError, UsageError, LimitError, and FileError for a dump that cannot be read.
    """
    net = network_of(net)
    given = as_array(images, "RUN-1", "images", "wanted codes (C, H, W) or (B, C, H, W)")
    single = given.ndim < 4 and given.size == net.input.neurons
    x = check_images(net.input, given[None] if single else given)
    read = read_trace(dump, net=net) if isinstance(dump, str | PathLike) else dump
    if not (read is None or isinstance(read, Trace)):
        kind, limit = type(read).__name__, "a recording or the path of one"
        raise UsageError("DEBUG-3", "view", "dump is neither a recording nor a path", kind, limit)
    return page_of(net, x, range(len(x)), "", read, populations, image, engine)


def page_of(
    net: Network,
    x: NDArray[np.integer],
    numbers: Sequence[int],
    source: str,
    dump: Trace | None,
    populations: Iterable[str] | None,
    image: int | None,
    engine: str | Engine,
    memory_limit: int = 2**33,
) -> SpikePage:
    """The page of one of the images `x` (B, C, H, W), that of number `image`; their `numbers` are those that they have
    in their `source`. See `view`.
    """
    whole = image is None or isinstance(image, int | np.integer) and not isinstance(image, bool)
    if not whole or image is not None and image not in numbers:
        raise UsageError("DEBUG-1", "image", "no such image", image, f"one of {len(numbers)}, from {numbers[0]} on")
    report = None
    if dump is not None:
        report = _compared(net, x, numbers, dump, image, engine, memory_limit)
        if image is None and report.first is not None and report.first.first is not None:
            image = report.first.first.difference.image
    image = numbers[0] if image is None else image
    row = list(numbers).index(image)
    one = x[row : row + 1]
    both = [] if dump is None else _both(net, one, images_of(dump, slice(row, row + 1)), engine, memory_limit)
    firsts = first_by_population(both)
    first = next(((name, found.neuron) for name, found in firsts.items()), None)
    chosen = choose(net, populations, first, Counter(part.population for part in both))
    asked = {name: chosen.listed(net[name]) for name in chosen.channels}
    ran = run(net, one, engine, Record(asked, ("spikes", "opening")), memory_limit=memory_limit)
    assert ran.trace is not None
    told, packed = data_of(net, chosen, ran.trace)
    listed = max(LEAST, LISTED // max(1, len(firsts)))
    for shown in told["populations"]:
        add_differences(net, shown, chosen, both, listed, packed)
    differing = by_population(both, firsts)
    told |= {"listed": listed, "compared": dump is not None, "differing": differing}
    if net.class_count == net.readout.shape[0]:  # a single logit is no class
        names = [class_name(net, c) for c in range(min(CLASSES, net.class_count))]
        told |= {"classes": names, "prediction": int(ran.predictions[0])}
    title = f"image {image}" + (f" of {source}" if source else "")
    html = html_of(net, title, chosen, report, told, packed.text())
    return SpikePage(net, int(image), html, chosen, report, differing)


def _compared(
    net: Network,
    x: NDArray[np.integer],
    numbers: Sequence[int],
    dump: Trace,
    image: int | None,
    engine: str | Engine,
    memory_limit: int,
) -> DumpReport:
    """What a dump says of all images, or of one."""
    if image is None:
        return compare_dump(net, x, dump, engine=engine, numbers=numbers, memory_limit=memory_limit)
    row = list(numbers).index(image)
    if row >= dump.image_count:
        limit = f"it answers {plural(dump.image_count, 'image')}"
        raise UsageError("DEBUG-3", "image", "the dump has no answer to this image", image, limit)
    one = images_of(dump, slice(row, row + 1))
    return compare_dump(net, x[row : row + 1], one, engine=engine, numbers=[image], memory_limit=memory_limit)


def _both(net: Network, x: NDArray[np.integer], dump: Trace, engine: str | Engine, memory_limit: int) -> list[Shared]:
    """What a dump of one image (1, C, H, W) holds beside what is right."""
    kinds = {observable for _, observable in dump.arrays}
    held = dump.selection.neurons.items()
    asked = {name: None if len(own) == net[name].neurons else own.tolist() for name, own in held}
    record = Record(asked, [observable for observable in OBSERVABLES if observable in kinds])
    right = run(net, x, engine, record, memory_limit=memory_limit).trace
    assert right is not None
    return shared(dump, right)
