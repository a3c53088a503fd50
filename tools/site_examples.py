# SPDX-License-Identifier: Apache-2.0
"""The examples of the pages of commands: lines that run one after another in an empty folder, and files that lie there
before. All are cheap, of what comes with fsref, and print the same on every machine, but how long they took.
"""

from __future__ import annotations

DEVICE = '''"""A device that is one neuron: given openings, it answers spikes, membranes and codes."""
import json
import sys
from struct import pack, unpack

HELLO = {"name": "neuron", "kinds": ["input", "fs", "readout", "dense"], "shape": [4, 1, 1], "steps": [1, 3],
         "theta": "layer", "scopes": ["neuron"], "observables": ["spikes", "membranes", "codes"], "refuses": False}
tables = {}

def array(words):
    size = 1
    for _ in range(next(words)):
        size *= next(words)
    return [next(words) for _ in range(size)]

def load(words):
    populations = next(words)
    next(words)  # how many projections: a neuron needs none of them
    for number in range(populations):
        kind, *shape, steps = (next(words) for _ in range(5))
        if kind == 0:
            next(words)  # max_code
        if kind == 1:
            tables[number] = [array(words) for _ in "Thd"]
        if kind != 0:
            array(words)  # bias: it is in the openings

def run(words):
    _, number, _, count = (next(words) for _ in range(4))
    openings, found = [next(words) for _ in range(count)], {}
    T, h, d = tables[number]
    trains, codes, membranes = [0] * count, [0] * count, []
    for t in range(len(T)):
        for n, v in enumerate(openings):
            fires = v >= T[t]
            openings[n], trains[n], codes[n] = v - fires * h[t], 2 * trains[n] + fires, codes[n] + fires * d[t]
        membranes += openings
    found, reply = {2: trains, 3: membranes, 4: codes}, []
    for _ in range(next(words)):
        _, observable = next(words), next(words)
        reply += [len(found[observable]), *found[observable]]
    return reply

def answer(frame):
    words = iter(frame)
    kind = next(words)
    if kind == 0:
        text = json.dumps(HELLO).encode()
        return [0, len(text), *unpack(f"<{(len(text) + 7) // 8}q", text.ljust((len(text) + 7) // 8 * 8, b"\\0"))]
    if kind == 1:
        load(words)
    return [kind, *(run(words) if kind == 2 else [])]

if sys.argv[1:] == ["--hex"]:
    for line in sys.stdin:
        frame = [int(word, 16) - (int(word, 16) >> 63 << 64) for word in line.split()]
        print(*(f"{word % 2**64:016x}" for word in answer(frame)))
else:
    while (head := sys.stdin.buffer.read(8)):
        frame = unpack(f"<{unpack('<q', head)[0]}q", sys.stdin.buffer.read(8 * unpack("<q", head)[0]))
        reply = answer(frame)
        sys.stdout.buffer.write(pack(f"<{len(reply) + 1}q", len(reply), *reply))
        sys.stdout.buffer.flush()
        if frame[0] == 4:
            break
'''
CHIP = '{"kinds": ["input", "fs", "readout", "dense"], "neurons": 4, "steps": [1, 3], "theta": "layer"}\n'
MAKE = "fsref vectors make tiny.jsonl --for tiny.json --scope neuron"

# Pages of the guide whose python blocks run first, for the files that they write.
GUIDED = {"convert": "graph.md", "compare": "graph.md"}
FILES: dict[str, dict[str, str]] = {
    "conform": {"device.py": DEVICE},
    "table round": {"floats.json": '{"T": [4.0, 2.0, 1.0], "h": [4.0, 2.0, 1.0], "d": [4.0, 2.0, 1.0]}\n'},
    "vectors make": {"tiny.json": CHIP},
    "vectors show": {"tiny.json": CHIP},
    "vectors check": {"tiny.json": CHIP, "device.py": DEVICE},
    "vectors bench": {"tiny.json": CHIP},
}
EXAMPLES: dict[str, list[str]] = {
    "check": ["fsref check digits --data digits --limit 4"],
    "compare": [
        "fsref convert small.npz --data drawn:64 --steps 4 --out small.fs.npz",
        "fsref compare small.npz small.fs.npz --data drawn:64",
    ],
    "conform": ["fsref conform --dut 'python3 device.py' --examples 0"],
    "convert": ["fsref convert small.npz --data drawn:64 --steps 4 --out small.fs.npz"],
    "cover": ["fsref cover digits digits --images 0:4"],
    "diff": [
        "fsref run digits --images 0:2 --record conv2 --out recording",
        "fsref diff digits digits recording --images 0:2",
    ],
    "evaluate": ["fsref evaluate digits --limit 100 --energy horowitz_2014"],
    "explain": ["fsref explain digits 0 --population conv2 --neuron 5 --synapses 3 --plot neuron.svg"],
    "export": ["fsref export digits --format readmemh --out memories"],
    "fit": ["fsref fit tanh --steps 6 --range -4 4 --budget 20000 -o tanh-6.json"],
    "info": ["fsref info digits"],
    "rule": ["fsref rule FS-2"],
    "run": ["fsref run digits --images 0:3"],
    "table round": ["fsref table round floats.json --range 0 8"],
    "table show": ["fsref table show sigmoid-6 --against sigmoid --plot sigmoid.svg"],
    "vectors bench": [MAKE, "fsref vectors bench tiny.jsonl --language c --out bench"],
    "vectors check": [
        MAKE,
        "fsref vectors show tiny.jsonl --hex > frames.txt",
        "python3 device.py --hex < frames.txt > replies.txt",
        "fsref vectors check tiny.jsonl replies.txt",
    ],
    "vectors make": [MAKE],
    "vectors show": [MAKE, "fsref vectors show tiny.jsonl"],
    "verify": ["fsref verify digits --budget 64"],
    "view": ["fsref view digits digits --image 0 -o view.html"],
}
