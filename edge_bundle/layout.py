"""OCI image layouts on disk: a directory, or the same files in one ``.tar`` (read only)."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from edge_bundle.archive import Member, scan, write_tar
from edge_bundle.canonical import dumps
from edge_bundle.digest import Digest, check_digest, hex_of, sha256_digest
from edge_bundle.errors import AlreadyClosedError, ConflictError, FormatError, LimitExceededError, NotFoundError
from edge_bundle.limits import MAX_INDEX_BYTES, MAX_LAYOUT_BYTES, MAX_LAYOUT_FILES
from edge_bundle.oci import OCI_LAYOUT, Descriptor, image_index

_A_BUNDLE = "a bundle is a folder or .tar that skerry compile made"
_BLOBS = "blobs/sha256"
_INDEX = "index.json"
_MARKER = "oci-layout"


class BlobSource(Protocol):
    """Anything that can give a blob by digest: a layout, a hub, a node's store."""

    def read(self, digest: Digest, *, max_bytes: int) -> bytes:
        """The blob; raises ``NotFoundError``, ``DigestMismatchError`` or ``LimitExceededError``."""


class _Files(Protocol):
    """The files of a layout by relative name."""

    def has(self, name: str) -> bool: ...
    def names(self) -> list[str]: ...
    def read(self, name: str, *, max_bytes: int) -> bytes: ...
    def write(self, name: str, data: bytes) -> None: ...
    def remove(self, name: str) -> None: ...
    def close(self) -> None: ...


class Layout:
    """An OCI image layout. Blobs are checked against their digest at every read."""

    def __init__(self, files: _Files) -> None:
        self._files: _Files | None = files

    @classmethod
    def create(cls, directory: str | Path) -> Layout:
        """A new, empty layout. ``ConflictError`` when the directory exists and holds anything."""
        directory = Path(directory)
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise ConflictError(
                what=str(directory), expected="a new or empty directory", got="something in its place",
                advice="choose another directory or remove this one",
            )  # fmt: skip
        (directory / _BLOBS).mkdir(parents=True, exist_ok=True)
        layout = cls(_Directory(directory))
        layout._open_files.write(_MARKER, OCI_LAYOUT)
        layout.write_index(dumps(image_index(())))
        return layout

    @classmethod
    def open(cls, path: str | Path) -> Layout:
        """An existing layout: a directory, or a ``.tar`` (read only). ``NotFoundError`` or ``FormatError``."""
        path = Path(path)
        if not path.exists():
            raise NotFoundError(what="bundle", name=str(path))
        try:
            files: _Files = _Directory(path) if path.is_dir() else _Tar(path)
        except FormatError as error:
            what = f"{path}: {error.what}"
            raise FormatError(what=what, expected=error.expected, got=error.got, advice=_A_BUNDLE) from error
        if not (files.has(_MARKER) and files.has(_INDEX)):
            files.close()
            raise FormatError(
                what=str(path),
                expected=f"an OCI image layout ({_MARKER} and {_INDEX})",
                got="other files",
                advice=_A_BUNDLE,
            )
        return cls(files)

    @property
    def index(self) -> bytes:
        """The bytes of ``index.json``: the release index."""
        return self._open_files.read(_INDEX, max_bytes=MAX_INDEX_BYTES)

    def write_index(self, data: bytes) -> None:
        """Replace ``index.json``."""
        self._open_files.write(_INDEX, data)

    def has(self, digest: Digest) -> bool:
        """Whether the blob is there (its content is checked when it is read)."""
        return self._open_files.has(_blob_name(digest))

    def read(self, digest: Digest, *, max_bytes: int) -> bytes:
        """The blob. Raises ``NotFoundError``, ``LimitExceededError`` or ``DigestMismatchError``."""
        data = self._open_files.read(_blob_name(digest), max_bytes=max_bytes)
        check_digest(data, digest, subject=f"blob {digest}")
        return data

    def write(self, data: bytes, media_type: str, annotations: Mapping[str, str] | None = None) -> Descriptor:
        """Store a blob (again, if it was there) and describe it."""
        digest = sha256_digest(data)
        self._open_files.write(_blob_name(digest), data)
        return Descriptor(media_type=media_type, digest=digest, size=len(data), annotations=dict(annotations or {}))

    def discard(self, digest: Digest) -> None:
        """Remove a blob that the index no longer names; nothing happens when it is not there."""
        self._open_files.remove(_blob_name(digest))

    def export_tar(self, path: str | Path) -> None:
        """Write the whole layout to one deterministic ``.tar`` (replaces an existing file atomically)."""
        files = self._open_files
        names = files.names()
        with _atomic(Path(path)) as target:
            write_tar(target, ((name, files.read(name, max_bytes=MAX_LAYOUT_BYTES)) for name in names))

    def close(self) -> None:
        """Release the tar file; a closed layout raises ``AlreadyClosedError``."""
        if self._files is not None:
            self._files.close()
            self._files = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _open_files(self) -> _Files:
        if self._files is None:
            raise AlreadyClosedError(what="the bundle layout")
        return self._files


