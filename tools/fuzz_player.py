"""A device that gives recorded answers, whatever it is asked: `fuzz_player.py frames|hex FOLDER`, the files of the
folder one after the other up to one that is not whole, or `fuzz_player.py files FILE IN OUT`, the lines of the file.
Standard library only.
"""

import sys
from pathlib import Path

GREETED = 3  # frames of a file that asks for the greeting alone: hello twice and a bye


def asked(carrier: str) -> bool:
    """Whether a whole frame came; then it is read."""
    stream = sys.stdin.buffer
    if carrier == "hex":
        return stream.readline().endswith(b"\n")
    head = stream.read(8)
    return len(head) == 8 and len(stream.read(8 * int.from_bytes(head, "little"))) > 0


def whole(carrier: str, answer: bytes) -> bool:
    """Whether no more is waited for behind an answer."""
    if carrier == "hex":
        return answer.endswith(b"\n")
    return 8 <= len(answer) >= 8 + 8 * int.from_bytes(answer[:8], "little", signed=True)


def main(carrier: str, answers: str, *ends: str) -> None:
    """Answer each frame by the next file, and end behind the last."""
    if carrier == "files":
        greeting, *rest = Path(answers).read_bytes().splitlines(keepends=True) or [b""]
        alone = Path(ends[0]).read_bytes().count(b"\n") == GREETED
        Path(ends[1]).write_bytes(b"".join([greeting, *([greeting] if alone else rest)]))
        return
    for path in sorted(Path(answers).iterdir()):
        if not asked(carrier):
            return
        answer = path.read_bytes()
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
        if not whole(carrier, answer):
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
