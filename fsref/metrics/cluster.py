"""Shards over a Dask cluster that is there: the one home of distributed, which comes with `pip install fsref[dask]`
(RUN-8).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from fsref.errors import FsrefError, UsageError
from fsref.formats import npz
from fsref.formats.container import read_members
from fsref.law.network import Network
from fsref.metrics.parts import Asked, Images, Runner
from fsref.metrics.shard_file import to_bytes

RULE = "RUN-8"
CONNECTING = 10  # seconds until a scheduler answers
AHEAD = 2  # shards that wait at each thread of the cluster, the one at work among them


class Cluster:
    """A connection to the scheduler of a cluster, while the block runs. Errors: UsageError."""

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise UsageError(RULE, "dask", "needs the package distributed", None, 'pip install "fsref[dask]"') from None
        self.address, self.distributed = address, distributed

    def __enter__(self) -> Cluster:
        try:
            self.client = self.distributed.Client(self.address, timeout=CONNECTING, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:  # TimeoutError is an OSError
            limit = "the address of a scheduler that runs, such as tcp://127.0.0.1:8786"
            raise UsageError(RULE, "dask", "no scheduler answers", self.address, f"{limit}: {error}") from None
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def shards(self, net: Network, images: Mapping[str, Images], asked: Asked) -> Iterator[tuple[str, bytes]]:
        """The files of the shards of these images by name, as they are done. Errors: UsageError, LimitError."""
        asked = replace(asked, threads=asked.threads or 1)
        try:
            threads = sum(self.client.nthreads().values())
            if not threads:
                limit = "start one: dask worker ADDRESS"
                raise UsageError(RULE, "dask", "the cluster has no worker", self.address, limit)
            network = self.sent(network_of, npz.to_bytes(net), key=f"fsref-network-{net.id}")
            waiting = iter(images)

            def begun(count: int) -> list[Any]:
                chosen = islice(waiting, count)
                return [self.sent(shard_of, network, narrow(images[name]), asked, key=name) for name in chosen]

            done = self.distributed.as_completed(begun(AHEAD * threads), loop=self.client.loop)
            for future in done:
                yield future.key, future.result()
                done.update(begun(1))
        except FsrefError:
            raise
        except Exception as error:  # what a worker raised, or Dask itself, has any type
            told = f"{type(error).__name__}: {error}"
            raise UsageError(
                RULE, self.address, "the cluster did not work out a shard", told, "with resume what was done is kept"
            ) from None

    def sent(self, work: Callable[..., Any], *given: Any, key: str) -> Any:
        """What a worker will make of what it is given, under a key."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")  # Dask would rather read images itself
            return self.client.submit(work, *given, key=key)


def narrow(images: Images) -> Images:
    """Images in the smallest type that holds their codes."""
    return images.astype(np.min_scalar_type(int(images.max())))


def network_of(data: bytes) -> Network:
    """The network of a file's bytes, on a worker. Errors: FileError."""
    return npz.build(read_members(data, "network"), "network")


def shard_of(net: Network, images: Images, asked: Asked) -> bytes:
    """The file of the shard of these images, on a worker. Errors: UsageError, LimitError."""
    return to_bytes(net, asked, images, Runner(net, asked, len(images)).part(images))
