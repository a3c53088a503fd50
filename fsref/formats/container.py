"""A stored zip, the container of networks, float graphs and image sets (FILE-1), and JSON in one way (FILE-4)."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from os import PathLike
from typing import Any, BinaryIO, NamedTuple, NoReturn

from fsref.errors import FileError
from fsref.formats.reading import opened

MAX_FILE = 2**32
MAX_MEMBERS = 65_535
DATE = (1980, 1, 1, 0, 0, 0)
PYTORCH = ("is a PyTorch file", None, "turn the model into a graph with fsref.from_torch in Python")
OLD_PYTORCH = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # how files of torch before 1.6 begin

# The records of a zip by their mark: PKWARE's APPNOTE, 4.3.
LOCAL, ENTRY, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
ZIP64_END, ZIP64_LOCATOR = b"PK\6\6", b"PK\6\7"
NEEDED = 45  # the version of zip that brought ZIP64
UTF8 = 1 << 11  # the one flag a member may have
ZIP64, OTHER_NAME = 0x0001, 0x7075  # extra fields: sizes beyond 32 bits, a name for some readers
FULL = 2**32 - 1  # in place of a number that ZIP64 holds


def read_file(path: str | PathLike[str], wanted: str = "an .npz file") -> dict[str, bytes]:
    """The members of a file of at most MAX_FILE bytes (FILE-1). Errors: FileError."""
    with opened(path, "FILE-1", MAX_FILE, wanted) as (file, size):
        return _Archive(file, size, str(path)).members()


def read_members(data: bytes, where: str) -> dict[str, bytes]:
    """The members of a stored zip by name (FILE-1). Errors: FileError."""
    return _Archive(io.BytesIO(data), len(data), where).members()


class _Member(NamedTuple):
    """What the directory has to say again of a member: its name as it stands, flags, CRC-32, size, where it begins."""

    name: bytes
    flags: int
    crc: int
    size: int
    begins: int


class _Archive:
    """A stored zip, read from its first byte to its last: each record stands where the one before it ends (FILE-1)."""

    def __init__(self, file: BinaryIO, size: int, where: str) -> None:
        self.file, self.size, self.where, self.at = file, size, where, 0

    def members(self) -> dict[str, bytes]:
        """The members by name. Errors: FileError."""
        found: dict[str, bytes] = {}
        told: list[_Member] = []
        mark = self._mark()
        while mark == LOCAL:
            if len(told) == MAX_MEMBERS:
                raise FileError("FILE-1", self.where, "too many members", len(told) + 1, f"at most {MAX_MEMBERS}")
            member, name, data = self._member(found)
            found[name] = data
            told.append(member)
            mark = self._mark()
        begins = self.at - 4
        for member in told:
            if mark != ENTRY:
                raise FileError("FILE-1", self.where, "the directory leaves out a member", member.name)
            self._entry(member)
            mark = self._mark()
        count, length = len(told), self.at - 4 - begins
        if mark == ZIP64_END:
            place = self.at - 4
            wanted = (44, 0, 0, count, count, length, begins, ZIP64_LOCATOR, 0, place, 1)
            if self._numbers("<Q4x2I4Q4sIQI") != wanted:
                raise FileError("FILE-1", self.where, "the ZIP64 end record is not that of these members")
            mark = self._mark()
        if mark != END or self._numbers("<4H2IH") != (0, 0, count, count, length, begins, 0) or self.at < self.size:
            limit = f"{count} members, a directory of {length} bytes at {begins}, no comment, nothing behind it"
            raise FileError("FILE-1", self.where, "the end record is not that of these members", None, limit)
        return found

    def _member(self, found: dict[str, bytes]) -> tuple[_Member, str, bytes]:
        """The next member, none of those `found`, whose mark is read: what its record says, its name, its data."""
        begins = self.at - 4
        needed, flags, method, crc, held, size, length, more = self._numbers("<3H4x3I2H")
        raw = self._take(length)
        name = self._name(raw, flags)
        place = f"{self.where}: {name!r}"
        if name.rpartition("/")[2] == "data.pkl":
            raise FileError("FILE-1", self.where, *PYTORCH)
        if flags & 1:
            raise FileError("FILE-1", place, "member is encrypted")
        if method != zipfile.ZIP_STORED:
            limit = "stored members only: numpy.savez, not savez_compressed"
            raise FileError("FILE-1", place, "member is compressed", method, limit)
        if needed > NEEDED:
            raise FileError("FILE-1", place, "member needs a later version of zip", needed, f"at most {NEEDED}")
        if flags & ~UTF8:
            limit = f"0 or {UTF8}: sizes and CRC-32 stand before the data"
            raise FileError("FILE-1", place, "member has flags no stored member needs", flags, limit)
        if name in found:
            raise FileError("FILE-1", place, "two members have this name")
        size, held = self._wide(self._take(more), place, size, held)
        if size != held:
            raise FileError("FILE-1", place, "two sizes of a stored member", held, f"{size} bytes of data")
        data = self._take(size)
        if zlib.crc32(data) != crc:
            raise FileError("FILE-1", place, "member is damaged: its CRC-32 is another", zlib.crc32(data), f"{crc}")
        return _Member(raw, flags, crc, size, begins), name, data

    def _entry(self, member: _Member) -> None:
        """Nothing, when the next record of the directory, whose mark is read, says of `member` what its own does."""
        needed, flags, method, crc, held, size, length, more, comment, disk, begins = self._numbers("<2x3H4x3I4H6xI")
        raw = self._take(length)
        place = f"{self.where}: {self._name(member.name, member.flags)!r}"
        size, held, begins = self._wide(self._take(more), place, size, held, begins)
        said = _Member(raw, flags, crc, size, begins)
        if said != member or (method, held, comment, disk) != (0, size, 0, 0) or needed > NEEDED:
            raise FileError("FILE-1", place, "the directory says something else of this member than its own record")

    def _wide(self, extra: bytes, place: str, *numbers: int) -> list[int]:
        """The numbers of a record, those that are FULL taken from the ZIP64 field among its extra fields."""
        fields: dict[int, bytes] = {}
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<2H", extra, at)
            fields[kind] = extra[at + 4 : at + 4 + length]
            at += 4 + length
        wide = numbers.count(FULL)
        held = fields.get(ZIP64, b"") if wide else b""
        if at != len(extra) or len(held) != 8 * wide or OTHER_NAME in fields:
            raise FileError("FILE-1", place, "extra fields are broken, or give another size or name")
        words = iter(struct.unpack(f"<{wide}Q", held))
        return [next(words) if number == FULL else number for number in numbers]

    def _name(self, raw: bytes, flags: int) -> str:
        """The name of a member."""
        try:
            name = raw.decode("utf-8" if flags & UTF8 else "ascii")
        except UnicodeDecodeError:
            name = "\0"
        if "\0" in name:
            limit = "ASCII, or UTF-8 where its flag says so"
            raise FileError("FILE-1", self.where, "the name of a member is no text", raw, limit)
        return name

    def _mark(self) -> bytes:
        """The mark of the next record; at the beginning one that begins an archive. Errors: FileError."""
        if self.at == 0:
            first = self.file.read(len(OLD_PYTORCH))
            self.file.seek(0)
            if first[:4] not in (LOCAL, END):
                self._strange(first)
        return self._take(4)

    def _numbers(self, form: str) -> tuple[Any, ...]:
        """The numbers that stand next, packed as `form`."""
        return struct.unpack(form, self._take(struct.calcsize(form)))

    def _take(self, count: int) -> bytes:
        """The next `count` bytes; nothing is allocated for bytes that the file has not. Errors: FileError."""
        if count > (left := self.size - self.at):
            problem = "file is cut off: a member or record claims more bytes than are left"
            raise FileError("FILE-1", self.where, problem, count, f"{left}")
        self.at += count
        data = self.file.read(count)
        if len(data) < count:
            raise FileError("FILE-1", self.where, "file became shorter while it was read")
        return data

    def _strange(self, first: bytes) -> NoReturn:
        """The refusal of a file that begins as no archive does."""
        if first == OLD_PYTORCH:
            raise FileError("FILE-1", self.where, *PYTORCH)
        if not self.size:
            raise FileError("FILE-1", self.where, "the file is empty")
        if self.where.endswith(".onnx"):
            raise FileError("FILE-1", self.where, "is an ONNX file", None, "fsref convert makes a network of it")
        raise FileError(
            "FILE-1",
            self.where,
            "not an .npz file",
            None,
            "a zip archive from its first byte on, as numpy.savez writes",
        )


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError when it has a key twice, which two readers may read as two things."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"Object has the key `{max(keys, key=keys.count)}` twice")
    return dict(pairs)


def canonical(values: dict[str, Any]) -> bytes:
    """JSON values as UTF-8, with sorted keys and no spaces (FILE-4)."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def pack(members: dict[str, bytes], where: str) -> bytes:
    """A stored zip of these members, the same bytes for the same members (FILE-4). Errors: FileError for more members
    or bytes than a file may have (FILE-1).
    """
    if len(members) > MAX_MEMBERS:
        raise FileError("FILE-1", where, "too many members", len(members), f"at most {MAX_MEMBERS}")
    # A local record, the name, the data, an entry, the name again, each with all the extra fields there can be.
    if (size := sum(len(data) + 2 * len(name) + 128 for name, data in members.items()) + 98) > MAX_FILE:
        raise FileError("FILE-1", where, "would be too large a file", size, f"at most {MAX_FILE} bytes")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, members[name])
    return packed.getvalue()
