"""Texts of memories: what is written, what else is read, and what is refused by its number (LAYOUT-6)."""

from __future__ import annotations

import random

import numpy as np
import pytest

from fsref.errors import FileError, FsrefError
from fsref.formats import coe, hexadecimal, mif, readmemh
from fsref.formats.words import Words, of_integers
from refusals import check_line, refused

TEXTS = {"readmemh": readmemh, "coe": coe, "mif": mif}
WORDS = of_integers(np.array([0, 1, -1, 300, -2048]), 12)
WRITTEN = {
    "readmemh": b"// five\n000\n001\nfff\n12c\n800\n",
    "coe": b"; five\nmemory_initialization_radix=16;\nmemory_initialization_vector=\n000,\n001,\nfff,\n12c,\n800;\n",
    "mif": b"-- five\nDEPTH = 5;\nWIDTH = 12;\nADDRESS_RADIX = UNS;\nDATA_RADIX = HEX;\nCONTENT\nBEGIN\n"
    b"0 : 000;\n1 : 001;\n2 : fff;\n3 : 12c;\n4 : 800;\nEND;\n",
}
COE = b"memory_initialization_radix=%b;\nmemory_initialization_vector=%b;"
MIF = b"DEPTH=%d;\nWIDTH=12;\nADDRESS_RADIX=%b;\nDATA_RADIX=%b;\nCONTENT BEGIN\n%bEND;\n"
FIVE = [0, 1, 0xFFF, 300, 0x800]
READ: list[tuple[str, bytes, list[int]]] = [
    ("readmemh", b"0 1 FFF\n12c\r\n/* a // b\n0 */800 // end", FIVE),
    ("readmemh", b"@0 0_00 0001 f_ff\n@3 12c @4\n0000800", FIVE),
    ("readmemh", b"// 0x00000000\n000\n001\nfff\n12c\n800", FIVE),
    ("readmemh", b"0" * 300 + b" 1 fff 12c 800", FIVE),
    ("coe", COE % (b"16", b"0 1,FFF ,\n12c, 800,\n"), FIVE),
    ("coe", b" ; a = b;\n" + COE % (b"2", b"0,1,111111111111,100101100,100000000000"), FIVE),
    ("coe", (COE % (b" 10 ", b"\n0,1,4095,300,2048 ")).upper() + b"\n", FIVE),
    ("coe", COE % (b"2", b"0,%b1 111111111111 0000100101100 100000000000" % (b"0" * 99)), FIVE),
    ("coe", COE % (b"10", b"0,1,%b4095,300,-%b2048" % (b"0" * 5000, b"0" * 5000)), FIVE),
    ("mif", MIF % (5, b"HEX", b"HEX", b"0:0;1:1;2 : FFF;\n[3..3]:12c;4:800;"), FIVE),
    ("mif", MIF % (5, b"DEC", b"DEC", b"4 : -2048;\n0 : 0 1 -1 300;\n"), FIVE),
    ("mif", MIF % (5, b"BIN", b"OCT", b"[0..100] : 0 1;-- c ; d\n% e : % "), [0, 1, 0, 1, 0]),
    ("mif", MIF % (16, b"HEX", b"BIN", b"[0..9]:1;[a..F]:0;"), [1] * 10 + [0] * 6),
    ("mif", MIF % (6, b"BIN", b"HEX", b" 101 :\n5 ;[ 000 .. 010 ]\n: 1 2;11:7 8;"), [1, 2, 1, 7, 8, 5]),
    ("mif", MIF % (0, b"UNS", b"HEX", b""), []),
]


def values(words: Words) -> list[int]:
    """The words as numbers without a sign."""
    return [int.from_bytes(row.tobytes(), "big") for row in words.data]


