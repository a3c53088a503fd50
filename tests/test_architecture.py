"""The shape of the code: what imports what, what may not lie in the repository."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path
from statistics import median

import pytest

import fsref
from fsref.engines.kernels.store import COMPILING, INLINED

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fsref"

# The floor plan: a folder imports only folders of lines above its own; those of one line do not import one another.
# Rooms that do not exist yet have their place already.
FLOORS = """
errors
tables version
law
limits
engines graph
formats
simulation importers activations
metrics
conversion rate_coding coverage
verification
vectors
conformance
reports
cli
""".split("\n")[1:-1]

# What stands outside the plan, as doors to all of it.
DOORS = {"<fsref>", "__main__", "plots", "testing"}

# The one import that looks up, inside a function: users expect net.save(path).
UPWARD = {("law.network", "formats.npz")}

# Each third-party module but NumPy is at home in one place; those not named here may be imported in one module,
# whichever.
HOMES = {
    "numba": {f"engines.kernels.{of}" for of in ("compiling", "registers", "lowered", "rows", "processors")},
    "llvmlite": {
        f"engines.kernels.{of}" for of in ("compiling", "linking", "registers", "lowered", "rows", "processors")
    },
    "msgspec": {"formats.manifest"},
    "click": {"cli.*"},
    "rich": {"tables", "cli.options", "reports.progress"},
    "PIL": {"formats.image_files"},
    "matplotlib": {"reports.pictures"},
    "torch": {"importers.torch.from_torch"},
    "onnx": {"formats.onnx", "importers.onnx.*"},
    "vcd": {"simulation.waveforms"},
    "nir": {"formats.nir"},
    "distributed": {"metrics.cluster"},
    "hypothesis": {
        "testing",
        "verification.drawn_parts",
        "verification.strategies",
        "verification.verify",
        "conformance.drawn",
    },
}


def module_files() -> dict[str, Path]:
    """Every module of fsref by its name without `fsref.`; a package by its own name, fsref itself as <fsref>."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        found[".".join(parts) or "<fsref>"] = path
    return found


MODULES = module_files()
TREES = {name: ast.parse(path.read_text(encoding="utf-8"), str(path)) for name, path in MODULES.items()}


DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
OPTION = re.compile(r"(^|[ (])--[a-z][a-z-]*(?![a-z:)-])")  # of a command line, not of a style sheet
COMMAND = re.compile(r"\b(convert|check|diff|vectors|run|table)\b.* --|^ --|\bPixels\(")  # or both are named


def imports(tree: ast.AST, in_function: bool = False) -> Iterator[tuple[str, str | None, bool]]:
    """Every import below a node: (module, name taken from it, whether inside a function)."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, in_function) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports inside fsref are written out: from fsref..."
            yield from ((str(node.module), alias.name, in_function) for alias in node.names)
        else:
            yield from imports(
                node, in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            )


def own_imports(name: str) -> Iterator[tuple[str, bool]]:
    """The modules of fsref that one of them imports: (module, whether inside a function)."""
    for module, taken, inside in imports(TREES[name]):
        top, _, rest = module.partition(".")
        if top == "fsref":
            deeper = f"{rest}.{taken}" if rest else str(taken)
            yield (deeper if deeper in MODULES else rest or "<fsref>"), inside


def floor_of(module: str) -> int:
    """The line of FLOORS that the folder of a module stands on."""
    folder = module.partition(".")[0]
    for number, line in enumerate(FLOORS):
        if folder in line.split():
            return number
    raise AssertionError(f"fsref/{folder} has no place in the floor plan: give it one in {Path(__file__).name}")


def python(code: str, **settings: str) -> str:
    """What a fresh interpreter prints."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHON", "COV"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **settings},
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_fsref_imports_numpy_only() -> None:
    """`import fsref` brings in the standard library, NumPy and fsref; everything else comes when it is first used."""
    code = (
        "import sys; before = set(sys.modules); import fsref; "
        "print(*{m.partition('.')[0] for m in set(sys.modules) - before})"
    )
    foreign = set(python(code).split()) - set(sys.stdlib_module_names) - {"fsref", "numpy"}
    assert not {name for name in foreign if not name.startswith("_")}


