"""Shards of a run: what 256 images gave, in a file named by all that it depends on, so that a run that was stopped goes
on (RUN-7), and machines share it (RUN-8).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path

from fsref.engines.engine import ENGINES, name_of
from fsref.errors import UsageError
from fsref.formats.files import path_of, write
from fsref.formats.manifest import ShardEntry
from fsref.formats.reading import read_whole
from fsref.law.network import Network
from fsref.metrics.cluster import Cluster
from fsref.metrics.parts import Asked, Images, Part, Progress, Runner, counting_bytes
from fsref.metrics.shard_file import RULE, entry_of, most_bytes, name_of_shard, of_bytes, to_bytes
from fsref.simulation.memory import check_memory

SHARD = 256  # images
HELD = 4  # times a shard: its file, the members of that, its integers, the sums so far


def parts(
    net: Network,
    images: Images,
    asked: Asked,
    resume: str | PathLike[str] | None = None,
    dask: str | None = None,
    progress: Progress | None = None,
    size: int = SHARD,
) -> Iterator[tuple[slice, Part]]:
    """Which images, and what they gave: all at once, or, with a folder or a cluster, shards of `size` images in any
    order.

    `progress` is called with the number of images of each part of the work. Errors: UsageError for the engine, the
    folder or the cluster, FileError for a shard that does not fit, LimitError.
    """
    if resume is None and dask is None:
        yield slice(0, len(images)), Runner(net, asked, len(images)).part(images, progress)
        return
    if asked.engine not in ENGINES:
        problem = "shards are named by it, and an engine of one's own changes behind its name"
        raise UsageError(RULE, "engine", problem, name_of(asked.engine), f"one of {', '.join(ENGINES)}")
    held = HELD * most_bytes(net, asked.counted, size)
    check_memory(counting_bytes(net, len(images), 0) + held, asked.memory_limit, "evaluate")
    folder = None if resume is None else folder_of(resume)
    told = progress or (lambda count: None)
    missing: dict[str, list[slice]] = {}
    entries: dict[str, ShardEntry] = {}
    for first in range(0, len(images), size):
        rows = slice(first, min(first + size, len(images)))
        entry = entry_of(net, asked, images[rows])
        name = name_of_shard(entry)
        if folder is None or not os.path.lexists(path := folder / f"{name}.npz"):
            entries[name] = entry
            missing.setdefault(name, []).append(rows)
            continue
        data = read_whole(path, RULE, most_bytes(net, asked.counted, size), "a shard of this run: delete it")
        yield rows, of_bytes(data, str(path), net, entry)
        told(rows.stop - rows.start)
    some = {name: images[rows[0]] for name, rows in missing.items()}
    for name, data in worked(net, some, asked, dask):
        part = of_bytes(data, name, net, entries[name])
        if folder is not None:
            write(data, folder / f"{name}.npz", RULE)
        for rows in missing[name]:
            yield rows, part
            told(rows.stop - rows.start)


def worked(net: Network, images: Mapping[str, Images], asked: Asked, dask: str | None) -> Iterator[tuple[str, bytes]]:
    """The files of shards by name, as they are done: on the cluster of this address, or here. Errors: as `parts`."""
    if not images:
        return
    if dask is not None:
        with Cluster(dask) as cluster:
            yield from cluster.shards(net, images, asked)
        return
    runner = Runner(net, asked, max(map(len, images.values())))
    for name, some in images.items():
        yield name, to_bytes(net, asked, some, runner.part(some))


def folder_of(path: str | PathLike[str]) -> Path:
    """The folder of shards, made if it is not there. Errors: UsageError."""
    folder = path_of(path, "resume")
    try:
        folder.mkdir(exist_ok=True)
    except (OSError, ValueError) as error:
        told, limit = getattr(error, "strerror", None) or str(error), "a folder, or the name of a new one"
        raise UsageError(RULE, str(path), "is no folder for shards", told, limit) from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise UsageError(RULE, str(path), "may not be written", None, "a folder of one's own")
    return folder
