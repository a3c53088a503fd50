"""Kernels: who imports Numba and when, where machine code is kept, and what becomes of it on machines that keep
nothing.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from fsref.cli import verbs
from fsref.engines.kernels import Kernel
from fsref.engines.kernels.blocks import Together

PACKAGE = Path(fsref.__file__).parent
RUN = """
import sys
import numpy as np
from fsref.engines.kernels.plain import spike_list
spikes, offsets = np.zeros(2, np.int64), np.zeros(3, np.int64)
spike_list(np.array([[1, 2]], np.uint16), 2, spikes, offsets)
(entry,) = spike_list.entries.values()
print(spikes.tolist(), offsets.tolist(), "kept" if entry.kept else "compiled", "numba" in sys.modules)
"""
RIGHT = "[1, 0] [0, 1, 2]"
COMPILED, KEPT = f"{RIGHT} compiled True\n", f"{RIGHT} kept False\n"  # what is kept needs no Numba
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


COMMAND = """
import sys
sys.stderr.isatty = lambda: {terminal}
from fsref.cli.main import main
code = main(["run", "digits", "--images", "0", "--engine", "{engine}"])
print(code, *sorted({{"numba", "PIL", "matplotlib", "onnx", "hypothesis"}} & set(sys.modules)))
"""


@pytest.mark.parametrize("engine", ["events", "quantized"])
def test_the_first_run_says_that_it_compiles_and_the_next_imports_no_numba(
    sealed: dict[str, str], tmp_path: Path, engine: str
) -> None:
    """In a terminal one line tells what takes so long, once, however many kernels there are; when they are kept there
    is no such line, and nothing is imported but what runs them.
    """
    settings = sealed | {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    program = COMMAND.format(terminal=True, engine=engine)
    first, again = (process("-c", program, **settings) for _ in range(2))
    assert first.stderr == "fsref: note: kernels are compiled for this processor, once: that takes some seconds\n"
    assert first.stdout.splitlines()[-1] == "0 numba"
    assert (again.stdout.splitlines()[-1], again.stderr) == ("0", "")
    assert again.stdout.splitlines()[:-1] == first.stdout.splitlines()[:-1]


def test_no_line_tells_of_compiling_where_there_is_no_terminal(sealed: dict[str, str], tmp_path: Path) -> None:
    """As of progress: what reads standard error reads errors and notes alone."""
    settings = sealed | {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    done = process("-c", COMMAND.format(terminal=False, engine="events"), **settings)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0 numba", "")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one kernel's machine code."""
    folder = tmp_path_factory.mktemp("kept")
    done = process("-c", RUN, NUMBA_CACHE_DIR=str(folder), PYTHONPATH=str(PACKAGE.parent))
    assert done.stdout == COMPILED, done.stderr
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


