"""Reading a file that somebody named on a command line: a regular one, and no more of it than is allowed.

A pipe would be waited for without a word, and a device such as ``/dev/zero`` has no end.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edge_bundle.errors import InvalidInputError, LimitExceededError

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def read_regular(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of a file; links are followed.

    Raises:
        OSError: it cannot be read.
        InvalidInputError: it is no regular file.
        LimitExceededError: it has more than ``max_bytes``.

    """
    with open(path, "rb", opener=_at_once) as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            got = _KINDS.get(stat.S_IFMT(info.st_mode), "something else")
            advice = "write it to a file first"
            raise InvalidInputError(file=str(path), expected="a regular file", got=got, advice=advice)
        if info.st_size > max_bytes:
            raise LimitExceededError(what=str(path), limit=max_bytes, got=info.st_size, unit="bytes")
        data = file.read(info.st_size + 1)
    if len(data) > info.st_size:
        raise InvalidInputError(
            file=str(path),
            expected=f"a file of {info.st_size} bytes",
            got="one that grows",
            advice="wait until it is whole",
        )
    return data


def _at_once(path: str, flags: int) -> int:
    """Opening a pipe waits for whoever writes to it, else."""
    return os.open(path, flags | os.O_NONBLOCK)