@pytest.mark.parametrize("name", sorted(set(MODULES) - DOORS))
def test_imports_point_one_way(name: str) -> None:
    """A module imports its own folder and folders that stand to its left in the plan; no import looks up, inside a
    function neither, but the one that is named.
    """
    for target, _ in own_imports(name):
        own, other = name.partition(".")[0], target.partition(".")[0]
        fine = own == other or (target not in DOORS and floor_of(target) < floor_of(name)) or (name, target) in UPWARD
        assert fine, f"fsref.{name} imports fsref.{target}, which does not stand to its left"


def test_no_imports_in_a_circle() -> None:
    """No module imports, by whatever way and also inside functions, itself; Network.save apart."""
    graph = {name: {t for t, _ in own_imports(name)} - {name} for name in MODULES}
    for name, target in UPWARD:
        graph[name].remove(target)
    order = TopologicalSorter(graph)
    order.prepare()  # CycleError names the circle


def test_the_plan_is_the_tree() -> None:
    """Every folder of the package stands in the plan, and every module of it in a folder, but the leftmost three and
    the doors.
    """
    for name in set(MODULES) - DOORS:
        assert floor_of(name) >= 0
    assert {name for name in MODULES if "." not in name and MODULES[name].name != "__init__.py"} - DOORS == {
        "errors",
        "tables",
        "version",
    }


def test_every_upward_import_is_still_there() -> None:
    """The list of imports that look up holds none that is gone."""
    assert {(name, target) for name in MODULES for target, inside in own_imports(name) if inside} >= UPWARD


def test_each_third_party_module_has_one_home() -> None:
    """Each third-party module is imported in one module of fsref, so that it can be replaced in one place."""
    used: dict[str, set[str]] = {}
    for name in MODULES:
        for module in (
            {module.partition(".")[0] for module, _, _ in imports(TREES[name])}
            - {"fsref", "numpy"}
            - set(sys.stdlib_module_names)
        ):
            used.setdefault(module, set()).add(name)
    for module, users in used.items():
        if module in HOMES:
            strangers = {user for user in users if not any(fnmatchcase(user, home) for home in HOMES[module])}
            assert not strangers, f"{module} is imported in {strangers}, but is at home in {HOMES[module]}"
        else:
            assert len(users) == 1, f"{module} is imported in {users}"


def test_kernels_stand_alone() -> None:
    """A file of kernels imports nothing of fsref but what compiles them and the words they are made of, and these
    import no more: a kept kernel is renewed when its own file or a word changes, and for no other reason.
    """
    decorated = re.compile(r"^@(Kernel|Part)$", re.MULTILINE)
    kernels = {name for name, path in MODULES.items() if decorated.search(path.read_text(encoding="utf-8"))}
    named = {f"engines.kernels.{name}" for name in ("dense", "patches", "plain")}
    others = {"rate_coding.kernels", "coverage.nearest", "metrics.kernels"}
    assert kernels == named | others | {f"activations.{name}" for name in ("kernels", "least_squares")}
    words = {f"engines.kernels.{name}" for name in ("vectors", "registers", "lowered", "rows", "processors")}
    for name in kernels:
        assert set(own_imports(name)) <= {("engines.kernels", False), ("engines.kernels.vectors", False)}, name
    assert {target for name in words for target, _ in own_imports(name)} <= words
    assert {f"engines.kernels.{name.removesuffix('.py')}" for name in INLINED} == words
    compiling = {f"engines.kernels.{name.removesuffix('.py')}" for name in COMPILING}
    assert {name for name in MODULES if name.startswith("engines.kernels")} == {
        "engines.kernels"
    } | compiling | words | named


