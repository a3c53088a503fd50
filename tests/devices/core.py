"""A device in plain Python: reads frames, lines of hex, or files, and answers by the law, or with a planted bug.

core.py [--hex | IN OUT] [--bug NAME] [--greet JSON]
"""

import json
import sys
from struct import pack, unpack

BUG = sys.argv[sys.argv.index("--bug") + 1] if "--bug" in sys.argv else ""
GREETING = sys.argv[sys.argv.index("--greet") + 1] if "--greet" in sys.argv else "{}"
SCOPES = ["network", "population", "projection", "max_pool", "neuron"]
SUMS, OPENING, SPIKES, MEMBRANES, CODES = range(5)


class Refused(Exception):
    """What the device cannot take."""


class Words:
    """Words read one by one."""

    def __init__(self, words):
        self.words, self.at = words, 0

    def take(self, count=1):
        if count < 0 or self.at + count > len(self.words):
            raise Refused
        self.at += count
        return self.words[self.at - count : self.at]

    def array(self):
        """Dimensions and values."""
        (rank,) = self.take()
        shape = self.take(rank)
        size = 1
        for n in shape:
            size *= n
        return shape, self.take(size)

    def end(self):
        if self.at != len(self.words):
            raise Refused


class Net:
    """A network from its byte form (ID-1)."""

    def __init__(self, words):
        populations, projections = words.take(2)
        self.p = [self.population(words) for _ in range(populations)]
        self.q = [self.projection(words) for _ in range(projections)]
        words.end()

    @staticmethod
    def population(words):
        kind, c, h, w, steps = words.take(5)
        p = {"kind": kind, "shape": (c, h, w), "n": c * h * w, "K": steps}
        if kind == 0:
            (p["max"],) = words.take()
            p["d"] = [[2 ** (steps - 1 - t) for t in range(steps)]] * c
        elif kind == 1:
            for name in "Thd":
                shape, values = words.array()
                p[name] = [values] * c if len(shape) == 1 else [values[i * steps : (i + 1) * steps] for i in range(c)]
        elif kind == 2:
            p["source"], *p["window"] = words.take(9)
        elif kind == 4:
            (p["source"],) = words.take()
            p["rows"], p["columns"] = (words.array()[1] for _ in range(2))
        elif kind != 3:
            raise Refused
        if kind in (1, 3):
            shape, bias = words.array()
            p["bias"] = bias if len(shape) == 3 else [b for b in bias for _ in range(h * w)]
        return p

    @staticmethod
    def projection(words):
        kind, source, target = words.take(3)
        q = {"kind": kind, "source": source, "target": target, "about": words.take({0: 9, 1: 1, 2: 1}.get(kind, -1))}
        q["dims"], q["w"] = words.array()
        return q

    def d(self, i):
        return self.d(self.p[i]["source"]) if self.p[i]["kind"] in (2, 4) else self.p[i]["d"]

    def code(self, i, train, n):
        p = self.p[i]
        d = self.d(i)[n // (p["shape"][1] * p["shape"][2])]
        return sum(d[t] for t in range(p["K"]) if train >> (p["K"] - 1 - t) & 1)

    def gated(self, q, codes, factors):
        each = len(codes) // len(q["w"])
        share = len(codes) // len(factors)
        return [q["w"][n // each] * a * factors[n // share] for n, a in enumerate(codes)]

    def sums(self, q, codes):
        source, target = self.p[q["source"]], self.p[q["target"]]
        (_, hs, ws), (ct, ht, wt) = source["shape"], target["shape"]
        found, w = [], q["w"]
        if q["kind"] == 1:
            size = q["dims"][1]
            for o in range(ct):
                row = w[o * size : (o + 1) * size]
                found.append(sum(row[n // (hs * ws) if q["about"][0] else n] * a for n, a in enumerate(codes)))
            return found
        sy, sx, top, left, _, _, dy, dx, groups = q["about"]
        _, inputs, kh, kw = q["dims"]
        for o in range(ct):
            g = o // (ct // groups)
            for y in range(ht):
                for x in range(wt):
                    total = 0
                    for i in range(inputs):
                        for r in range(kh):
                            for c in range(kw):
                                row, column = y * sy - top + r * dy, x * sx - left + c * dx
                                if BUG == "border" and row < 0:
                                    row = 0
                                if 0 <= row < hs and 0 <= column < ws:
                                    weight = w[((o * inputs + i) * kh + r) * kw + c]
                                    total += weight * codes[((g * inputs + i) * hs + row) * ws + column]
                    found.append(total)
        return found

    def pool(self, p, trains):
        (_, hs, ws), (c, h, w) = self.p[p["source"]]["shape"], p["shape"]
        kh, kw, sy, sx, top, left, _, _ = p["window"]
        found = []
        for channel in range(c):
            for y in range(h):
                for x in range(w):
                    rows = [y * sy - top + r for r in range(kh)]
                    columns = [x * sx - left + r for r in range(kw)]
                    window = [
                        trains[(channel * hs + a) * ws + b]
                        for a in rows
                        for b in columns
                        if 0 <= a < hs and 0 <= b < ws
                    ]
                    union = 0
                    for train in window:
                        union |= train
                    found.append(union if BUG == "or" else max(window))
        return found

    def view(self, p, trains):
        _, hs, ws = self.p[p["source"]]["shape"]
        places = [(c, y, x) for c in range(p["shape"][0]) for y in p["rows"] for x in p["columns"]]
        return [0 if y < 0 or x < 0 else trains[(c * hs + y) * ws + x] for c, y, x in places]

    def fire(self, p, v, n):
        T, h = (p[name][n // (p["shape"][1] * p["shape"][2])] for name in "Th")
        train, membranes = 0, []
        for t in range(p["K"]):
            z = v > T[t] if BUG == "above" else v >= T[t]
            if z and not (BUG == "reset" and t == p["K"] - 1):
                v -= h[t]
            train = train << 1 | z
            membranes.append(v)
        return train, membranes

    def run(self, given):
        """Every observable that follows from what is given."""
        found, trains = {}, {}
        for i, p in enumerate(self.p):
            own = given.get((i, SPIKES), given.get((i, CODES)) if i == 0 else None)
            if own is not None:
                if any(not 0 <= train < 2 ** p["K"] for train in own) or (i == 0 and max(own) > p["max"]):
                    raise Refused
                trains[i] = own
                continue
            opening = given.get((i, OPENING))
            if p["kind"] == 2 and p["source"] in trains:
                trains[i] = self.pool(p, trains[p["source"]])
            elif p["kind"] == 4 and p["source"] in trains:
                trains[i] = self.view(p, trains[p["source"]])
            elif p["kind"] in (1, 3):
                into = [(j, q) for j, q in enumerate(self.q) if q["target"] == i]
                for j, q in into:
                    read = [q["source"], *(q["about"] if q["kind"] == 2 else [])]
                    if all(source in trains for source in read):
                        codes = [[self.code(s, train, n) for n, train in enumerate(trains[s])] for s in read]
                        found[j, SUMS] = self.gated(q, *codes) if q["kind"] == 2 else self.sums(q, *codes)
                if opening is None and all((j, SUMS) in found for j, _ in into):
                    opening = [b + sum(found[j, SUMS][n] for j, _ in into) for n, b in enumerate(p["bias"])]
                    found[i, OPENING] = opening
                if opening is None or p["kind"] == 3:
                    continue
                fired = [self.fire(p, v, n) for n, v in enumerate(opening)]
                trains[i] = [train for train, _ in fired]
                found[i, MEMBRANES] = [v[t] for t in range(p["K"]) for _, v in fired]
            if i in trains:
                found[i, SPIKES] = trains[i]
                found[i, CODES] = [self.code(i, train, n) for n, train in enumerate(trains[i])]
        return found


def hello():
    text = json.dumps({"name": "core.py", "scopes": SCOPES, "refuses": False, **json.loads(GREETING)}).encode()
    text += b" " * (-len(text) % 8)
    return [0, len(text), *unpack(f"<{len(text) // 8}q", text)]


def run(net, words):
    given, answer = {}, [2]
    (count,) = words.take()
    for _ in range(count):
        i, what, size = words.take(3)
        if net is None or not 0 <= i < len(net.p) or size != net.p[i]["n"]:
            raise Refused
        given[i, what] = words.take(size)
    asked = words.take(2 * words.take()[0])
    words.end()
    found = net.run(given)
    for key in zip(asked[::2], asked[1::2], strict=True):
        if key not in found:
            raise Refused
        answer += [len(found[key]), *found[key]]
    return answer


def answers(frames):
    """The reply to each frame."""
    net = None
    for frame in frames:
        words = Words(frame)
        kind = words.take()[0] if frame else -1
        try:
            if kind == 0:
                yield hello()
            elif kind == 1:
                net = Net(words)
                yield [1]
            elif kind == 2:
                yield run(net, words)
            elif kind in (3, 4):
                yield [kind]
            else:
                raise Refused
        except Refused:
            yield [5]
        if kind == 4:
            return


def binary():
    while head := sys.stdin.buffer.read(8):
        count = unpack("<q", head)[0]
        yield list(unpack(f"<{count}q", sys.stdin.buffer.read(8 * count)))


def lines(file):
    for line in file:
        yield [(int(word, 16) ^ 1 << 63) - (1 << 63) for word in line.split()]


def text(reply):
    return " ".join(f"{word & (1 << 64) - 1:x}" for word in reply) + "\n"


if __name__ == "__main__":
    paths = [word for word in sys.argv[1:] if "/" in word]
    if paths:
        with open(paths[0]) as file, open(paths[1], "w") as out:
            out.writelines(map(text, answers(lines(file))))
    elif "--hex" in sys.argv:
        for reply in answers(lines(sys.stdin)):
            print(text(reply), end="", flush=True)
    else:
        for reply in answers(binary()):
            sys.stdout.buffer.write(pack(f"<{len(reply) + 1}q", len(reply), *reply))
            sys.stdout.buffer.flush()
