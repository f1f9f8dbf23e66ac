"""Hostile tar archives, named for their attack. Each is what a real attacker's ``tar`` could produce."""

from __future__ import annotations

import io
import tarfile

from edge_bundle.archive import BLOCK_BYTES, pack

GOOD = pack({"model.onnx": b"weights"})


def one(
    name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", link: str = "", form: int = tarfile.USTAR_FORMAT
) -> bytes:
    return several([(name, kind, data, link)], form)


def several(members: list[tuple[str, bytes, bytes, str]], form: int = tarfile.USTAR_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as tar:
        for name, kind, data, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), link
            tar.addfile(info, io.BytesIO(data))
    return target.getvalue()


def pax(headers: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("model.onnx")
        info.pax_headers = headers
        tar.addfile(info)
    return target.getvalue()


def patched(field: slice, value: bytes) -> bytes:
    """The good archive with a header field overwritten and the checksum made right again."""
    header = bytearray(GOOD[:BLOCK_BYTES])
    header[field] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + GOOD[BLOCK_BYTES:]


HOSTILE_ARCHIVES: dict[str, tuple[bytes, str]] = {
    "dotdot_path": (one("../evil"), "unsafe name"),
    "dotdot_inside_path": (one("a/../../evil"), "unsafe name"),
    "absolute_path": (one("/etc/passwd"), "unsafe name"),
    "dot_path": (one("./model.onnx"), "unsafe name"),
    "empty_segment": (one("a//b"), "unsafe name"),
    "backslash_path": (one("..\\evil"), "unsafe name"),
    "drive_letter": (one("C:evil"), "unsafe name"),
    "control_character": (one("evil\x1b[2J"), "unsafe name"),
    "unicode_lookalike": (one("m\u043edel.onnx"), "unsafe name"),
    "empty_name": (patched(slice(0, 100), bytes(100)), "unsafe name"),
    "symlink": (one("evil", tarfile.SYMTYPE, link="/etc/passwd"), "a symbolic link"),
    "hardlink": (one("evil", tarfile.LNKTYPE, link="model.onnx"), "a hard link"),
    "character_device": (one("evil", tarfile.CHRTYPE), "a character device"),
    "block_device": (one("evil", tarfile.BLKTYPE), "a block device"),
    "fifo": (one("evil", tarfile.FIFOTYPE), "a fifo"),
    "directory": (one("evil", tarfile.DIRTYPE), "a directory"),
    "sparse_file": (patched(slice(156, 157), b"S"), "a sparse file"),
    "unknown_type": (patched(slice(156, 157), b"Z"), "an entry of type"),
    "pax_renames_the_file": (pax({"path": "../evil"}), "a pax header"),
    "pax_bomb": (pax({"comment": "x" * 100_000}), "a pax header"),
    "gnu_long_name": (one("a" * 300, form=tarfile.GNU_FORMAT), "a GNU long name"),
    "duplicate_member": (several([("a", b"0", b"1", ""), ("a", b"0", b"2", "")]), "the same name twice"),
    "truncated_in_content": (GOOD[: BLOCK_BYTES + 3], "7 bytes of content"),
    "truncated_in_header": (GOOD[:100], "end-of-archive mark"),
    "no_end_mark": (GOOD[: 2 * BLOCK_BYTES], "end-of-archive mark"),
    "half_an_end_mark": (GOOD[: 3 * BLOCK_BYTES], "two zero blocks"),
    "hidden_tail": (GOOD + b"hidden" + bytes(506), "nothing after"),
    "empty_file": (b"", "end-of-archive mark"),
    "wrong_checksum": (b"n" + GOOD[1:], "correct checksum"),
    "not_a_tar": (b"x" * 2048, "a ustar header"),
    "negative_size": (patched(slice(124, 136), b"-0000000001\0"), "an octal size"),
    "huge_length_in_base_256": (patched(slice(124, 136), b"\x80" + b"\xff" * 11), "an octal size"),
    "huge_length_in_octal": (patched(slice(124, 136), b"77777777777\0"), "at most"),
}
"""Name of the attack: the archive, and a part of the sentence that refuses it."""
