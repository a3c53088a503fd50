"""The pages of rules: each two hops from its code and its test, printed by `fsref rule`, and true where it is easily
checked: the worked neuron, intervals and widths, limits, the bytes of a file.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import struct
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import fsref
import handmade
from blocks import BLOCK
from fsref import FS, Dense, FsrefError, Input, MaxPool, Network, Readout, Record, fs_relu
from fsref.cli import main as cli
from fsref.errors import NetworkError
from fsref.formats.npz import to_bytes
from fsref.formats.pages import PAGES, rules
from fsref.law.neuron import fire
from fsref.law.widths import memories
from handmade import residual, tiny, unordered
from members import members_of

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fsref"
TEXTS = {page: (PACKAGE / page).read_text(encoding="utf-8") for page in PAGES}
SECTIONS = {
    "SPEC.md": "NET FS PROJ POOL VIEW GATE RANGE TIME EVENT OBS ID FILE".split(),
    "ACTIVATIONS.md": ["TABLE", "FIT"],
    "CONVERSION.md": ["GRAPH", "CONV"],
    "RATE_CODING.md": ["RATE"],
    "COSTS.md": ["COUNT"],
    "RUNS.md": ["RUN", "DEBUG"],
    "PROOF.md": ["PROOF"],
    "FLOATS.md": ["FLOAT"],
    "HARDWARE.md": ["LAYOUT", "AER", "VCD", "NIR", "TRACE", "CHIP", "BENCH"],
    "CONFORMANCE.md": ["COVER", "VECTOR", "CONFORM"],
}
POINTERS = re.compile(
    r"^Code: (?P<code>\S+) · Test: (?P<test>\S+\.py::\w+) ·\s(?P<kind>Refused|Seen): (?P<end>.+)\Z", re.MULTILINE
)
PROSE = sorted(
    [
        ROOT / "README.md",
        *PACKAGE.rglob("*.md"),
        *ROOT.glob("reference_models/*.md"),
        *ROOT.glob("reference_models/*/*.md"),
    ]
)


def module_of(name: str) -> tuple[ModuleType, list[str]]:
    """The module of fsref that `module.symbol` names, and what is left of the name; the module may lie in packages."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        path = PACKAGE.joinpath(*parts[:count])
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
            return importlib.import_module("fsref." + ".".join(parts[:count])), parts[count:]
    raise AssertionError(f"no module of fsref in {name}")


@pytest.mark.parametrize("rule", rules())
def test_every_rule_is_two_hops_from_its_code_and_its_test(rule: str) -> None:
    """The block of a rule closes with where its code is, which test fails when it is broken, and its error or what
    shows it; all three exist, and the code is at home where the rule says.
    """
    found = list(POINTERS.finditer(rules()[rule].text))
    assert len(found) == 1, (
        f"{rule} needs one line `Code: module.symbol · Test: file.py::test · Refused: Error` (or Seen: ...)"
    )
    code, test, kind, end = found[0].group("code", "test", "kind", "end")
    value, left = module_of(code)
    home = value.__name__
    for part in left:
        value = getattr(value, part)
    if home != "fsref.testing":  # the public door of what lies in verification
        assert getattr(value, "__module__", home) == home, f"{rule}: {code} is at home in {value.__module__}"
    file, _, function = test.partition("::")
    path = ROOT / "tests" / file
    assert path.is_file(), f"tests/{file} does not exist"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (
        f"{test} does not exist"
    )
    if kind == "Refused":
        assert issubclass(getattr(fsref.errors, end), FsrefError)


def test_every_rule_named_in_the_code_is_in_the_pages() -> None:
    """A rule that fsref's errors, comments, docstrings and pages name stands on one of the pages."""
    prefixes = "|".join(sorted({rule.partition("-")[0] for rule in rules()}))
    named = {
        (path.name, rule)
        for path in [*PACKAGE.rglob("*.py"), *PROSE]
        for rule in re.findall(rf"\b(?:{prefixes})-\d+\b", path.read_text(encoding="utf-8"))
    }
    assert not {(file, rule) for file, rule in named if rule not in rules()}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_holds_its_sections_and_numbers_its_rules(page: str) -> None:
    """Each page holds the sections it is for, in order, their rules numbered from 1; no rule stands twice; every page
    names the law, and the law links every page and section.
    """
    assert re.findall(r"^## ([A-Z]+): ", TEXTS[page], re.MULTILINE) == SECTIONS[page]
    heads = re.findall(r"^### (\S+) ", TEXTS[page], re.MULTILINE)
    counts = {name: sum(head.startswith(f"{name}-") for head in heads) for name in SECTIONS[page]}
    assert heads == [f"{name}-{n}" for name in SECTIONS[page] for n in range(1, counts[name] + 1)]
    assert "(SPEC.md)" in TEXTS[page] or page == "SPEC.md"
    contents = TEXTS["SPEC.md"].partition("\n## ")[0]
    assert page == "SPEC.md" or f"({page})" in contents
    assert all((f"[{name}](#" if page == "SPEC.md" else name) in contents for name in SECTIONS[page])


