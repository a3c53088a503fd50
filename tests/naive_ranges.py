"""A second, naive answer to RANGE-1 to RANGE-3, from SPEC.md alone: the intervals of a network of the naive oracle."""

from functools import partial

import naive

Interval = tuple[int, int]
Intervals = dict[int, list[Interval]]  # population -> one interval per channel


def firing(opening: Interval, T: naive.Row, h: naive.Row, d: naive.Row) -> tuple[Interval, Interval]:
    """The interval of the membranes after the firing steps, and that of the codes (RANGE-3)."""
    pieces, after = [(*opening, 0)], []
    for t in range(len(T)):
        quiet = [(lo, min(hi, T[t] - 1), code) for lo, hi, code in pieces if lo < T[t]]
        fired = [(max(lo, T[t]) - h[t], hi - h[t], code + d[t]) for lo, hi, code in pieces if hi >= T[t]]
        pieces = quiet + fired
        after += pieces
    codes = [code for _, _, code in pieces]
    return (min(lo for lo, _, _ in after), max(hi for _, hi, _ in after)), (min(codes), max(codes))


def ranges(net: naive.Net) -> dict[str, Intervals]:
    """The intervals any_order, final, membrane and code of every population that has them (RANGE-1 to RANGE-3)."""
    found: dict[str, Intervals] = {"any_order": {}, "final": {}, "membrane": {}, "code": {}}
    for p, one in enumerate(net.populations):
        if one.kind in ("input", *naive.RELAYS):
            whole = [(0, one.max_code)] * one.shape[0]
            sent = whole if one.kind == "input" else found["code"][one.source]
            gaps = not all(one.windows)
            found["code"][p] = [(min(a, 0), max(b, 0)) for a, b in sent] if gaps else sent
            continue
        least, most = list(one.bias), list(one.bias)
        low, high = [min(0, b) for b in one.bias], [max(0, b) for b in one.bias]
        for joint in [joint for joint in net.projections if joint.target == p]:
            source = net.populations[joint.source]
            for c, synapses in zip(source.channel, joint.synapses, strict=True):
                codes, d = found["code"][joint.source][c], source.rows["d"][c]
                factors = found["code"][joint.factor][c] if joint.kind == "gate" else (1,)  # both ends of its codes
                for m, w in synapses:
                    low[m] += min(sum(min(0, w * B * worth) for worth in d) for B in factors)
                    high[m] += max(sum(max(0, w * B * worth) for worth in d) for B in factors)
                    least[m] += min(w * B * code for B in factors for code in codes)
                    most[m] += max(w * B * code for B in factors for code in codes)
        size = one.shape[1] * one.shape[2]
        places = [slice(n, n + size) for n in range(0, len(low), size)]
        found["any_order"][p] = [(min(low[cut]), max(high[cut])) for cut in places]
        found["final"][p] = [(min(least[cut]), max(most[cut])) for cut in places]
        if one.kind == "fs":
            fired = [firing(*row) for row in zip(found["final"][p], *one.rows.values(), strict=True)]
            found["membrane"][p], found["code"][p] = [both[0] for both in fired], [both[1] for both in fired]
            for name in ("any_order", "final"):
                wide = zip(found[name][p], found["membrane"][p], strict=True)
                found[name][p] = [(min(a, lo), max(b, hi)) for (a, b), (lo, hi) in wide]
    return found


def interval(name: str, net: naive.Net) -> Intervals:
    """One of the intervals that `ranges` finds, of every population that has it, by channel (RANGE-1 to RANGE-3)."""
    return ranges(net)[name]


any_order = partial(interval, "any_order")  # RANGE-1 widened by RANGE-3, of each fs and readout
final = partial(interval, "final")  # RANGE-2 widened by RANGE-3, of each fs and readout
membrane_interval = partial(interval, "membrane")  # RANGE-3, of each fs
code_interval = partial(interval, "code")  # RANGE-2 and RANGE-3, of each input, fs, max_pool and view
