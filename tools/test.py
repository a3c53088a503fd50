"""Check everything: ruff (rules and format), mypy, pytest. `python tools/test.py [--all | --lowest] [-- PYTEST
ARGUMENTS]`; its own environment is .venv-test.

--all adds PyTorch, the site and the tests that need programs which are no PyPI wheel, and fails on a skip that
tests/allowed_skips.txt does not hold. --lowest runs, in .venv-lowest, the tests of what needs others with the lowest
versions of them that pyproject.toml allows.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is read by whatever Python the user has
    sys.exit("tools/test.py needs Python 3.11 or newer; this is Python %d.%d" % sys.version_info[:2])  # noqa: UP031

import environment

# What users have beside fsref, and the tests in which a dependency can show its age.
EXTRAS = ("verify", "plot", "onnx", "vcd", "nir", "dask")
LOWEST = (
    "aer agreement causes cli cli_conversion convert data dependencies dumps energy explain export formats graph guide "
    "json layout memory memory_texts network network_report neuron nir npz onnx_export from_onnx outcome page "
    "quantized ranges reader run second_opinion shards trace vcd verify"
)
# The one page of the guide that needs torch, which this environment does not have: --all runs it.
PYTORCH = "tests/test_guide.py::test_a_page_runs_in_an_empty_directory[from_pytorch.md]"


def main() -> int:
    """Run every check, also after one failed; return 0 when all passed."""
    own, rest = environment.split(sys.argv[1:])
    if own not in ([], ["--all"], ["--lowest"]):
        sys.exit("usage: python tools/test.py [--all | --lowest] [-- PYTEST ARGUMENTS]")
    if own == ["--lowest"]:
        python = environment.prepare(".venv-lowest", ".", *environment.lowest(*EXTRAS, beside="test"))
        files = ["tests/test_%s.py" % name for name in LOWEST.split()]  # noqa: UP031
        files += ["--deselect", PYTORCH]
        return environment.call([python, "-m", "pytest", "-n", "2", *(rest or files)], environment.ROOT)
    # What tests of importers and of the guide need beside; torch is large, and only --all has to have it.
    extras = ["test", *EXTRAS] + (["train", "docs"] if "--all" in own else [])
    python = environment.prepare(".venv-test", ".[%s]" % ",".join(extras))  # noqa: UP031
    failed = []
    for name, command in {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "mypy": ["mypy"],
        "pytest": ["pytest", "-n", "2"] + own + rest,
    }.items():
        sys.stdout.write("== %s\n" % " ".join(command))  # noqa: UP031
        sys.stdout.flush()
        if environment.call([python, "-m"] + command, environment.ROOT):
            failed.append(name)
    if failed:
        sys.stderr.write("failed: %s\n" % ", ".join(failed))  # noqa: UP031
    return 1 if failed else 0


if __name__ == "__main__":
    environment.finish(main)