def test_one_module_names_processors() -> None:
    """What a processor has is asked in the one module of the engines that writes words for it."""
    named = re.compile(r"avx|sse[234]|vnni|neon|x86", re.IGNORECASE)
    texts = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items() if name.startswith("engines.")}
    assert {name for name, text in texts.items() if named.search(text)} == {"engines.kernels.processors"}


def test_files_are_short_and_named_for_what_they_hold() -> None:
    """No file of fsref or tools has more than 400 lines, their median in fsref is 60 to 250, none is called utils."""
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tools").rglob("*.py")]
    length = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in files}
    assert not {f"{p.relative_to(ROOT)}: {n}" for p, n in length.items() if n > 400}
    assert 60 <= median(n for p, n in length.items() if p.is_relative_to(PACKAGE) and p.name != "__init__.py") <= 250
    assert not [p for p in files if re.fullmatch(r"_?(util|utils|helpers|common|misc)", p.stem)]


def test_messages_speak_of_options_in_the_command_line_alone() -> None:
    """What the library says names arguments, not options of a command line, unless it names the command: --force is
    replace=True to those who call Python.
    """
    for name, tree in TREES.items():
        if name.partition(".")[0] == "cli" or name.startswith("conformance.standalone"):
            continue
        documented = (ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED))
        known = set(documented)
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if text not in known and OPTION.search(text) and text != "--force":
                assert COMMAND.search(text), f"{name}: {text}"


def test_kinds_are_told_apart_by_match() -> None:
    """isinstance on a kind of population or projection stands in the law alone; elsewhere a match that ends in
    assert_never names each kind, or the line says why not.
    """
    asked = re.compile(r"isinstance\(.*\b(Input|FS|MaxPool|Readout|Conv2d|Dense)\b")
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "law":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [f"{path.name}:{n}" for n, line in enumerate(lines, 1) if asked.search(line) and "  # " not in line]
    assert found == []


