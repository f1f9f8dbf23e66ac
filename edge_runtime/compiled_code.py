"""Compiled code kept on the node: native code that this node made itself, from bytes that it had verified.

Loading such a file means running what is in it, so nothing from outside ever gets here:

1. The folder belongs to this user and nobody else may write to it; likewise each file.
2. A file's name holds a MAC over its name and content, under a random key that never leaves the folder. A file that
   another node, another user or an accident wrote fails it, is removed, and the code is compiled again.
3. The key of an entry covers everything that the code depends on; the runtime that compiled it says what that is.

A file appears by one rename of a synced temporary, so that it is whole or not there. What is used least recently goes
when the folder grows beyond its bound. All runtimes share the folder, each with a suffix of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import mmap
import os
import platform
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

from edge_bundle.errors import EngineError
from hardware_profiles.detect import detect_cpu

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_CACHE_BYTES = 1 << 30
"""All files of a folder, in bytes: some 60 models of the size of MobileNetV2 with their weights."""

KEY_BYTES = 32
"""A key as long as the digest it is used with (RFC 2104, section 3)."""

KEY_FILE = "node.key"
SUFFIXES = {"openvino": ".ovblob", "wasm": ".cwasm"}
"""Runtime -> the suffix of its entries."""

TEMPORARY_SUFFIX = ".tmp"

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_code(folder: Path | None, runtime: str) -> CompiledCode | None:
    """A runtime's compiled code in a folder; ``None`` without one, or where a full disk leaves no place for it.

    Raises ``EngineError`` for a folder that others own or may write to.
    """
    if folder is None:
        return None
    try:
        return CompiledCode(folder, runtime)
    except OSError as error:
        logger.warning("compiled code is not kept: %s: %s", folder, error.strerror or error)
        return None


class CompiledCode:
    """What one runtime of ``SUFFIXES`` compiled, in one folder. Several processes of one user may share it."""

    def __init__(self, folder: Path, runtime: str, *, max_bytes: int = MAX_CACHE_BYTES) -> None:
        """Make the folder if need be.

        Raises ``EngineError`` for one that others own or may write to, ``OSError`` where it cannot be made or read.
        """
        self._folder, self._runtime, self._max_bytes = folder, runtime, max_bytes
        self._suffix = SUFFIXES[runtime]
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        self._check_folder()
        self._key = self._node_key()

    def load(self, key: str, read: Callable[[Path, mmap.mmap], T | None]) -> T | None:
        """What ``read`` makes of the code kept under a key; ``None`` if there is none that this node made.

        ``read`` gets the file and its content after the MAC held; where it gives ``None`` the file is removed.
        """
        with contextlib.suppress(OSError):
            for path in self._files():
                if path.name.startswith(f"{key}."):
                    found = self._load(key, path, read)
                    if found is not None:
                        return found
                    path.unlink(missing_ok=True)
        return None

    def store(self, key: str, code: bytes | bytearray) -> None:
        """Keep some code. What cannot be kept (disk full, too large) is compiled again next time."""
        if len(code) > self._max_bytes:
            return
        name = f"{key}.{self._mac(key, code)}{self._suffix}"
        try:
            self._write(name, code)
            self._evict()
        except OSError as error:
            logger.warning("compiled code not kept: %s: %s", self._folder, error.strerror or error)

    def _load(self, key: str, path: Path, read: Callable[[Path, mmap.mmap], T | None]) -> T | None:
        """What one file holds if the MAC in its name holds. An empty file, which cannot be mapped, has none."""
        with (
            contextlib.suppress(OSError, ValueError),
            _own_file(path, _WRITABLE_BY_OTHERS) as descriptor,
            mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content,
        ):
            if hmac.compare_digest(path.name, f"{key}.{self._mac(key, content)}{self._suffix}"):
                os.utime(descriptor)  # for eviction: used now
                return read(path, content)
        return None

    def _mac(self, key: str, content: bytes | bytearray | mmap.mmap) -> str:
        """HMAC-SHA256 (RFC 2104) of the content under a key derived for this entry."""
        return hmac.digest(hmac.digest(self._key, key.encode(), "sha256"), content, "sha256").hex()

    def _node_key(self) -> bytes:
        """The node's key; a new one where there is none, or one that others can read."""
        path = self._folder / KEY_FILE
        for _ in range(2):
            key = _read_key(path)
            if key is not None:
                return key
            with self._temporary(os.urandom(KEY_BYTES)) as made, contextlib.suppress(FileExistsError):
                os.link(made, path)  # unlike a rename it fails if another process was first
        raise EngineError(
            runtime=self._runtime, detail=f"{path}: expected a private key of {KEY_BYTES} bytes, got another"
        )

    def _check_folder(self) -> None:
        status = self._folder.lstat()
        private = stat.S_ISDIR(status.st_mode) and not status.st_mode & _WRITABLE_BY_OTHERS
        if not private or status.st_uid != os.geteuid():
            got = f"{stat.filemode(status.st_mode)} of user {status.st_uid}"
            expected = f"expected a folder of user {os.geteuid()} that nobody else can write to"
            raise EngineError(
                runtime=self._runtime,
                detail=f"{self._folder}: {expected}, got {got}",
                advice=f"chown and chmod go-w {self._folder}, or name another folder",
            )

    def _write(self, name: str, content: bytes | bytearray) -> None:
        with self._temporary(content) as made:
            made.replace(self._folder / name)
            _fsync(self._folder)

    @contextlib.contextmanager
    def _temporary(self, content: bytes | bytearray) -> Iterator[Path]:
        """A synced file of mode 0600 in the folder, gone afterwards unless it was renamed."""
        descriptor, name = tempfile.mkstemp(TEMPORARY_SUFFIX, dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _evict(self) -> None:
        """Remove what was used least recently, by whichever runtime, until the rest fits."""
        files = sorted(((path.stat(), path) for path in self._files()), key=lambda file: file[0].st_mtime_ns)
        total = sum(status.st_size for status, _ in files)
        for status, path in files:
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= status.st_size

    def _files(self) -> list[Path]:
        """Every entry, and what a process that died while writing left."""
        known = {*SUFFIXES.values(), TEMPORARY_SUFFIX}
        return [path for path in self._folder.iterdir() if path.suffix in known]


@cache
def host_facts() -> str:
    """The CPU that code is compiled for, as one digest; it does not change while a process runs."""
    cpu = detect_cpu()
    facts = (platform.system(), platform.machine(), cpu.model, *cpu.flags)
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _read_key(path: Path) -> bytes | None:
    """The key in a file; a file that is not ours alone, or is no key, is removed."""
    try:
        with _own_file(path, _OPEN_TO_OTHERS) as descriptor:
            key = os.read(descriptor, KEY_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError:
        key = b""
    if len(key) == KEY_BYTES:
        return key
    path.unlink(missing_ok=True)
    return None


@contextlib.contextmanager
def _own_file(path: Path, forbidden: int) -> Iterator[int]:
    """A descriptor of a regular file of this user. Raises ``PermissionError`` for any other, links included."""
    descriptor = os.open(path, _READ)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & forbidden:
            raise PermissionError(f"{path}: {stat.filemode(status.st_mode)} of user {status.st_uid}")
        yield descriptor
    finally:
        os.close(descriptor)


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