def test_the_law_names_the_version_the_code_holds() -> None:
    """SPEC.md says the version that fsref writes into files (ID-4)."""
    assert f"\nVersion {fsref.SPEC_VERSION}. " in TEXTS["SPEC.md"]


@pytest.mark.parametrize("page", PROSE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_prose_has_lines_of_at_most_120(page: Path) -> None:
    """A page reads well in any editor: no line beyond 120 but in tables and in blocks of code."""
    lines = BLOCK.sub("", page.read_text(encoding="utf-8")).splitlines()
    assert not [line for line in lines if len(line) > 120 and not line.startswith(("|", "    "))]


def rows(section: str) -> list[list[str]]:
    """The cells of every table row below a heading of SPEC.md, heads and rulers left out."""
    text = TEXTS["SPEC.md"].partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [
        row for row, after in zip(cells, [*cells[1:], []], strict=True) if row[0][0].isalnum() and after[:1] != ["--:"]
    ]


def test_the_worked_neuron_is_what_the_law_says() -> None:
    """The neuron that SPEC.md works out step by step fires so, and a run of its network gives every integer told."""
    steps = [[int(cell) for cell in row] for row in rows("A neuron, worked") if row[0].isdecimal()]
    at, t, before, T, z, h, after, d, sent = (list(column) for column in zip(*steps, strict=True))
    table = fs_relu(4, 3)
    assert (T, h, d) == (table.T.tolist(), table.h.tolist(), table.d.tolist())
    found = fire(before[0], T, h, d)
    assert (list(found.spikes), list(found.membranes)) == (z, after)
    assert (before[1:], sent) == (after[:-1], [a * b for a, b in zip(d, z, strict=True)])
    sources = [row for row in rows("A neuron, worked") if row[0].startswith("in")]
    codes, weights = ([int(row[i]) for row in sources] for i in (1, 3))
    assert [int(row[2].replace(" ", ""), 2) for row in sources] == codes
    net = Network(
        [Input("in", (2, 1, 1), 4, 15), FS("n", (1, 1, 1), table, [3]), Readout("out", (1, 1, 1))],
        [Dense("in", "n", [weights]), Dense("n", "out", [[-4]])],
    )
    images = np.array(codes).reshape(1, 2, 1, 1)
    result = fsref.run(net, images, "reference", Record(None, ("opening", "spikes", "codes")))
    assert result.trace is not None
    told = TEXTS["SPEC.md"].partition("\n## A neuron, worked\n")[2].partition("\n## ")[0]
    events = [tuple(map(int, found.split(", "))) for found in re.findall(r"\((\d+, \d+, \d+, \d+)\)", told)]
    assert result.trace.events().tolist() == [list(event) for event in events]
    assert int(result.trace["n", "opening"][0, 0]) == before[0] == 30
    assert (found.code, int(result.codes["n"].item()), found.train) == (10, 10, 10)
    assert int(result.logits.item()) == -40 and net.schedule.latency == 8 == at[-1] + 1
    assert at == list(net.schedule.fires["n"]) and t == [0, 1, 2, 3]


def test_what_an_input_and_a_max_pool_have_as_range() -> None:
    """Every interval of an input is 0..max_code, of a max_pool the code interval of its source (RANGE)."""
    for net in (residual(), unordered()):
        expected = [[0, net.input.max_code]] * net.input.shape[0]
        for name in ("any_order", "final", "opening", "membranes", "codes"):
            assert getattr(net.ranges[net.input.name], name).tolist() == expected
            for pool in net.pools:
                assert getattr(net.ranges[pool.name], name).tolist() == net.ranges[pool.source].codes.tolist()


def test_widths_are_of_the_hull_over_channels() -> None:
    """Channels of -3..0 and 0..4 together take the 4 bits of -3..4, in membranes and codes; a code that is always 0
    takes none, a membrane that is always 0 one (RANGE-6).
    """
    table = fsref.Table(T=[0], h=[0], d=[[-3], [4]])
    net = Network(
        [
            Input("in", (1, 1, 1), 1, 1),
            FS("two", (2, 1, 1), table),
            FS("none", (1, 1, 1), fsref.Table(T=[1], h=[0], d=[1])),
            Readout("out", (1, 1, 1)),
        ],
        [
            Dense("in", "two", [[-3], [4]]),
            Dense("in", "none", [[0]]),
            Dense("two", "out", [[1, 1]]),
            Dense("none", "out", [[1]]),
        ],
    )
    bits = memories(net)
    assert net.ranges["two"].any_order.tolist() == [[-3, 0], [0, 4]]
    assert (bits["two"].membrane_width, bits["two"].code_width) == (4, 4)
    assert (bits["none"].membrane_width, bits["none"].code_width, bits["none"].codes) == (1, 0, 0)


@pytest.mark.parametrize(
    ("rule", "field", "value", "low", "high"),
    [("NET-5", "bias", lambda v: [v], -(2**62), 2**62 - 1), ("FILE-3", "offset", int, -(2**53), 2**53)],
)
def test_limits_of_bias_and_offset(rule: str, field: str, value: object, low: int, high: int) -> None:
    """A bias lies in -2^62..2^62 - 1 (NET-5), the offset of a population in -2^53..2^53 (FILE-3): the ends are taken,
    what lies beyond is refused by that rule.
    """
    for end, beyond in ((low, low - 1), (high, high + 1)):
        FS("n", (1, 1, 1), fs_relu(4), **{field: value(end)})
        with pytest.raises(NetworkError) as refused:
            FS("n", (1, 1, 1), fs_relu(4), **{field: value(beyond)})
        assert refused.value.rule == rule


def test_how_many_fs_populations_a_file_holds() -> None:
    """F fs populations take 1 + 4·F members, one more for the readout, and a projection into each of them and it: of
    65,535 members there is room for 13,106 (FILE-1).
    """

    def members(count: int) -> int:
        populations = [Input("in", (1, 1, 1), 1, 1)]
        populations += [FS(f"p{k}", (1, 1, 1), fs_relu(1)) for k in range(count)]
        populations += [Readout("out", (1, 1, 1))]
        into = [Dense("in", p.name, [[1]]) for p in populations[1:]]
        return len(members_of(to_bytes(Network(populations, into))))

    assert [members(1), members(2), members(7)] == [5 * 1 + 3, 5 * 2 + 3, 5 * 7 + 3]
    assert 5 * 13_106 + 3 <= 65_535 < 5 * 13_107 + 3
    assert "at most 13,106" in rules()["FILE-1"].text


def npy(values: np.ndarray, descr: str) -> bytes:
    """A `.npy` 1.0 as FILE-4 says."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {values.shape!r}, }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + values.astype(descr).tobytes()


def test_the_bytes_of_a_file_from_the_page_alone() -> None:
    """A network's file, put together record by record as FILE-4 says, is what fsref writes."""
    net = Network(
        [
            Input("in", (1, 2, 2), 4, 15, scale=1),
            FS("a", (1, 2, 2), fs_relu(4, 20), [300], offset=-2),
            MaxPool("p", (1, 1, 1), "a", (2, 2), (2, 2)),
            Readout("out", (2, 1, 1)),
        ],
        [fsref.scale("in", "a", [70_000]), Dense("p", "out", [[1], [-1]])],
        name="größe",
        provenance={"z": 1, "a": [None, 0.5]},
    )
    populations = (
        '{"kind":"input","max_code":15,"name":"in","scale":1.0,"shape":[1,2,2],"steps":4},'
        '{"kind":"fs","name":"a","offset":-2,"scale":null,"shape":[1,2,2],"width":null},'
        '{"kernel":[2,2],"kind":"max_pool","name":"p","padding":[0,0,0,0],"shape":[1,1,1],"source":"a","stride":[2,2]},'
        '{"kind":"readout","name":"out","shape":[2,1,1],"width":null}'
    )
    projections = (
        '{"dilation":[1,1],"groups":1,"kind":"conv2d","padding":[0,0,0,0],"source":"in","stride":[1,1],"target":"a"},'
        '{"kind":"dense","pooled":false,"source":"p","target":"out"}'
    )
    manifest = (
        f'{{"classes":[],"format":1,"input":null,"logit_scale":1.0,"name":"größe","populations":[{populations}],'
        f'"projections":[{projections}],"provenance":{{"a":[null,0.5],"z":1}},"spec_version":"{net.spec_version}"}}'
    )
    table = np.array([160, 80, 40, 20])
    members = {
        "manifest.json": manifest.encode(),
        "population.1.T.npy": npy(table, "<i2"),
        "population.1.bias.npy": npy(np.array([300]), "<i2"),
        "population.1.d.npy": npy(np.array([8, 4, 2, 1]), "|i1"),
        "population.1.h.npy": npy(table, "<i2"),
        "population.3.bias.npy": npy(np.array([0, 0]), "|i1"),
        "projection.0.weights.npy": npy(np.array([[[[70_000]]]]), "<i4"),
        "projection.1.weights.npy": npy(np.array([[1], [-1]]), "|i1"),
    }
    body, directory = b"", b""
    for name, data in members.items():
        sizes = struct.pack("<3L", zlib.crc32(data), len(data), len(data)) + struct.pack("<2H", len(name), 0)
        plain = struct.pack("<5H", 20, 0, 0, 0x0000, 0x0021)
        made = struct.pack("<2B", 20, 3)
        directory += b"PK\x01\x02" + made + plain + sizes
        directory += struct.pack("<3H2L", 0, 0, 0, 0o644 << 16, len(body)) + name.encode()
        body += b"PK\x03\x04" + plain + sizes + name.encode() + data
    count = len(members)
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, count, count, len(directory), len(body), 0)
    assert to_bytes(net) == body + directory + end


