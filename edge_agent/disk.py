"""The real disk: files replaced in the one order that survives power loss.

Write a temporary file, fsync it, rename it over the target, fsync the directory (see fsync(2): "Calling fsync() does
not necessarily ensure that the entry in the directory containing the file has also reached disk").
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_bundle.errors import LimitExceededError, UnavailableError

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
TEMPORARY_SUFFIX = ".tmp"
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
"""A link in the place of one of our files is never written through."""


def _no_observer(_operation: str) -> None:
    """Nobody watches."""


class RealDisk:
    """``Disk`` on the local file system. ``before`` is told the name of every mutating system call ahead of it."""

    def __init__(self, before: Callable[[str], None] = _no_observer) -> None:
        self._before = before

    def read(self, path: Path, *, max_bytes: int) -> bytes | None:
        """The whole file, or None if there is none; ``LimitExceededError`` if it is longer than ``max_bytes``."""
        try:
            with path.open("rb") as file:
                data = file.read(max_bytes + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnavailableError(what=f"file {path}", detail=error.strerror or str(error)) from error
        if len(data) > max_bytes:
            raise LimitExceededError(what=f"file {path}", limit=max_bytes, got=path.stat().st_size, unit="bytes")
        return data

    def write(self, path: Path, data: bytes) -> None:
        """Replace a file atomically and durably."""
        temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
        with _writing(path):
            self._make_parent(path)
            self._before(f"create {temporary.name}")
            descriptor = os.open(temporary, _WRITE | os.O_TRUNC, FILE_MODE)
            try:
                self._before(f"write {temporary.name}")
                _write_all(descriptor, data)
                self._before(f"fsync {temporary.name}")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._move(temporary, path)

    def append(self, path: Path, data: bytes) -> None:
        """Extend a file (created if missing); not durable."""
        with _writing(path):
            self._make_parent(path)
            self._before(f"append {path.name}")
            descriptor = os.open(path, _WRITE | os.O_APPEND, FILE_MODE)
            try:
                _write_all(descriptor, data)
            finally:
                os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Make ``source`` durable, then move it to ``target`` durably."""
        with _writing(target):
            self._make_parent(target)
            self._before(f"fsync {source.name}")
            _fsync(source)
            self._move(source, target)
            _fsync(source.parent)

    def remove(self, path: Path) -> None:
        """Remove a file if it exists."""
        with _writing(path):
            self._before(f"remove {path.name}")
            path.unlink(missing_ok=True)

    def fresh_folder(self, path: Path) -> None:
        """Make a folder, empty and private, in place of one that is there; not durable."""
        self.remove_folder(path)
        with _writing(path):
            self._make_parent(path)
            self._before(f"create directory {path.name}")
            path.mkdir(mode=DIRECTORY_MODE)

    def remove_folder(self, path: Path) -> None:
        """Remove a folder with all that is in it, if it exists."""
        with _writing(path):
            if path.exists():
                self._before(f"remove directory {path.name}")
                shutil.rmtree(path)

    def _move(self, source: Path, target: Path) -> None:
        self._before(f"rename {source.name} to {target.name}")
        source.replace(target)
        self._before(f"fsync directory {target.parent.name}")
        _fsync(target.parent)

    def _make_parent(self, path: Path) -> None:
        missing = [parent for parent in path.parents if not parent.exists()]
        for parent in reversed(missing):
            self._before(f"create directory {parent.name}")
            parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            _fsync(parent.parent)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        detail = error.strerror or str(error)
        advice = "free space or mend the permissions; the agent keeps serving and tries again"
        raise UnavailableError(what=f"disk under {path.parent}", detail=detail, advice=advice) from error


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