class _Directory:
    def __init__(self, root: Path) -> None:
        self._root = root

    def has(self, name: str) -> bool:
        return (self._root / name).is_file()

    def names(self) -> list[str]:
        blobs = sorted(f"{_BLOBS}/{entry.name}" for entry in (self._root / _BLOBS).iterdir() if entry.is_file())
        return [_MARKER, _INDEX, *blobs]

    def read(self, name: str, *, max_bytes: int) -> bytes:
        try:
            # No symbolic links (they may lead out of the layout), and no waiting for a fifo's writer.
            fd = os.open(self._root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise NotFoundError(what="blob in this bundle", name=name) from None
        except OSError as error:
            raise FormatError(what=name, expected="a plain file", got=str(error.strerror)) from None
        with os.fdopen(fd, "rb") as file:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                raise FormatError(what=name, expected="a plain file", got="something else")
            return _read_bounded(file, name, info.st_size, max_bytes)

    def write(self, name: str, data: bytes) -> None:
        with _atomic(self._root / name) as file:
            file.write(data)

    def remove(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is held open."""


class _Tar:
    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._path = path
        try:
            members = scan(self._file, max_bytes=MAX_LAYOUT_BYTES, max_files=MAX_LAYOUT_FILES, skip_directories=True)
            self._members: dict[str, Member] = {member.name: member for member in members}
        except BaseException:
            self._file.close()
            raise

    def has(self, name: str) -> bool:
        return name in self._members

    def names(self) -> list[str]:
        blobs = sorted(name for name in self._members if name.startswith(f"{_BLOBS}/"))
        return [_MARKER, _INDEX, *blobs]

    def read(self, name: str, *, max_bytes: int) -> bytes:
        member = self._members.get(name)
        if member is None:
            raise NotFoundError(what="blob in this bundle", name=name)
        self._file.seek(member.offset)
        return _read_bounded(self._file, name, member.size, max_bytes)

    def write(self, name: str, data: bytes) -> None:
        raise self._read_only(f"{name} ({len(data)} bytes) to write")

    def remove(self, name: str) -> None:
        raise self._read_only(f"{name} to remove")

    def _read_only(self, got: str) -> ConflictError:
        return ConflictError(
            what=str(self._path), expected="only reading, as it is a tar file", got=got, advice="unpack it first"
        )

    def close(self) -> None:
        self._file.close()


def _read_bounded(file: BinaryIO, name: str, size: int, max_bytes: int) -> bytes:
    if size > max_bytes:
        raise LimitExceededError(what=name, limit=max_bytes, got=size, unit="bytes")
    return file.read(size)


def _blob_name(digest: Digest) -> str:
    return f"{_BLOBS}/{hex_of(digest)}"


@contextlib.contextmanager
def _atomic(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name only when it is complete and on disk."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".writing-", delete=False) as file:
        try:
            yield file  # type: ignore[misc]
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
