"""Check everything: ruff (rules and format), mypy, pytest. `python tools/test.py [--all] [-- PYTEST ARGUMENTS]`; its
own environment is .venv-test.

--all adds PyTorch and the tests that need programs which are no PyPI wheel, and fails on a skip that
tests/allowed_skips.txt does not hold.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is read by whatever Python the user has
    sys.exit("tools/test.py needs Python 3.11 or newer; this is Python %d.%d" % sys.version_info[:2])  # noqa: UP031

import environment


def main() -> int:
    """Run every check, also after one failed; return 0 when all passed."""
    own, rest = environment.split(sys.argv[1:])
    if set(own) - {"--all"}:
        sys.exit("usage: python tools/test.py [--all] [-- PYTEST ARGUMENTS]")
    # What tests of importers and of the guide need beside; torch is large, and only --all has to have it.
    extras = ["test", "verify", "plot", "onnx"] + (["train"] if "--all" in own else [])
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
