"""The command line: `fsref convert | info | run | evaluate | compare | check | conform | explain | export | rule`.

Exit code 0, 1 for "differs or fails", 2 for wrong use or bad input, 128 + its number for a signal.

NET is a network file or the name of a model that comes with fsref. `--json` puts pure JSON on standard output; progress
goes to standard error, and only to a terminal.
"""

# Imported before anything can be caught: nothing but a few modules of Python's own stands here.
from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fsref.cli.signals import Stopped, stopping
from fsref.cli.streams import drained, reported, standing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error is one line on standard error, behind it, when it
    names a rule, a note of how to read that.
    """
    standing()
    # Before NumPy is imported: products are small, and BLAS threads that wait for one another on a busy machine take 20
    # times as long as one. Whoever sets it is left alone.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with stopping() as begun:
        try:
            from fsref.cli.verbs import called, named

            named(arguments)
            begun()
            code = called(arguments)
        except Stopped as signal:
            code = reported(signal.told, signal.code)
        drained()
        return code


if __name__ == "__main__":
    sys.exit(main())
