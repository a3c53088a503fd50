"""Run fsref on the digits model from a fresh clone: `python tools/run.py`. Makes its own environment, .venv-run, beside the code."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is read by whatever Python the user has
    sys.exit("tools/run.py needs Python 3.11 or newer; this is Python %d.%d" % sys.version_info[:2])  # noqa: UP031

import environment


def main():
    """Run the main job; return its exit code."""
    python = environment.prepare(".venv-run", ".")
    return environment.call([python, "-m", "fsref.cli", "run", "digits"] + sys.argv[1:])


if __name__ == "__main__":
    environment.finish(main)