def test_public_names() -> None:
    """fsref has about 40 public names, 44 at most: constants first, then classes, then the rest; each can be had."""
    names = list(fsref.__all__)
    assert len(names) == len(set(names)) <= 44
    assert names == sorted(names, key=lambda n: (0 if n.isupper() else 1 if n[0].isupper() else 2, n))
    for name in names:
        assert getattr(fsref, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        fsref.no_such_name  # noqa: B018 - asking is the test


KERNEL = """
import numpy as np
import fsref
from fsref.engines.kernels.plain import fire
v, T = np.array([[5]]), np.array([[5]])
trains, spikes, offsets = np.zeros((1, 1), np.uint16), np.zeros(1, np.int64), np.zeros(2, np.int64)
fire(v, T, T.copy(), trains, spikes, offsets, np.empty((0, 1, 1), np.int64))
print(fsref.__file__, *(int(entry.kept) for entry in fire.entries.values()), int(trains[0, 0]))
"""


@pytest.mark.parametrize(
    ("old", "new", "after"), [(">= threshold", ">  threshold", 0), ("np.uint16(1 <<", "np.uint16(3 <<", 3)]
)
def test_the_cache_never_answers_by_an_old_rule(tmp_path: Path, old: str, new: str, after: int) -> None:
    """A kernel edited in place, its file of the same size and date as before, answers by the new rule in the next
    process; unedited, from the cache.
    """
    shutil.copytree(PACKAGE, tmp_path / "fsref", ignore=shutil.ignore_patterns("__pycache__", "models"))
    kernel = tmp_path / "fsref" / "engines" / "kernels" / "plain.py"
    settings = {
        "PYTHONPATH": str(tmp_path),
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    package = str(tmp_path / "fsref" / "__init__.py")
    assert python(KERNEL, **settings).rsplit(" ", 2) == [package, "0", "1"]
    assert python(KERNEL, **settings).rsplit(" ", 2) == [package, "1", "1"]
    stamp, text = kernel.stat(), kernel.read_text(encoding="utf-8")
    assert old in text, f"this test edits {old!r} in plain.py: bring it up to date"
    kernel.write_text(text.replace(old, new), encoding="utf-8", newline="\n")
    os.utime(kernel, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert (kernel.stat().st_size, kernel.stat().st_mtime_ns) == (stamp.st_size, stamp.st_mtime_ns)
    assert python(KERNEL, **settings).rsplit(" ", 2) == [package, "0", str(after)]


WORD = """
import numpy as np
import fsref
from fsref.engines.kernels import Kernel
from {module} import kernel
out = np.zeros(16, np.int32)
kernel(np.arange(16, dtype=np.int32), out)
print(fsref.__file__, *(int(entry.kept) for entry in kernel.entries.values()), out.tolist())
"""
OF_WORDS = """
from fsref.engines.kernels import Kernel
from fsref.engines.kernels.vectors import loads, stores


@Kernel
def kernel(values, out):
    stores(out, 0, loads(values, 0, 16, 1) + loads(values, 0, 16, 1))
"""


def test_an_edited_word_renews_the_kernels_made_of_it(tmp_path: Path) -> None:
    """A word edited in place, its file of the same size and date as before, is the new one in every kernel of the next
    process; unedited, kernels come from the cache.
    """
    shutil.copytree(PACKAGE, tmp_path / "fsref", ignore=shutil.ignore_patterns("__pycache__", "models"))
    (tmp_path / "of_words.py").write_text(OF_WORDS, encoding="utf-8")
    settings = {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    settings["PYTHONDONTWRITEBYTECODE"] = "1"
    package, program = str(tmp_path / "fsref" / "__init__.py"), WORD.format(module="of_words")
    doubled = str([2 * n for n in range(16)])
    assert python(program, **settings) == f"{package} 0 {doubled}"
    assert python(program, **settings) == f"{package} 1 {doubled}"
    file = tmp_path / "fsref" / "engines" / "kernels" / "lowered.py"
    stamp, text = file.stat(), file.read_text(encoding="utf-8")
    old, new = 'arithmetic("add", ', 'arithmetic("mul", '
    assert old in text, f"this test edits {old!r} in lowered.py: bring it up to date"
    file.write_text(text.replace(old, new), encoding="utf-8", newline="\n")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert python(program, **settings) == f"{package} 0 {[n * n for n in range(16)]}"


def repository_files() -> list[str]:
    """Every file git holds or would take in."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return sorted(set(listed.stdout.decode().split("\0")) - {""})


def repository_texts() -> Iterator[tuple[str, str]]:
    """Every text file of the repository: (name, text)."""
    for name in repository_files():
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in data[:8192]:
            yield name, data.decode("utf-8")


needs_git = pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a git clone")


@needs_git
def test_nothing_of_one_machine_lies_in_the_repository() -> None:
    """No file names a folder of one person's machine, a ticket by its number, or the host of a package registry."""
    machine = r"(?<![\w.~])/(?:" + "|".join(["work", "root", "home", "opt"]) + r")/"
    ticket = r"\bissue" + r" #\d*"
    hosts = "|".join(
        map(
            re.escape,
            [
                "pypi" + ".org",
                "python" + "hosted.org",
                "npm" + "js.org",
                "crates" + ".io",
                "deb.debian" + ".org",
                "golang" + ".org",
            ],
        )
    )
    bad = re.compile(f"{machine}|{ticket}|{hosts}", re.IGNORECASE)
    lines = chain.from_iterable(
        ((name, n, line) for n, line in enumerate(text.splitlines(), 1)) for name, text in repository_texts()
    )
    assert not [f"{name}:{n}: {found[0]}" for name, n, line in lines if (found := bad.search(line))]


@needs_git
def test_generated_caches_are_ignored() -> None:
    """No cache, build or environment is part of the repository."""
    assert not [
        name
        for name in repository_files()
        if re.search(r"(^|/)(\.venv[^/]*|__pycache__|build|dist|\.\w+_cache)/", name)
    ]
