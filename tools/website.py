# SPDX-License-Identifier: Apache-2.0
"""Build the site of fsref: `python tools/website.py [--out DIR] [--serve [PORT]]`.

Makes its own environment, .venv-site, the first time; that needs a package index. Then it makes every page anew: those
of the repository, a page for each command with an example that is run, the Python reference, a search over the rules.
A broken link, a figure without the command that makes it, or anything loaded from elsewhere is an error. The site
stands in DIR, build/site unless given, and is read from there as it is, without a network; --serve shows it on this
machine alone, port 8000 unless given.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is read by whatever Python the user has
    sys.exit("tools/website.py needs Python 3.11 or newer; this is Python %d.%d" % sys.version_info[:2])  # noqa: UP031

import argparse
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import environment


def main() -> int:
    """Build the site, show it where asked; return 0 when it stands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=environment.ROOT / "build" / "site", metavar="DIR")
    parser.add_argument("--serve", type=int, nargs="?", const=8000, metavar="PORT")
    asked = parser.parse_args()
    python = environment.prepare(".venv-site", ".[docs,plot,verify,onnx]")
    script = environment.ROOT / "tools" / "site_build.py"
    code = environment.call([python, str(script), "--out", str(asked.out)])
    if code == 0 and asked.serve is not None:
        show(asked.out, asked.serve)
    return code


def show(folder: Path, port: int) -> None:
    """Show a folder on this machine alone until Ctrl-C."""
    with ThreadingHTTPServer(("127.0.0.1", port), partial(SimpleHTTPRequestHandler, directory=folder)) as server:
        print(f"http://127.0.0.1:{server.server_port}/ shows it until Ctrl-C")
        server.serve_forever()


if __name__ == "__main__":
    environment.finish(main)
