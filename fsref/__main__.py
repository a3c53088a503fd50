"""`python -m fsref` is the command line."""

import sys

from fsref.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
