"""Make the golden vectors of the shipped networks and write their digests: `python tools/packs.py [NAME ...]`, all
unless named; `packs.json` in reference_models/vectors says which there are, and of what scopes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from fsref.formats.bundled import load
from fsref.formats.chips import chip_of
from fsref.vectors import pack as packs
from fsref.vectors.making import make

MODELS = Path(__file__).resolve().parent.parent / "reference_models"
FOLDER = MODELS / "vectors"
DIGESTS = FOLDER / "packs.json"


def known() -> dict[str, dict[str, Any]]:
    """What is told of each pack: its network, scopes, whether it is shipped, cases, bytes, the version of fsref that
    made it, and its SHA-256.
    """
    told: dict[str, dict[str, Any]] = json.loads(DIGESTS.read_text(encoding="ascii"))
    return told


def text(name: str) -> bytes:
    """The bytes of a pack, as `fsref vectors make` writes them."""
    told = known()[name]
    net = load(told["net"] if told["net"] == "digits" else str(MODELS / told["net"] / f"{told['net']}.fs.npz"))
    made = make(name, net, chip_of(FOLDER / "answers.json"), 1, told["scopes"])
    return "".join(f"{line}\n" for line in packs.lines(made)).encode("ascii")


def main(names: list[str]) -> int:
    """Make packs, and write those that are shipped and the digests of all."""
    for name in names or list(known()):
        data, told = text(name), known()
        first = json.loads(data.partition(b"\n")[0])
        told[name] |= {"cases": first["cases"], "bytes": len(data), "fsref": first["fsref"]}
        told[name]["sha256"] = hashlib.sha256(data).hexdigest()
        if told[name]["shipped"]:
            (FOLDER / f"{name}.jsonl").write_bytes(data)
        lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in told.items())
        DIGESTS.write_text("{\n" + lines + "\n}\n", encoding="ascii")
        print(f"{name}: {told[name]['sha256']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
