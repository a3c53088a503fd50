"""The kernel that counts the spikes of recorded trains (COUNT-2): as in `engines.kernels.plain`, it is also valid
Python, and calls none of another file.

A train word is a spike per bit, so all steps of a neuron are counted at once: plane j holds bit j of the counts of
every step, and a word is added as a number of one bit is, its carry going from plane to plane.
"""

from __future__ import annotations

import numpy as np

from fsref.engines.kernels import Kernel

PLANES = 7
MOST = 2**PLANES - 1  # images that planes count


@Kernel
def tally(trains, sent, most, of_image, room):  # type: ignore[no-untyped-def]
    """Add the spikes of train words (B, N) uint16 (EVENT-2) to sent (K, N) and of_image (B,); raise most (N,) to the
    most that a neuron sends for one image. room (PLANES, block) uint16 is for a block of neurons.
    """
    images, neurons = trains.shape
    steps = sent.shape[0]
    for first in range(0, neurons, room.shape[1]):
        block = min(room.shape[1], neurons - first)
        peak = most[first : first + block]
        room[:] = 0
        for b in range(images):
            words = trains[b, first : first + block]
            total = np.int64(0)
            for n in range(block):  # spikes by pairs, fours, eights of steps
                pairs = np.uint16(words[n] - np.uint16((words[n] >> 1) & 0x5555))
                fours = np.uint16(np.uint16(pairs & 0x3333) + np.uint16((pairs >> 2) & 0x3333))
                eights = np.uint16(np.uint16(fours + np.uint16(fours >> 4)) & 0x0F0F)
                spikes = np.uint16(np.uint16(eights + np.uint16(eights >> 8)) & 0x1F)
                peak[n] = max(peak[n], spikes)
                total += spikes
            of_image[b] += total
            for n in range(block):
                carry = words[n]
                for j in range(PLANES):
                    before = room[j, n]
                    room[j, n] = before ^ carry
                    carry &= before
            if (b + 1) % MOST == 0 or b == images - 1:
                for t in range(steps):
                    count, bit = sent[t, first : first + block], np.uint16(steps - 1 - t)
                    for n in range(block):
                        counted = np.uint16(0)
                        for j in range(PLANES):
                            counted |= np.uint16(((room[j, n] >> bit) & np.uint16(1)) << j)
                        count[n] += counted
                room[:] = 0