def test_a_kernel_that_divides_by_zero_raises() -> None:
    """The one error of a kernel reaches who called it, and the kernel goes on to work."""
    halves = Kernel(lambda a, b: a // b)
    with pytest.raises(ZeroDivisionError):
        halves(1, 0)
    assert halves(7, -2) == -4


def given(kind: int) -> tuple[Any, ...]:
    """Arguments of some kinds."""
    whole = np.arange(24).reshape(2, 3, 4)
    return (
        (3, True, 0.5, np.int32(-7), np.float64(2.0)),
        (whole, whole[:, ::2], np.asfortranarray(whole), whole[:0]),
        (whole.astype(np.int8), whole.astype(np.uint16), whole.astype(np.float32), whole % 3 == 1),
        (Together((whole.ravel(), np.ones(3, np.float32))), (whole, (whole[0], whole[1, 1]))),
    )[kind]


@pytest.mark.parametrize("kind", range(4))
def test_arguments_reach_a_kernel_as_they_are(kind: int) -> None:
    """Integers, truth values, reals; arrays of any type, axes and strides, writable or not; tuples, in one another."""

    def total(*parts: Any) -> float:
        return float(sum(total(*p) if isinstance(p, tuple) else np.sum(p) for p in parts))

    for arguments in (given(kind), tuple(sealed_array(a) for a in given(kind))):
        assert SUMS[kind](*arguments) == total(*arguments)


def sealed_array(value: Any) -> Any:
    """An array that may not be written; anything else as it is."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    return value


SUMS = (
    Kernel(lambda a, b, c, d, e: a + b + c + d + e),
    Kernel(lambda a, b, c, d: a.sum() + b.sum() + c.sum() + d.sum()),
    Kernel(lambda a, b, c, d: a.sum() + b.sum() + np.float64(c.sum()) + d.sum()),
    Kernel(lambda a, b: a[0].sum() + a[1].sum() + b[0].sum() + b[1][0].sum() + np.float64(b[1][1].sum())),
)


@pytest.mark.parametrize("wrong", [np.arange(3, dtype=">i4"), np.zeros(9, np.int8)[1:].view(np.int32), "text", None])
def test_what_no_kernel_takes_is_refused(wrong: Any) -> None:
    """Numbers in another order of bytes or off their place, texts, nothing."""
    with pytest.raises(TypeError):
        SUMS[0](1, 2, 3, 4, wrong)


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
    assert done.stdout == COMPILED and done.stderr.count("RuntimeWarning") == 1
    assert f"kernels can be written; they are kept in {own} (NUMBA_CACHE_DIR=DIR names a folder)\n" in done.stderr
    assert stat.S_IMODE(own.stat().st_mode) == 0o700 and list(own.rglob("*.kernel"))
    assert process("-W", "ignore", "-c", RUN, **sealed).stdout == KEPT


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
    done = process("-c", RUN, **sealed)
    assert done.stdout == COMPILED and done.stderr.count("RuntimeWarning") == 1
    assert "in no place, and compiled anew by every process" in done.stderr
    assert not list(Path(sealed["TMPDIR"]).rglob("*.kernel*")) + list(tmp_path.joinpath("elsewhere").rglob("*"))


@needs_posix
def test_a_folder_of_another_user_is_not_used(sealed: dict[str, str]) -> None:
    """Nor is one that has the right name and mode, but an owner who is not this user."""
    code = "import os; other = os.getuid() + 1; os.getuid = lambda: other"
    done = process("-c", f"{code}{RUN}", **sealed)
    assert done.returncode == 0 and "in no place, and compiled anew by every process" in done.stderr


@pytest.mark.parametrize("damage", ["half", "nothing", "one byte", "digest"])
def test_damaged_machine_code_is_compiled_anew(tmp_path: Path, kept: Path, damage: str) -> None:
    """A file that is cut off, empty, has one wrong byte or stands under another digest changes no answer and ends in no
    traceback; it is replaced.
    """
    shutil.copytree(kept, tmp_path / "cache")
    (file,) = tmp_path.rglob("*.kernel")
    data = file.read_bytes()
    middle = len(data) // 2
    one = data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]
    wrong = {"half": data[:middle], "nothing": b"", "one byte": one, "digest": bytes(32) + data[32:]}
    file.write_bytes(wrong[damage])
    done = process("-c", RUN, NUMBA_CACHE_DIR=str(tmp_path / "cache"), PYTHONPATH=str(PACKAGE.parent))
    assert (done.stdout, done.stderr) == (COMPILED, "")
    assert file.read_bytes() not in wrong.values()


@pytest.mark.parametrize("other", ["numba", "llvmlite"])
def test_machine_code_of_another_program_is_compiled_anew(tmp_path: Path, kept: Path, other: str) -> None:
    """What another version of Numba, or of LLVM, has made is not run."""
    shutil.copytree(kept, tmp_path / "cache")
    code = "from fsref.engines.kernels import store; own = store.version; "
    code += f"store.version = lambda name: '0' if name == {other!r} else own(name)"
    for answer in (COMPILED, KEPT):
        done = process("-c", f"{code}{RUN}", NUMBA_CACHE_DIR=str(tmp_path / "cache"), PYTHONPATH=str(PACKAGE.parent))
        assert (done.stdout, done.stderr) == (answer, "")


def test_another_processor_has_machine_code_of_its_own(tmp_path: Path, kept: Path) -> None:
    """A folder that machines share holds what each has made; who was there first finds its own again."""
    shutil.copytree(kept, tmp_path / "cache")
    settings = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(PACKAGE.parent)}
    code = "from fsref.engines.kernels import store; store.processor = lambda: ('another',)"
    answers = [process("-c", f"{own}{RUN}", **settings).stdout for own in (code, code, "")]
    assert answers == [COMPILED, KEPT, KEPT]


def test_two_at_once_and_a_folder_of_the_users_choice(tmp_path: Path) -> None:
    """Two processes that compile at the same time into the folder that NUMBA_CACHE_DIR names give the same answer; the
    third compiles nothing.
    """
    settings = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", RUN]
    both = [subprocess.Popen(command, env=environment(settings), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert all(one.communicate(timeout=300)[0].startswith(RIGHT) for one in both)
    assert process("-c", RUN, **settings).stdout == KEPT


@needs_posix
def test_a_full_disk_keeps_no_kernel_and_stops_no_command(tmp_path: Path) -> None:
    """Where machine code cannot be written out the run goes on."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (999, -1)){RUN}"
    done = process("-c", code, NUMBA_CACHE_DIR=str(tmp_path), PYTHONPATH=str(PACKAGE.parent))
    assert (done.stdout, done.stderr) == (COMPILED, "")