def test_a_recording_is_the_folder_that_the_page_describes(tmp_path: Path) -> None:
    """The folder of a recording holds what RUN-3 says, and is read back whole or in parts."""
    net = tiny()
    images = handmade.draw(net, 3)
    record = Record(["in", "hid"], ("spikes", "sums"), path=tmp_path / "recording")
    ran = fsref.run(net, images, record=record).trace
    assert ran is not None
    assert sorted(path.name for path in (tmp_path / "recording").iterdir()) == [
        "network.fs.npz",
        "population.0.spikes.npy",
        "population.1.spikes.npy",
        "projection.0.sums.npy",
        "recording.json",
    ]
    told = json.loads((tmp_path / "recording" / "recording.json").read_text(encoding="utf-8"))
    text = rules()["RUN-3"].text
    assert all(re.search(rf"\b{key}\b", text) for key in told if key not in ("note", "files", "populations"))
    assert {"fsref", "spec_version", "schema", "network", "id", "image_count"} < set(told)
    assert (tmp_path / "recording" / "network.fs.npz").read_bytes() == to_bytes(net)
    whole = fsref.read_trace(tmp_path / "recording")
    part = fsref.read_trace(tmp_path / "recording", populations=["hid"], observables=["spikes"])
    assert fsref.diff(whole, ran) is None and list(part.arrays) == [("hid", "spikes")]


