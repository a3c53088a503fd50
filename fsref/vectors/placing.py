"""Biases that set membranes where mistakes show, and the images they are solved for (VECTOR-3)."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import numpy as np

from fsref.errors import NetworkError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, Readout
from fsref.simulation.following import following
from fsref.vectors.chains import CHAIN
from fsref.vectors.drawing import edges, membranes
from fsref.vectors.reaching import TURNING
from fsref.vectors.room import COPY, INPUT, Room
from fsref.verification.aims import extremes

LOGITS: tuple[list[int], ...] = (
    [-1, -1, -2, -128, -3],
    [9, 9, 8, 0, -1, 1],
    [],
    [0, -1, 0, -32769, -1, -256],
)  # the largest, twice, first
TAMER = 8  # each try without the farthest membranes halves the bits that are left
CHANNELS = 4  # that get each membrane by turns


def codes(given: Input, room: Room, turn: int) -> Ints:
    """An image (neurons,): 0, max_code, each bit and one less, patterns, and drawn codes, each at another place in
    another turn.
    """
    n, top = given.neurons, given.max_code
    marked = [v for v in edges(given.steps, False) if v <= top] + [top]
    image = np.array(marked, np.int64)[(np.arange(n) * 3 + turn * n) % len(marked)]
    drawn = room.draws.below(top + 1, n)
    image = np.where(room.draws.below(3, n) == 0, drawn, image)
    image[turn % n], image[(turn + n // 2) % n] = 0, top
    image[n - 1] = max(image[n - 1], 1)
    return image


def stimuli(net: Network, room: Room, turn: int) -> list[Ints]:
    """Images (neurons,) for a network whose biases were solved for the first: others that drive a membrane to either
    end of *final*, all or nothing, by turns, one more like the first, and one in which the last neurons alone send.
    What turns is as far as it goes at all.
    """
    n, top = net.input.neurons, net.input.max_code
    driven = extremes(net).reshape(-1, n) if net.populations[1].name != COPY else np.zeros((0, n), np.int64)
    far = [driven[(2 * turn + e) % len(driven)] for e in (0, 1)] if len(driven) else []
    all_of_it = room.draws.count % 2 == 0 or any(p.name == TURNING for p in net.populations)
    whole = np.full(n, top if all_of_it else 0, np.int64)
    more = codes(net.input, room, turn + 1)
    return [*far, whole, more, np.where(np.arange(n) < n - n // 4, 0, more)]


def placed(net: Network, image: Ints, room: Room, turn: int) -> Network:
    """The network with biases such that an image (neurons,) sets each membrane to one of `membranes`, the next ones in
    the next turn; where the chip has no room for one, to one nearer to 0.
    """
    for p in net.integrating:
        if p.name == COPY or all(name in (INPUT, COPY) for name in net.sources(net.readout.name)):
            continue  # what reads the input alone shows whole sums
        if p.bias.any():
            continue  # what the form is about
        opening = following(net, {(net.input.name, "codes"): image[None]})[p.name, "opening"][0]
        for tamer in range(TAMER):
            try:
                made = biased(net, p, targets(p, turn, tamer, room.draws.count) - opening, room, turn)
                room.check(made)
            except NetworkError:
                continue
            net = made
            break
    return net


def targets(p: FS | Readout, turn: int, tamer: int, number: int) -> Ints:
    """A membrane for each neuron (neurons,), the nearer to 0 the tamer; logits of a kind that the `number` tells."""
    match p:
        case FS():
            T, h, _ = p.table.rows(p.shape[0])
            rows = [membranes(*row) for row in zip(T.tolist(), h.tolist(), strict=True)]
        case Readout():
            rows = [LOGITS[number % len(LOGITS)] or edges(34, True)[::-1]] * p.shape[0]
        case _:
            assert_never(p)
    if tamer:
        most = max(abs(v) for row in rows for v in row) >> 4 * tamer
        rows = [[v for v in row if abs(v) <= most] or [0] for row in rows]
    n, size = p.neurons, p.shape[1] * p.shape[2]
    first = number % CHANNELS + turn * n  # that a channel gets others in other networks
    return np.array([rows[i // size][(i + first) % len(rows[i // size])] for i in range(n)], np.int64)


def biased(net: Network, p: FS | Readout, wanted: Ints, room: Room, turn: int) -> Network:
    """The network with a bias map of what is wanted (neurons,), or with that of one place of each channel. Errors:
    NetworkError.
    """
    (channels, *_), n = p.shape, np.arange(p.shape[0])
    rows = wanted.reshape(channels, -1)
    size = rows.shape[1]
    whole = size > 1 and room.chip.bias_map and room.draws.count % 2 == 0
    bias = rows.reshape(p.shape) if whole else rows[n, (n + turn) % size]
    if net.name.startswith(CHAIN) and len(net.into(p.name)) == 1:  # a bias of 0 may be one that is not loaded
        bias[(room.draws.count + 3) % CHANNELS :: CHANNELS] = 0
    made = replace(p, bias=bias)
    return Network([made if q is p else q for q in net.populations], net.projections, net.name)
