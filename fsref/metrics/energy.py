"""Energy of counted work under a cost table, beside that of the dense ANN of the same network (COUNT-5, COUNT-6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, UsageError, literal, public
from fsref.formats.container import unique
from fsref.formats.reading import read_whole
from fsref.law.network import Network
from fsref.metrics.counts import Counts, Work
from fsref.tables import Brief, Sheet, Shown, plural, short

MAX_FILE = 2**16  # bytes of a cost table


@dataclass(frozen=True, repr=False)
class Costs(Brief):
    """What each operation costs, in pJ (COUNT-5); `source` is where the numbers are from, `sources` what it says of
    each.

    `multiplication_pj`: 8-bit activation times 8-bit weight, in the dense ANN alone. `scaling_pj`: a weight times a d
    that is no power of two. `addition_pj`, `comparison_pj`: of a membrane. The others: one access to a memory. Errors:
    UsageError for what is no cost.
    """

    name: str
    multiplication_pj: float
    scaling_pj: float
    addition_pj: float
    comparison_pj: float
    weight_read_pj: float
    parameter_read_pj: float
    membrane_read_pj: float
    membrane_write_pj: float
    source: str = ""
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name in PRICED:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e30:
                raise UsageError(
                    "COUNT-5", f"costs {self.name} {name}", "not a cost", literal(value), "a number of pJ, 0 or more"
                )

    def to_dict(self) -> dict[str, Any]:
        """The cost table as plain JSON values, with what it says of where its numbers are from."""
        cited = {"cited": self.source, "cited_by_cost": dict(self.sources)}
        return {"name": self.name, **{name: getattr(self, name) for name in PRICED}, **cited}

    def __getitem__(self, kind: str) -> float:
        """The cost in pJ of a kind of operation, such as additions (COUNT-5)."""
        return float(getattr(self, PRICED[KINDS.index(kind)]))


PRICED = tuple(f.name for f in fields(Costs) if f.name.endswith("_pj"))
KINDS = tuple(f"{name.removesuffix('_pj')}s" for name in PRICED)  # as the properties of Work are called

PAPER = 'M. Horowitz, "Computing\'s energy problem (and what we can do about it)", ISSCC 2014: energies at 45 nm, 0.9 V'
COUNTED = "operations and memory accesses alone: no leakage, clock, wires, control, queues, max-pool bits; of the ANN "
COUNTED += "no requantisation"
MEMORIES = {  # pJ of one access of 64 bits
    "8kb": (10.0, "64 bits of an 8 KB cache: 10 pJ"),
    "32kb": (20.0, "64 bits of a 32 KB cache: 20 pJ"),
    "1mb": (100.0, "64 bits of a 1 MB cache: 100 pJ"),
    "dram": (1300.0, "DRAM: 1.3 to 2.6 nJ; the lower end"),
    "arithmetic": (0.0, "memory is left out: 0 pJ, no number of the paper"),
}


def horowitz_2014(memory: str = "32kb") -> Costs:
    """The costs of Horowitz 2014, 45 nm, with all of weights, parameters and membranes in one kind of `memory`: 8kb,
    32kb, 1mb, dram, or arithmetic, none.

    An access is charged whole, whatever it uses of its 64 bits. Errors: UsageError for another memory.
    """
    if not isinstance(memory, str) or memory not in MEMORIES:
        raise UsageError("COUNT-5", "horowitz_2014", "unknown memory", memory, ", ".join(MEMORIES))
    access, said = MEMORIES[memory]
    arithmetic = {
        "multiplication_pj": (0.2, "8-bit integer multiplication: 0.2 pJ"),
        "scaling_pj": (3.1, "32-bit integer multiplication: 3.1 pJ"),
        "addition_pj": (0.1, "32-bit integer addition: 0.1 pJ"),
        "comparison_pj": (0.1, "a subtraction; 32-bit integer addition: 0.1 pJ"),
    }
    priced = {name: arithmetic.get(name, (access, said)) for name in PRICED}
    name = "horowitz_2014" if memory == "32kb" else f"horowitz_2014_{memory}"
    return Costs(
        name,
        **{k: cost for k, (cost, _) in priced.items()},
        source=PAPER,
        sources={k: text for k, (_, text) in priced.items()},
    )


PRESETS: Mapping[str, Costs] = MappingProxyType(
    {costs.name: costs for costs in map(horowitz_2014, ("32kb", "8kb", "1mb", "dram", "arithmetic"))}
)


def read_costs(path: str | Path) -> Costs:
    """The cost table of a JSON file: an object with every cost of `Costs` in pJ, and perhaps `name`, `source` and
    `sources`. Errors: FileError, UsageError.
    """
    try:
        data = read_whole(path, "COUNT-5", MAX_FILE, "a cost table in JSON")
        found = json.loads(data, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise FileError("COUNT-5", str(path), "not a cost table in JSON", str(error)) from None
    if not isinstance(found, dict):
        raise FileError("COUNT-5", str(path), "not a JSON object", type(found).__name__, ", ".join(PRICED))
    if unknown := [key for key in found if key not in (*PRICED, "name", "source", "sources")]:
        raise FileError("COUNT-5", str(path), "cost is unknown", unknown[0], ", ".join(PRICED))
    if missing := [key for key in PRICED if key not in found]:
        raise FileError("COUNT-5", str(path), "cost is missing", missing[0], ", ".join(PRICED))
    name, source, sources = found.pop("name", Path(path).name), found.pop("source", ""), found.pop("sources", {})
    if not isinstance(sources, dict) or not all(
        isinstance(text, str) and text.isprintable() for text in (name, source, *sources, *sources.values())
    ):
        raise FileError(
            "COUNT-5", str(path), "name or source is no printable text, or sources are not such texts by cost"
        )
    return Costs(name, **found, source=source, sources=sources)


def costs_of(text: str) -> Costs:
    """The preset of this name, or the cost table of this `.json` file. Errors: UsageError, FileError."""
    if text.endswith(".json"):
        return read_costs(text)
    if text not in PRESETS and Path(text).is_file():
        raise UsageError("COUNT-5", "costs", "a file of costs has a name that ends in .json", text, "guide/costs.md")
    if text not in PRESETS:
        raise UsageError("COUNT-5", "costs", "no preset has this name", text, f"{', '.join(PRESETS)}, or FILE.json")
    return PRESETS[text]


def dense_work(net: Network) -> Work:
    """What the dense ANN of a network does for one image, each synapse once; its multiplications are its `synops`
    (COUNT-6).
    """
    first, *others = (dense_work_of(net, p.name) for p in net.populations)
    return sum(others, first)


def dense_work_of(net: Network, name: str) -> Work:
    """What one population does of it."""
    macs, neurons, kind = sum(net.synapses[q] for q in net.into(name)), net[name].neurons, net[name].kind
    biased, compared = neurons * (kind in ("fs", "readout")), neurons * (kind == "fs")
    return Work(*map(np.asarray, (0, macs, 0, biased, compared, 0, 0, 0)))


def operations(work: Work, multiplications: int) -> dict[str, Any]:
    """Counted work by kind of operation, each of its shape, with so many multiplications (COUNT-5)."""
    return {kind: multiplications if kind == "multiplications" else getattr(work, kind) for kind in KINDS}


def priced(counts: Mapping[str, Any], costs: Costs) -> Any:
    """The energy in pJ of counts by kind of operation, of their shape (COUNT-5)."""
    return sum(count * costs[kind] for kind, count in counts.items())


def energy_pj(work: Work, multiplications: int, costs: Costs) -> NDArray[np.float64]:
    """The energy in pJ of counted work, of its shape, with so many multiplications (COUNT-5)."""
    return np.asarray(priced(operations(work, multiplications), costs))


def in_joules(pj: float) -> str:
    """An energy in pJ, to read: in pJ, nJ, uJ or mJ."""
    power = sum(pj >= 1000**n for n in (1, 2, 3))
    return f"{pj / 1000**power:,.1f} {('pJ', 'nJ', 'uJ', 'mJ')[power]}"


@dataclass(frozen=True, repr=False)
class Energy(Shown):
    """Operations and energy per image of a network, and of its dense ANN, under one cost table. `fs` and `ann` are by
    kind of operation (COUNT-5).

    `fs` holds the sums over all `image_count` images, exact; `ann` is for one image.
    """

    network: str
    image_count: int
    costs: Costs
    fs: Mapping[str, int]
    ann: Mapping[str, int]

    @property
    def fs_energy_pj_per_image(self) -> float:
        """The energy of the FS network in pJ, mean over images."""
        return float(priced(self.fs, self.costs)) / self.image_count

    @property
    def ann_energy_pj_per_image(self) -> float:
        """The energy of the dense ANN in pJ."""
        return float(priced(self.ann, self.costs))

    def to_dict(self) -> dict[str, Any]:
        """The energies, counts and costs as plain JSON values."""
        spent = {"fs_energy_pj_per_image": self.fs_energy_pj_per_image}
        spent |= {"ann_energy_pj_per_image": self.ann_energy_pj_per_image}
        plain: dict[str, Any] = {**spent, "image_count": self.image_count}
        plain |= {"fs_operations": dict(self.fs), "ann_operations_per_image": dict(self.ann)}
        return {**plain, "costs": self.costs.to_dict()}

    def sheet(self) -> Sheet:
        """The energy as a table: a line per kind of operation, with where its cost is from; below it the formula with
        its numbers.
        """

        def formula(counts: Mapping[str, float], total: float) -> str:
            terms = " + ".join(
                f"{n:,.1f} x {self.costs[kind]:g}" for kind, n in counts.items() if n and self.costs[kind]
            )
            return f"{terms or 0} = {total:,.1f}"

        rows: list[tuple[object, ...]] = []
        said = {kind: self.costs.sources.get(price, "") for kind, price in zip(KINDS, PRICED, strict=True)}
        fs = {kind: count / self.image_count for kind, count in self.fs.items()}
        for kind in KINDS:
            each = self.costs[kind]
            spent = f"{fs[kind]:,.1f}", f"{fs[kind] * each:,.1f}", self.ann[kind], f"{self.ann[kind] * each:,.1f}"
            rows.append((kind, f"{each:g}", *spent, said[kind]))
        ours, dense = f"{self.fs_energy_pj_per_image:,.1f}", f"{self.ann_energy_pj_per_image:,.1f}"
        rows.append(("energy", "", "", ours, "", dense, ""))
        sides = (("FS", self.fs_energy_pj_per_image), ("dense ANN", self.ann_energy_pj_per_image))
        below = [
            ("energy per image", ", ".join(f"{name} {in_joules(pj)}" for name, pj in sides)),
            ("formula", "energy_pj = sum over operations of count per image x pJ each"),
            ("fs_energy_pj", formula(fs, self.fs_energy_pj_per_image)),
            ("ann_energy_pj", formula(self.ann, self.ann_energy_pj_per_image)),
            ("counted", COUNTED),
            ("dense ANN", f"{plural(self.ann['multiplications'], 'MAC')} per image: each synapse once, 8-bit products"),
            *([("source", self.costs.source)] if self.costs.source else []),
        ]
        head = ("operation", "pJ each", "FS per image", "FS pJ", "dense ANN per image", "dense ANN pJ", "cost of one")
        return Sheet(f"{self.network or 'network'}: energy per image, costs {self.costs.name}", head, rows, below=below)

    def __repr__(self) -> str:
        spent = in_joules(self.fs_energy_pj_per_image), in_joules(self.ann_energy_pj_per_image)
        return short(
            f"<Energy of {self.network or 'a network'}, {self.costs.name}: FS {spent[0]}, dense ANN {spent[1]}>"
        )


@public
def energy(counts: Counts, costs: Costs | str = "horowitz_2014") -> Energy:
    """The energy of counted work, `counts`, and of the dense ANN of the same network, in pJ, under `costs`: a cost
    table, the name of a preset or a `.json` file (COUNT-5, COUNT-6). Errors: UsageError, FileError.
    """
    if not isinstance(counts, Counts):
        limit = "what fsref.count gives, or the counts of a score"
        raise UsageError("COUNT-5", "energy", "not counts", type(counts).__name__, limit)
    costs = costs_of(costs) if isinstance(costs, str) else costs
    dense = dense_work(counts.net)
    fs, ann = (
        {kind: int(n) for kind, n in operations(*side).items()}
        for side in ((counts.total, 0), (dense, int(dense.synops)))
    )
    return Energy(counts.net.name, counts.image_count, costs, fs, ann)