Call = tuple[int, str, str]


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Call:
    """Exit code, standard output and standard error of the command line, run here."""
    code = cli.main(list(arguments))
    return code, *capsys.readouterr()


def test_rule_prints_rules_from_the_pages(capsys: pytest.CaptureFixture[str]) -> None:
    """`fsref rule` prints each rule asked for, its name in any case, with the page it stands on; as JSON, too."""
    code, out, err = call(capsys, "rule", "proj-2", "RUN-3")
    first, second = out.split("\n\n")
    assert (code, err) == (0, "")
    assert first.splitlines()[0] == "PROJ-2 Size of a conv2d (SPEC.md)" and second.startswith("RUN-3 ")
    assert " ".join(first.split("\n", 1)[1].split()) in " ".join(TEXTS["SPEC.md"].split()) and "(RUNS.md)" in second
    every = call(capsys, "rule", *sorted({name.partition("-")[0] for name in rules()}))[1]
    assert max(map(len, every.splitlines())) <= 80
    told = json.loads(call(capsys, "rule", "FS-2", "--json")[1])
    assert [(r["rule"], r["title"], r["page"]) for r in told["rules"]] == [("FS-2", "Fire", "SPEC.md")]
    assert "equality fires" in told["rules"][0]["text"] and told["spec_version"] == fsref.SPEC_VERSION


