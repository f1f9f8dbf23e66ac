"""Deterministic tar archives out; strict, path-safe reading in.

Only plain files in POSIX.1-1988 ustar headers exist here. The reader is our own because ``tarfile`` follows the
extensions that attacks use (pax and GNU headers that rename, resize or link what comes after them).
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from edge_bundle.errors import FormatError, LimitExceededError
from edge_bundle.limits import MAX_ARTIFACT_BYTES, MAX_ARTIFACT_FILES, MAX_NAME_BYTES

BLOCK_BYTES = 512
FILE_MODE = 0o644

_SEGMENT = re.compile(r"[A-Za-z0-9_+=@,-][A-Za-z0-9._+=@, -]*|\.[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_KINDS = {
    b"1": "a hard link", b"2": "a symbolic link", b"3": "a character device", b"4": "a block device",
    b"5": "a directory", b"6": "a fifo", b"x": "a pax header", b"g": "a global pax header",
    b"L": "a GNU long name", b"K": "a GNU long link", b"S": "a sparse file",
}  # fmt: skip
_ZERO_BLOCK = bytes(BLOCK_BYTES)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: where its ``size`` bytes start."""

    name: str
    offset: int
    size: int


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar of the files, sorted by name, with zero times and owners and mode 0644; equal input, equal bytes."""
    target = io.BytesIO()
    write_tar(target, ((name, files[name]) for name in sorted(files)))
    return target.getvalue()


def write_tar(target: BinaryIO, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files to a tar in the order given. ``FormatError`` for a name that ``unpack`` would refuse."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files:
            info = tarfile.TarInfo(check_name(name))
            info.size, info.mode = len(data), FILE_MODE
            try:
                tar.addfile(info, io.BytesIO(data))
            except ValueError as error:  # a name that ustar cannot split into prefix and name
                raise _unsafe(name, str(error)) from None


def unpack(
    data: bytes, *, max_bytes: int = MAX_ARTIFACT_BYTES, max_files: int = MAX_ARTIFACT_FILES
) -> dict[str, bytes]:
    """The files of a tar, by name.

    Refuses everything but plain files with safe relative names, each name once. Raises ``FormatError`` or
    ``LimitExceededError`` (sum of sizes, count of files) before copying anything.
    """
    members = list(scan(io.BytesIO(data), max_bytes=max_bytes, max_files=max_files))
    return {m.name: data[m.offset : m.offset + m.size] for m in members}


def scan(stream: BinaryIO, *, max_bytes: int, max_files: int, skip_directories: bool = False) -> Iterator[Member]:
    """Walk the headers of a seekable tar without reading contents; the same refusals as ``unpack``."""
    end = stream.seek(0, io.SEEK_END)
    offset = count = total = 0
    seen: set[str] = set()
    while header := _header_at(stream, offset, end):
        count += 1
        if count > max_files:
            raise LimitExceededError(what="archive", limit=max_files, got=count, unit="files")
        size = _number(header[124:136], "size")
        total += size
        if total > max_bytes:
            raise LimitExceededError(what="archive", limit=max_bytes, got=total, unit="bytes")
        start, offset = offset + BLOCK_BYTES, offset + BLOCK_BYTES + _padded(size)
        if offset > end:
            raise _bad(f"{size} bytes of content", f"{end - start}")
        if skip_directories and header[156:157] == b"5" and size == 0:
            continue
        name = _plain_name(header)
        if name in seen:
            raise _unsafe(name, "the same name twice")
        seen.add(name)
        yield Member(name, start, size)


def check_name(name: str) -> str:
    """The name itself when it is a safe relative path of plain ASCII segments, else ``FormatError``."""
    if len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        raise LimitExceededError(what="archive: file name", limit=MAX_NAME_BYTES, got=len(name), unit="bytes")
    if not all(_SEGMENT.fullmatch(segment) for segment in name.split("/")):
        raise _unsafe(name, "an unsafe name")
    return name


def _header_at(stream: BinaryIO, offset: int, end: int) -> bytes:
    """The header block at ``offset``; empty at the end-of-archive mark (two zero blocks, POSIX "ustar")."""
    stream.seek(offset)
    header = stream.read(BLOCK_BYTES)
    if len(header) != BLOCK_BYTES:
        raise _bad("an end-of-archive mark", f"the end of the file at {end} bytes")
    if header == _ZERO_BLOCK:
        _check_tail(stream)
        return b""
    if header[257:262] != b"ustar":
        raise _bad("a ustar header", "another block")
    # POSIX: the checksum is the sum of the header's bytes with the checksum field itself taken as blanks.
    if _number(header[148:156], "checksum") != sum(header[:148]) + 8 * 0x20 + sum(header[156:]):
        raise _bad("a header with a correct checksum", "a wrong one")
    return header


def _check_tail(stream: BinaryIO) -> None:
    # Anything after the mark would be carried along, covered by the digest but read by nobody.
    blocks = 1
    while block := stream.read(BLOCK_BYTES):
        if block.strip(b"\0"):
            raise _bad("nothing after the end-of-archive mark", "more data")
        blocks += 1
    if blocks == 1:
        raise _bad("two zero blocks at the end", "one")


def _plain_name(header: bytes) -> str:
    name = b"/".join(part for part in (_text(header[345:500]), _text(header[:100])) if part)
    shown = name.decode("ascii", errors="backslashreplace")
    kind = header[156:157]
    if kind not in (b"0", b"\0"):
        raise _unsafe(shown, _KINDS.get(kind, f"an entry of type {kind!r}"))
    return check_name(shown)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes, what: str) -> int:
    # GNU's base-256 numbers (first byte 0x80) are refused: with 11 octal digits a size reaches 8 GiB, above our limits.
    found = _OCTAL.fullmatch(field)
    if not found:
        raise _bad(f"an octal {what}", repr(field))
    return int(found[1], 8)


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _unsafe(name: str, got: str) -> FormatError:
    return FormatError(what="archive", expected="plain files with safe relative names", got=f"{got} ({name[:80]!r})")


def _bad(expected: str, got: str) -> FormatError:
    return FormatError(what="archive", expected=expected, got=got)
