"""What is said of a device that cannot be started, or writes what is no reply (CONFORM-3, CONFORM-6): what it was, what
was expected there, and what would do.
"""

from __future__ import annotations

import os
import signal
import sys
from io import BytesIO
from pathlib import Path
from struct import pack

import numpy as np
import pytest

from fsref.cli.main import main
from fsref.conformance import conform
from fsref.conformance.conforming import START
from fsref.conformance.device import Broken, Process
from fsref.conformance.frames import from_hex
from fsref.conformance.garbage import looks, so_far, written
from fsref.conformance.replies import binary_replies, hex_replies
from fsref.conformance.starting import started
from fsref.errors import UsageError
from test_conform import CORE, ENOUGH, PYTHON, QUICK, TRIGGER, greeting, hostile

HELLO = pack("<5q", 4, 0, 2, 0x7D7B, 0)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"ready\n", r"'ready\n'"),
        (b"neuron 3 fires\n\x02\0\0\0", r"'neuron 3 fires\n'..."),
        (b"x" * 40, "'xxxxxxxxxxxxxxxxxxxxxxxx'..."),
        (pack("<2q", 2, -1), "the bytes 0200000000000000 ffffffffffffffff"),
        (b"\x1b[31m" + bytes(30), "the bytes 1b5b33316d000000 0000000000000000 0000000000000000..."),
    ],
)
def test_bytes_are_told_short(data: bytes, told: str) -> None:
    """Text is shown as text as far as it goes, all else in digits, a few words of it, nothing that a terminal obeys."""
    assert written(data) == told and told.isprintable()


@pytest.mark.parametrize(
    ("data", "lines", "told"),
    [
        (b"Simulator 1.2\n", False, ", text, which goes to standard error"),
        (pack(">2q", 1, 0), False, ", the highest byte first"),
        (b"0 2 7d7b\r\n", False, ", as the carrier hex has them"),
        (HELLO, True, ", as the carrier frames has them"),
        (b"\xef\xbb\xbf0 0\n", True, ", which begins with a byte order mark of UTF-8"),
        ("0 0\n".encode("utf-16"), False, ", which begins with a byte order mark of UTF-16"),
        (pack("<2q", 0, 7), False, ""),
        (b"ready\n", True, ""),
    ],
)
def test_what_bytes_look_like(data: bytes, lines: bool, told: str) -> None:
    """Another carrier, another order of bytes, a mark of an editor, or text are named; all else is not guessed at."""
    assert looks(data, lines, 100) == told


@pytest.mark.parametrize(
    ("data", "lines", "told"),
    [
        (b"", False, "not a byte of one"),
        (b"abc", False, "3 bytes of one"),
        (b"0 0", True, "3 bytes of one, without the end of its line"),
        (HELLO[:24], False, "2 words of 4 that it says it has"),
        (pack("<4q", 4, 0, 1, 0), False, "3 words of 4 that it says it has: does the number count itself?"),
        (pack("<4q", 24, 0, 1, 0), False, "3 words of 24 that it says it has: is it one of bytes?"),
        (pack("<9i", 8, *range(8)), False, "3 words of 8 that it says it has: are they of 32 bits?"),
    ],
)
def test_how_much_there_is_of_a_reply(data: bytes, lines: bool, told: str) -> None:
    """Of a reply that is not whole it is told how much there is, and which mistake of its number fits."""
    assert so_far(data, lines) == told


def test_lines_of_other_systems() -> None:
    """Capitals, ends of lines of Windows, tabs and missing zeros are words; signs of hex, commas and a mark are not."""
    assert from_hex("0 FF\t0000000000000001\r\n").tolist() == [0, 255, 1]
    for line, told in (
        ("0x0 1", "digits without 0x: 0x0"),
        ("0,1", "digits, blanks between: 0,1"),
        ("\\xef0", "digits"),
    ):
        with pytest.raises(Exception, match=f"{told}$"):
            from_hex(line)


def wrote(code: str, carrier: str = "frames") -> str:
    """What is said of a device of this Python that is greeted."""
    with pytest.raises(UsageError) as refused:
        conform([*PYTHON, "-c", f"import os, sys; {code}; sys.stdin.read()"], carrier=carrier)
    return str(refused.value)


def test_a_banner_before_the_greeting() -> None:
    """Text before a reply is shown as what it is, with what was expected in its place and where it goes, by frames and
    by lines.
    """
    told = wrote("os.read(0, 8); os.write(1, b'Simulator 1.2 of 2020\\n')")
    assert "garbage for a greeting: expected was the number of its words, 1 to 8,194, in 8 bytes, the lowest" in told
    assert r"it wrote 'Simulator 1.2 of 2020\n', text, which goes to standard error" in told
    told = wrote("sys.stdin.readline(); os.write(1, b'Simulator 1.2 of 2020\\n0 0\\n')", "hex")
    assert "expected were words of at most 16 hexadecimal digits: Simulator; it wrote 'Simulator 1.2 of" in told