def test_rule_prints_a_section(capsys: pytest.CaptureFixture[str]) -> None:
    """A section's name stands for all its rules, in order."""
    assert cli.main(["rule", "pool", "--json"]) == 0
    found = [one["rule"] for one in json.loads(capsys.readouterr().out)["rules"]]
    assert found == [rule for rule in rules() if rule.startswith("POOL-")] and len(found) > 3


def test_a_rule_that_does_not_exist_is_one_line_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt rule ends with 2 and names the nearest; one like no other is told the sections."""
    line = "fsref: error: no rule has this name: PROJ-22 (did you mean PROJ-2?)\n"
    assert call(capsys, "rule", "PROJ-22") == (2, "", line)
    code, out, err = call(capsys, "rule", "FS-1", "nonsense")
    assert (code, out, err.count("\n")) == (2, "", 1) and "NET, FS, PROJ" in err


def test_an_error_says_once_how_to_read_its_rule(capsys: pytest.CaptureFixture[str]) -> None:
    """Behind the one line of an error that names a rule stands one note; behind other errors none."""
    code, out, err = call(capsys, "run", "nosuchmodel")
    error, note = err.splitlines()
    assert (code, out) == (2, "") and error.startswith("fsref: error: ") and error.endswith("[FILE-1]")
    assert note == "fsref: note: fsref rule FILE-1 prints this rule"
    assert call(capsys, "info") == (2, "", "fsref: error: Missing argument 'NET'.\n")


MODELS = ROOT / "reference_models"
EVALUATED = {
    "ResNet-20": ("resnet20/README.md", "resnet20/evaluation.jsonl"),
    "ResNet-14": ("resnet14/README.md", "resnet14/evaluation.jsonl"),
    "ResNet-8": ("resnet8/README.md", "resnet8/evaluation.jsonl"),
    **{f"ResNet-{n}, refit": (f"resnet{n}/README.md", f"resnet{n}/refit.jsonl") for n in (20, 14, 8)},
    **{name: (f"{name}/README.md", f"{name}/evaluation.jsonl") for name in ("mixed", "gated")},
    "mixed, refit": ("mixed/README.md", "mixed/refit.jsonl"),
    "EfficientNet-Lite0": ("imagenet/README.md", "imagenet/lite0.jsonl"),
    "EfficientNet-Lite1": ("imagenet/README.md", "imagenet/lite1.jsonl"),
}


def table(path: Path, before: str) -> dict[str, list[str]]:
    """The rows of the first table behind a text of a page, by their first cell."""
    text = path.read_text(encoding="utf-8").partition(before)[2]
    lines = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert lines is not None
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()]
    return {row[0]: row[1:] for row in found}


@pytest.mark.parametrize("model", EVALUATED)
def test_a_figure_is_the_same_wherever_it_stands(model: str) -> None:
    """Agreement, spikes and latency of a model's page are those of the log beside it, recomputed; the overviews repeat
    the page, to the digit.
    """
    page, log = EVALUATED[model]
    if not (MODELS / log).is_file():
        pytest.skip("reference_models is not here")
    behind = "## Fitted again" if model.endswith("refit") else "read once"
    full = table(MODELS / page, f"\n{model}, " if page.startswith("imagenet") else behind)
    lines = [json.loads(line) for line in (MODELS / log).read_text(encoding="utf-8").splitlines()]
    real = np.array(next(line["labels"] for line in lines if line["kind"] == "float"))
    overview = table(MODELS / "README.md", "## FS beside float")
    for line in (line for line in lines if line["kind"] == "row"):
        real_percent, fs_percent, _, agreement, spikes, latency = full[str(line["steps"])]
        assert agreement == f"{100 * (np.array(line['labels']) == real).mean():.2f}"
        assert (spikes, latency) == (f"{line['spikes_per_neuron']:.3f}", str(line["latency"]))
        column = overview["network"].index(f"K = {line['steps']}")
        assert (overview[model][0], overview[model][column]) == (real_percent, f"{fs_percent} ({agreement})")
    first = table(ROOT / "README.md", "## What comes out")
    for name in (name for name in first if re.match(rf"{model}[,:]", name)):
        real_percent, fs_percent, _, agreement, spikes, latency = full["8"]
        assert first[name][1:] == [real_percent, fs_percent, agreement, spikes, latency]