@pytest.mark.parametrize("form", TEXTS)
def test_what_is_written(form: str) -> None:
    """These bytes, and read they are the words again."""
    assert TEXTS[form].write(WORDS, "five") == WRITTEN[form]
    found = TEXTS[form].read(WRITTEN[form], 12, "f")
    assert found.bits == 12 and found.data.tolist() == WORDS.data.tolist()
    for bits in (1, 3, 4, 8, 63, 64, 65, 1000):
        words = Words(bits, np.random.default_rng(bits).integers(0, 256, (9, -(-bits // 8)), np.uint8))
        words.data[:, 0] &= 0xFF >> (-bits % 8)
        text = TEXTS[form].write(words, "c")
        assert len(text) <= 200 + 9 * (-(-bits // 4) + TEXTS[form].BETWEEN)
        assert TEXTS[form].read(text, bits, "f").data.tolist() == words.data.tolist()


@pytest.mark.parametrize(("form", "text", "wanted"), READ)
def test_what_else_is_read(form: str, text: bytes, wanted: list[int]) -> None:
    """What simulators and vendors' tools write, too."""
    assert values(TEXTS[form].read(text, 12, "f")) == wanted


def test_wide_words_of_other_radixes() -> None:
    """A word of thousands of bits is read in binary and octal as in hexadecimal."""
    bits, value = 5000, 3**3000
    for form, text in (
        ("coe", COE % (b"2", b"%b" % format(value, "b").encode())),
        ("mif", (MIF % (1, b"HEX", b"OCT", b"0:%b;" % format(value, "o").encode())).replace(b"=12", b"=5000")),
        ("mif", (MIF % (1, b"HEX", b"BIN", b"0:%b;" % format(value, "05000b").encode())).replace(b"=12", b"=5000")),
    ):
        assert values(TEXTS[form].read(text, bits, "f")) == [value]


HEXADECIMAL = [
    (b"0 xxx 1", "f: word 1: is unknown: nothing was written there: xxx"),
    (b"0 1 1Z0", "f: word 2: is unknown, x or z: 1Z0"),
    (b"0 1000", "f: word 1: has more bits than a word: 1000 (wanted words of 12 bits)"),
    (
        b"00000fff ffffff23",
        "ffffff23 (wanted words of 12 bits; these look like words of 32 bits: layout word=32)",
    ),
    (b"0 00fff 0ffff", "f: word 2: has more bits than a word: 0ffff"),
    (b"-1", "f: word 0: is not a hexadecimal number: -1 (wanted at most 3 digits)"),
    (b"0 12'h3", "f: word 1: is not a hexadecimal number: 12'h3"),
    (b"0 \xff\x1b[2J", "f: word 1: is not a hexadecimal number"),
]
OTHER: list[tuple[str, bytes, str]] = [
    ("readmemh", b"0 /* 1", "is no comment that ends: /* 1"),
    ("readmemh", b"0 / 1", "is no comment that ends"),
    ("readmemh", b"00 " * 9 + b"1" + b"0" * 300, "f: word 9: has more bits than a word"),
    ("readmemh", b"0 @2 1", "f: @2 1: words are left out (wanted @1)"),
    ("readmemh", b"@ 0", "words are left out (wanted @0)"),
    ("readmemh", b"@g 0", "words are left out"),
    ("readmemh", b"0,1", "is not a hexadecimal number: 0?1"),
    ("coe", b"0\n1\n", "is not a .coe memory (wanted memory_initialization_radix=2, 10 or 16;"),
    ("coe", COE % (b"8", b"0"), "is not a .coe memory"),
    ("coe", COE % (b"2", b"0,2"), "f: word 1: is not a word: 2 (wanted a number of 12 bits in radix 2)"),
    ("coe", COE % (b"2", b"0,x"), "f: word 1: is unknown: nothing was written there: x"),
    ("coe", COE % (b"10", b"4096"), "f: word 0: is not a word: 4096"),
    ("coe", COE % (b"10", b"-2049"), "f: word 0: is not a word: -2049 (wanted a number of 12 bits in radix 10)"),
    ("coe", COE % (b"10", b"9" * 5000), "f: word 0: is not a word: 99999999999999999999 (wanted"),
    ("coe", COE % (b"10", b"1_0"), "f: word 0: is not a word: 1_0"),
    ("coe", COE % (b"16", b"0,1 2,\n ,4"), "f: word 3: is missing (a word between commas)"),
    ("coe", COE % (b"2", b",1"), "f: word 0: is missing"),
    ("coe", COE % (b"16", b"0;1"), "is not a .coe memory"),
    ("mif", b"0\n1\n", "is not a .mif memory (wanted DEPTH, WIDTH, radixes, CONTENT BEGIN .. END;)"),
    (
        "mif",
        MIF.replace(b"12", b"13") % (1, b"HEX", b"HEX", b"0:0;"),
        "has words of another width: 13 (wanted 12 bits)",
    ),
    ("mif", MIF % (2, b"HEX", b"HEX", b"0:0;"), "is not a word at each address: 1 read"),
    ("mif", MIF % (2, b"HEX", b"HEX", b"0:0;0:1;"), "address is given twice: 0..0"),
    ("mif", MIF % (2, b"HEX", b"HEX", b"0:0;2:1;"), "address out of range: 2..2 (wanted 0..1)"),
    ("mif", MIF % (2, b"HEX", b"HEX", b"[1..0]:1;"), "address out of range: 1..0"),
    ("mif", MIF % (2, b"HEX", b"HEX", b"0:;"), "f: is not a word at an address: 0: (ADDRESS : WORD;)"),
    ("mif", MIF % (2, b"HEX", b"HEX", b"0:1,2;1:5;"), "f: word 0: is not a hexadecimal number: 1?2"),
    (
        "mif",
        MIF % (2, b"HEX", b"BIN", b"0:0;1:,;"),
        "f: word 1: is not a word: ? (wanted a number of 12 bits in radix 2)",
    ),
    ("mif", MIF % (2, b"UNS", b"HEX", b"0:1;0_1:5;"), "is not a word at an address: 0_1:5"),
    ("mif", MIF % (2, b"UNS", b"HEX", b"0:1;1:2:3;"), "is not a word at an address: 1:2:3"),
    ("mif", MIF % (2, b"UNS", b"HEX", b"0:1;;1:3;"), "is not a word at an address:  (ADDRESS : WORD;)"),
    ("mif", MIF % (2, b"UNS", b"HEX", b"0:1;:3;"), "is not a word at an address: :3"),
    ("mif", MIF % (2, b"BIN", b"HEX", b"0:1;[0b1..1]:3;"), "is not a word at an address: [0b1..1]:3"),
    ("mif", MIF % (2, b"UNS", b"HEX", b"0:1;18446744073709551617:3;"), "address out of range"),
    ("mif", MIF % (2, b"UNS", b"HEX", b"1" + b"0" * 60 + b":1;1:3;"), "is not a word at an address: 1000"),
    ("mif", MIF % (9, b"UNS", b"HEX", b"[0..3]:1;[8..8]:0;[3..5]:2;"), "address is given twice: 3..5"),
    ("mif", MIF % (2, b"HEX", b"HEX", b"zz:0;"), "is not a word at an address: zz:0"),
    ("mif", MIF % (2, b"HEX", b"HEX", b"0 0;"), "is not a word at an address"),
    ("mif", MIF % (10**9, b"HEX", b"HEX", b"[0..2]:0;"), "holds too many words: 1000000000"),
    ("mif", MIF % (1, b"HEX", b"SEX", b"0:0;"), "is not a .mif memory"),
    ("mif", (MIF % (1, b"HEX", b"HEX", b"0:0;")).replace(b"END", b""), "is not a word at each address"),
    ("mif", b"DEPTH=1;" + MIF % (1, b"HEX", b"HEX", b"0:0;"), "is not a .mif memory"),
]
ALL = [
    *(("readmemh", text, says) for text, says in HEXADECIMAL),
    *(("coe", COE % (b"16", text.replace(b"'", b"`")), says.replace("'", "`")) for text, says in HEXADECIMAL),
    *(("mif", MIF % (text.count(b" ") + 1, b"HEX", b"HEX", b"0:" + text + b";"), says) for text, says in HEXADECIMAL),
    *OTHER,
]


@pytest.mark.parametrize(("form", "text", "says"), ALL)
def test_what_is_refused(form: str, text: bytes, says: str) -> None:
    """One line that names the word or the place, and what would do."""
    with refused(FileError, "LAYOUT-6", says=says):
        TEXTS[form].read(text, 12, "f")


@pytest.mark.parametrize("form", TEXTS)
def test_many_words(form: str) -> None:
    """Words come back where more of them are than are read or placed at a time."""
    words = of_integers(np.arange(mif.PIECE + 9), 17)
    text = TEXTS[form].write(words, "c")
    assert TEXTS[form].read(text, 17, "f").data.tolist() == words.data.tolist()
    if form == "mif":
        at = mif.PIECE + 3
        entries = b"".join(b"%d : %05x;\n" % (address, address) for address in range(at, at + 3))
        assert entries in text
        other = text.replace(entries, b"").replace(
            b"END", b"[%d..%d] : %x %x %x;END" % (at, at + 2, at, at + 1, at + 2)
        )
        assert mif.read(other, 17, "f").data.tolist() == words.data.tolist()


def test_more_words_than_are_read() -> None:
    """A short text may not stand for gigabytes: words of 65,536 bits, of one digit each."""
    with refused(FileError, "LAYOUT-6", "f", 10_000, says="holds too many words: 10000 (at most 8192)"):
        hexadecimal.words_of(b"0 " * 10_000, 65_536, "f")


NASTY = (
    b"/*",
    b"/",
    b"@0",
    b"%",
    b";",
    b"END ",
    b"\n",
    b":",
    b"[0..",
    b" ",
    b"--",
    b"CONTENT BEGIN ",
    b"=",
    b"_",
    b"0",
)


@pytest.mark.parametrize("form", TEXTS)
def test_no_text_takes_the_square_of_its_length(form: str) -> None:
    """What repeats a mark that something could be looked for after is refused, or read, in steps of its length: the
    square of it takes hours.
    """
    head = {"readmemh": b"", "coe": COE % (b"16", b""), "mif": MIF % (9, b"HEX", b"HEX", b"")}[form][:-1]
    for part in NASTY:
        for text in (part * (2**18 // len(part)), head + part * (2**18 // len(part)) + b"x"):
            try:
                TEXTS[form].read(text, 12, "f")
            except FsrefError as error:
                check_line(error)


def test_mutated_texts() -> None:
    """A text with accidents in it is read, or refused in one line."""
    draw, read, told = random.Random(4), 0, set()
    for _ in range(600):
        form = draw.choice(sorted(TEXTS))
        text = bytearray(draw.choice([WRITTEN[form], *(t for f, t, _ in READ if f == form)]))
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(text) + 1)
            text[at : at + draw.randint(0, 3)] = draw.choice(
                [b"", b"x", b"\0", b"@", b";", b"9" * 30, b"-", b"//", b"%", b" "]
            )
        try:
            read += len(TEXTS[form].read(bytes(text), 12, "f")) > 0
        except FsrefError as error:
            check_line(error)
            told.add(error.problem)
    assert read > 40 and len(told) > 8
