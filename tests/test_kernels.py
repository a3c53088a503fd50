"""Kernels: who imports Numba and when, where machine code is kept, and what becomes of it on machines that keep
nothing.
"""

from __future__ import annotations

import os
import pickle
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import fsref
from fsref.cli import verbs

PACKAGE = Path(fsref.__file__).parent
RUN = """
import numpy as np
from fsref.engines.kernels.plain import spike_list
spikes, offsets = np.zeros(2, np.int64), np.zeros(3, np.int64)
spike_list(np.array([[1, 2]], np.uint16), 2, spikes, offsets)
stats = spike_list.compiled.stats
print(spikes.tolist(), offsets.tolist(), sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""
RIGHT = "[1, 0] [0, 1, 2]"
VERBS = ("--help", "--version", "info digits", "rule POOL-1", "convert --help", "evaluate --help")


def environment(settings: dict[str, str]) -> dict[str, str]:
    """This environment, without what it says of Numba, Python and caches, with some settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHON", "COV", "XDG_"))}
    return {**kept, **settings}


def process(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, without what this one was told of Numba, caches and warnings."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment(settings), capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def sealed(tmp_path: Path) -> dict[str, str]:
    """The settings of a machine where neither the package nor HOME can hold a cache, for root neither: a file stands
    where Numba wants a folder.
    """
    shutil.copytree(PACKAGE, tmp_path / "lib" / "fsref", ignore=shutil.ignore_patterns("__pycache__", "models"))
    models = PACKAGE / "models" if (PACKAGE / "models").is_dir() else PACKAGE.parent / "reference_models"
    shutil.copytree(models / "digits", tmp_path / "lib" / "fsref" / "models" / "digits")
    for folder in (tmp_path / "lib" / "fsref").rglob("*.py"):
        folder.with_name("__pycache__").touch()
    (tmp_path / "tmp").mkdir(mode=0o700)
    return {
        "PYTHONPATH": str(tmp_path / "lib"),
        "PYTHONSAFEPATH": "1",
        "HOME": os.devnull,
        "TMPDIR": str(tmp_path / "tmp"),
    }


@pytest.mark.parametrize("arguments", VERBS)
def test_what_computes_nothing_imports_no_numba(arguments: str) -> None:
    """`import fsref`, help, info and rule never import Numba, nor do they need it."""
    code = "import sys; sys.modules['numba'] = None; from fsref.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = process("-c", code, *arguments.split(), PYTHONPATH=str(PACKAGE.parent))
    assert (done.returncode, done.stderr) == (0, "") and done.stdout


def test_the_list_of_verbs_imports_none() -> None:
    """`fsref --help` imports neither NumPy nor a verb; a verb imports no other."""
    for arguments, there in (("--help", set()), ("rule POOL-1", {"rule"})):
        code = "import sys; from fsref.cli.main import main; main(sys.argv[1:]); print(*sorted(sys.modules))"
        modules = (
            process("-c", code, *arguments.split(), PYTHONPATH=str(PACKAGE.parent)).stdout.splitlines()[-1].split()
        )
        assert {name for name in verbs.VERBS if f"fsref.cli.{name}" in modules} == there
        assert there or "numpy" not in modules


def test_a_command_has_one_thread_of_blas_unless_told_otherwise() -> None:
    """It is said before NumPy is imported, which reads it then; what the environment says stands."""
    code = "import os, sys; os.environ.pop('OPENBLAS_NUM_THREADS', 0); os.environ.update({told}); "
    code += "from fsref.cli.main import main; assert 'numpy' not in sys.modules; main(['info', 'digits']); "
    code += "print(os.environ['OPENBLAS_NUM_THREADS'])"
    for told, threads in (({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")):
        done = process("-c", code.format(told=told), PYTHONPATH=str(PACKAGE.parent))
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, threads), done.stderr


def test_nothing_of_the_library_imports_numba_before_it_computes() -> None:
    """Every public name can be had, and a network loaded, without Numba."""
    code = "import fsref, sys; [getattr(fsref, n) for n in fsref.__all__]; fsref.load('digits'); "
    code += "print('numba' in sys.modules)"
    done = process("-c", code, PYTHONPATH=str(PACKAGE.parent))
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one kernel's machine code."""
    folder = tmp_path_factory.mktemp("kept")
    done = process("-c", RUN, NUMBA_CACHE_DIR=str(folder), PYTHONPATH=str(PACKAGE.parent))
    assert done.stdout == f"{RIGHT} 0 1\n", done.stderr
    return folder


VARIANTS = """
import sys
import numpy as np
from fsref import Dense, Input, Network, Readout
from fsref.engines import events
for steps in map(int, sys.argv[1:]):
    populations = [Input("in", (1, 1, 4), steps, 2**steps - 1), Readout("out", (1, 1, 1))]
    codes = np.arange(4).reshape(1, 1, 1, 4) * (2**steps - 1) // 3
    activities = events.simulator(Network(populations, [Dense("in", "out", [[1, 1, 1, 1]])]))(codes, {})
    print(list(activities)[-1].opening.item() == codes.sum())
"""


def test_variants_of_a_kernel_that_other_processes_have_kept_are_told_apart(tmp_path: Path) -> None:
    """What compiles 3 steps at first, and what compiles 4, keep both; whoever loads both runs each as it is."""
    settings = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(PACKAGE.parent)}
    for asked in (["3"], ["4"], ["3", "4", "7", "8"]):
        done = process("-c", VARIANTS, *asked, **settings)
        assert done.stdout.split() == ["True"] * len(asked), (asked, done.stdout, done.stderr)


needs_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX owners and modes")


@needs_posix
def test_where_nothing_can_be_written_kernels_live_in_a_folder_of_ones_own(sealed: dict[str, str]) -> None:
    """Neither package nor HOME can be written: one line says where kernels are kept instead, nobody else can enter
    there, the next process is answered from it; verbs that run none say nothing.
    """
    own = Path(sealed["TMPDIR"]) / f"fsref-{os.getuid()}"
    done = process("-m", "fsref", "info", "digits", **sealed)
    assert (done.returncode, done.stderr) == (0, "")
    done = process("-c", RUN, **sealed)
    assert done.stdout == f"{RIGHT} 0 1\n" and done.stderr.count("RuntimeWarning") == 1
    assert f"kernels can be written; they are kept in {own} (NUMBA_CACHE_DIR=DIR names a folder)\n" in done.stderr
    assert stat.S_IMODE(own.stat().st_mode) == 0o700 and list(own.rglob("*.nbc"))
    assert process("-W", "ignore", "-c", RUN, **sealed).stdout == f"{RIGHT} 1 0\n"


@needs_posix
@pytest.mark.parametrize("planted", ["open to others", "a link", "a file", "no folder above"])
def test_a_folder_that_others_may_have_filled_is_not_used(sealed: dict[str, str], tmp_path: Path, planted: str) -> None:
    """What is unpickled is one's own: a folder that others can write, or that is a link, is left alone; kernels are
    then kept nowhere, and one line says so.
    """
    own = Path(sealed["TMPDIR"]) / f"fsref-{os.getuid()}"
    if planted == "open to others":
        own.mkdir()
        own.chmod(0o777)
    elif planted == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        own.symlink_to(tmp_path / "elsewhere")
    elif planted == "a file":
        own.touch()
    else:
        Path(sealed["TMPDIR"]).chmod(0o777)  # and not sticky: others could replace what stands in it
    code = "from fsref.engines.kernels import plain; plain.spike_list.compiled; print('well')"
    done = process("-c", code, **sealed)
    assert done.stdout == "well\n" and done.stderr.count("RuntimeWarning") == 1
    assert "in no place, and compiled anew by every process" in done.stderr
    assert not list(Path(sealed["TMPDIR"]).rglob("*.nb?")) + list(tmp_path.joinpath("elsewhere").rglob("*"))


@needs_posix
def test_a_folder_of_another_user_is_not_used(sealed: dict[str, str]) -> None:
    """Nor is one that has the right name and mode, but an owner who is not this user."""
    code = "import os; other = os.getuid() + 1; os.getuid = lambda: other; "
    code += "from fsref.engines.kernels import plain; plain.spike_list.compiled"
    done = process("-c", code, **sealed)
    assert done.returncode == 0 and "in no place, and compiled anew by every process" in done.stderr


@pytest.mark.parametrize("damage", ["half", "nothing", "one byte"])
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_damaged_machine_code_is_compiled_anew(tmp_path: Path, kept: Path, suffix: str, damage: str) -> None:
    """An index or code file that is cut off, empty or has one wrong byte changes no answer and ends in no traceback;
    it is replaced.
    """
    shutil.copytree(kept, tmp_path / "cache")
    (file,) = tmp_path.rglob(f"*{suffix}")
    data = file.read_bytes()
    middle = len(data) // 2
    wrong = {"half": data[:middle], "nothing": b"", "one byte": data[:middle] + b"\xff" + data[middle + 1 :]}
    file.write_bytes(wrong[damage])
    done = process("-c", RUN, NUMBA_CACHE_DIR=str(tmp_path / "cache"), PYTHONPATH=str(PACKAGE.parent))
    assert (done.stdout, done.stderr) == (f"{RIGHT} 0 1\n", "")
    assert file.read_bytes() not in wrong.values()


def test_machine_code_is_not_run_under_another_digest(tmp_path: Path, kept: Path) -> None:
    """Code that can be read, but is not what was kept, is compiled anew: its digest says so, not luck."""
    shutil.copytree(kept, tmp_path / "cache")
    (file,) = tmp_path.rglob("*.nbc")
    digest, _ = pickle.loads(file.read_bytes())
    file.write_bytes(file.read_bytes().replace(digest, bytes(len(digest))))
    done = process("-c", RUN, NUMBA_CACHE_DIR=str(tmp_path / "cache"), PYTHONPATH=str(PACKAGE.parent))
    assert (done.stdout, done.stderr) == (f"{RIGHT} 0 1\n", "")


def test_two_at_once_and_a_folder_of_the_users_choice(tmp_path: Path) -> None:
    """Two processes that compile at the same time into the folder that NUMBA_CACHE_DIR names give the same answer; the
    third compiles nothing.
    """
    settings = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", RUN]
    both = [subprocess.Popen(command, env=environment(settings), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert all(one.communicate(timeout=300)[0].startswith(RIGHT) for one in both)
    assert process("-c", RUN, **settings).stdout == f"{RIGHT} 1 0\n"


@needs_posix
def test_a_full_disk_keeps_no_kernel_and_stops_no_command(tmp_path: Path) -> None:
    """Where machine code cannot be written out the run goes on."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (999, -1)){RUN}"
    done = process("-c", code, NUMBA_CACHE_DIR=str(tmp_path), PYTHONPATH=str(PACKAGE.parent))
    assert (done.stdout, done.stderr) == (f"{RIGHT} 0 1\n", "")
