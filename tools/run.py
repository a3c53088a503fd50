"""Run fsref from a fresh clone: `python tools/run.py [OPTIONS OF fsref run digits]`.

Makes its own environment, .venv-run, beside the code, the first time and after pyproject.toml changed; that needs a
package index. Then it scores the digits model, checks every bit of it and draws the spikes of one digit, as `fsref run
digits` does; without options it also shows what a CIFAR-10 network sees in a few photographs.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is read by whatever Python the user has
    sys.exit("tools/run.py needs Python 3.11 or newer; this is Python %d.%d" % sys.version_info[:2])  # noqa: UP031

import environment

SHOWN = (["digits"], ["resnet20", "--data", str(environment.ROOT / "reference_models" / "photos")])


def main() -> int:
    """Run what was asked for, or the main jobs, or say what they are; return the first exit code that is not 0."""
    if "--help" in sys.argv or "-h" in sys.argv:
        sys.stdout.write(__doc__)
        return 0
    python = environment.prepare(".venv-run", ".")
    for arguments in [["digits", *sys.argv[1:]]] if sys.argv[1:] else SHOWN:
        code = environment.call([python, "-m", "fsref", "run", *arguments])
        if code:
            return code
    return 0


if __name__ == "__main__":
    environment.finish(main)