def test_replies_of_another_carrier() -> None:
    """Replies that lie in a file are told like those of a device: what was expected, and what stands there."""
    (told,) = binary_replies(BytesIO(b"1\n2 6 0 5\n"))
    assert str(told).endswith(r"in 8 bytes, the lowest first; it wrote '1\n2 6 0 5\n', as the carrier hex has them")
    (told, *_) = hex_replies(BytesIO(pack("<2q", 1, 10)))
    assert "; it wrote the bytes 0100000000000000 0a, as the carrier frames has them" in str(told)
    (told,) = binary_replies(BytesIO(b"abc"))
    assert str(told) == "a frame is cut off behind 3 bytes"


def test_a_reply_too_long_says_by_how_much() -> None:
    """One word more than was asked for is that, and what stands behind a reply is shown."""
    found = conform(hostile("longer"), cases=[TRIGGER], examples=0).first
    assert found is not None and found.verdict == "longer" and found.told.endswith(" words, 1 more than was asked for")
    device = Process(
        [*PYTHON, "-c", "import os, sys; sys.stdin.readline(); os.write(1, b'3\\ndone\\n')"], ENOUGH, lines=True
    )
    device.start()
    with pytest.raises(Broken) as behind:
        device.ask(np.array([3]), 1)
    assert (behind.value.verdict, behind.value.told) == ("longer", r"5 bytes behind the end of its reply, 'done\n'")


def test_the_answer_to_a_load_is_named() -> None:
    """A device that answers a load wrongly is told of the load, not of the run behind it."""
    code = "import sys\nfor line in sys.stdin: print('0 0' if line.split()[0][-1] == '0' else '7 7', flush=True)"
    found = conform([*PYTHON, "-c", code], None, "hex", cases=[TRIGGER], examples=0).first
    assert found is not None and found.told == "load: a reply of 2 words, 1 more than was asked for"


def test_a_timeout_holds_for_the_greeting(capsys: pytest.CaptureFixture[str]) -> None:
    """A start and its greeting have as long as a reply, or what is set for them alone; 30 s where nothing is."""
    for given in ({"timeout": QUICK}, {"start_timeout": QUICK}, {"timeout": ENOUGH, "start_timeout": QUICK}):
        with pytest.raises(UsageError, match=f"no whole reply in {QUICK:g} s; not a byte of one"):
            conform(hostile("mute"), **given, examples=0)
    assert main(["conform", "--dut", f"{sys.executable} -c 'input()'", "--start-timeout", "0.1"]) == 2
    assert "no whole reply in 0.1 s" in capsys.readouterr().err
    assert START == 30.0 and conform(CORE, timeout=ENOUGH, cases=[TRIGGER], examples=0).agrees


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="signals without a name are those of POSIX")
def test_a_signal_without_a_name() -> None:
    """A device that ends by a signal that has no name is a crash by its number."""
    with pytest.raises(UsageError, match=f"crash for a greeting: ended with signal {signal.SIGRTMIN + 1} without"):
        conform([*PYTHON, "-c", f"import os; os.kill(os.getpid(), {signal.SIGRTMIN + 1})"])


def test_what_holds_its_output_open() -> None:
    """A device that ended while something that it started holds its output is told so."""
    code = (
        "import subprocess, sys; "
        "subprocess.Popen([sys.executable, '-S', '-c', 'import select; select.select([], [], [])'])"
    )
    with pytest.raises(UsageError, match="it has ended, what it started holds its output open"):
        conform([*PYTHON, "-c", code], start_timeout=4 * QUICK)


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_what_would_start_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that cannot be started is told with what would: a folder, a file that may not be executed, without a
    first line, or beside the PATH, a command that a shell was to read.
    """
    monkeypatch.chdir(tmp_path)
    for name, text, mode in (("plain", "x", 0o644), ("bare", "true\n", 0o755), ("lost", "#!/no/such\n", 0o755)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    (tmp_path / "folder").mkdir()
    for command, told in (
        ("./folder", "it is a folder"),
        ("./plain", "it may not be executed: chmod +x ./plain"),
        ("./bare", "a script names its program in its first line"),
        ("./lost", "its first line names a program that is not there"),
        ("bare", "it lies here: ./bare"),
        ("./none", "is it built, and is this the folder?"),
        ("no-such-program", "is it installed, and on the PATH?"),
        ("cd", "no shell reads a command"),
        ("A=1 ./bare", "no shell reads a command"),
        ("~/device", "no shell reads a command"),
    ):
        with pytest.raises(UsageError) as refused:
            started(command.split(), -3, -3, -3)
        assert told in refused.value.limit and refused.value.rule == "CONFORM-6"
    with pytest.raises(UsageError) as refused:
        started(["sh -c true"], -3, -3, -3)
    assert "in one pair of quotes" in refused.value.limit


def test_errors_name_what_was_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line speaks of its options, not of the arguments of Python: --force, --timeout, --start-timeout."""
    command = " ".join([*map(str, CORE), *greeting()]).replace("{}", "'{}'")
    for words, told in (
        (["--timeout", "0"], "--timeout: no number of seconds"),
        (["--start-timeout", "0"], "--start-timeout: no number of seconds"),
        (["--replay", str(tmp_path)], f"--replay: is there already: {tmp_path} (another name, or --force"),
        (["--examples", "200000"], "--examples: no number of examples"),
    ):
        assert main(["conform", "--dut", command, *words]) == 2
        assert told in capsys.readouterr().err
    with pytest.raises(UsageError, match="^start_timeout: no number of seconds"):
        conform(CORE, start_timeout=0)
