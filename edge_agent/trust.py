"""The second lock: TUF says what is current (TUF specification 1.0.34, section 5, by ``tuf.ngclient.Updater``).

ngclient is run in a scratch folder seeded from our state, because it writes without fsync; every file that it then
holds has been verified by it and is made durable through the ``Disk`` port, also when a later file is refused.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, TargetFile
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from edge_agent.ports import Clock, Disk, HubPort
from edge_bundle.digest import Digest, parse_digest
from edge_bundle.errors import (
    ClockError,
    DigestMismatchError,
    ExpiredMetadataError,
    FormatError,
    InvalidInputError,
    LimitExceededError,
    RefusedError,
    RollbackError,
    SkerryError,
    UnavailableError,
    UntrustedMetadataError,
)
from edge_bundle.limits import MAX_INDEX_BYTES
from edge_bundle.messages import ReleaseCustom
from update_trust import nacl_key

EARLIEST_SANE_S = 1_767_225_600.0
"""2026-01-01T00:00:00Z, before this code was written: a clock that shows less was never set."""

MAX_METADATA_BYTES = 5_000_000
"""The largest metadata file; ngclient's own ``targets_max_length``."""

ROOT_ADVICE = "copy root.json from the offline key ceremony and name it in trust.root"

_BASE_URL = "skerry-hub:/"
_CONFIG = UpdaterConfig(
    max_root_rotations=64, max_delegations=64, targets_max_length=MAX_METADATA_BYTES, prefix_targets_with_hash=False
)


def check_root(data: bytes, *, file: str) -> None:
    """``InvalidInputError`` unless ``data`` is root metadata signed by the keys that it names (TUF, section 5.3.3).

    Its expiry is left to each refresh: an old root may lead to a newer one.
    """
    nacl_key.register()
    fault = _root_fault(data)
    if fault:
        raise InvalidInputError(
            file=file, key="trust.root", expected="TUF root metadata", got=fault, advice=ROOT_ADVICE
        )


def _root_fault(data: bytes) -> str:
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(data)
        root = metadata.signed
        if not isinstance(root, Root):
            return f"metadata of type {root.type}"
        root.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except exceptions.RepositoryError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class TrustedTarget:
    """A release index that the metadata vouches for: its digest, its length and what the team signed beside it."""

    path: str
    digest: Digest
    length: int
    custom: ReleaseCustom
    info: TargetFile

    def check(self, data: bytes) -> None:
        """``DigestMismatchError`` unless the bytes have the length and every hash that the metadata names."""
        try:
            self.info.verify_length_and_hashes(BytesIO(data))
        except exceptions.LengthOrHashMismatchError as error:
            raise DigestMismatchError(
                subject=f"release index {self.path}", expected=self.digest, got=str(error)
            ) from error


class ReleaseTrust:
    """Finds what the pinned root currently vouches for. ``timeout_s`` bounds each metadata file."""

    def __init__(
        self, *, root: bytes, directory: Path, disk: Disk, hub: HubPort, clock: Clock, timeout_s: float
    ) -> None:
        nacl_key.register()
        self._root, self._directory, self._disk = root, directory, disk
        self._scratch = directory / "scratch"
        self._hub, self._clock, self._timeout_s = hub, clock, timeout_s

    async def locate(self, path: str) -> TrustedTarget:
        """Refresh the metadata and look a target up.

        Raises ``ClockError``, ``RollbackError``, ``ExpiredMetadataError``, ``UntrustedMetadataError`` or
        ``UnavailableError``.
        """
        self._check_clock()
        loop = asyncio.get_running_loop()
        fetcher = _HubFetcher(self._hub, loop, self._timeout_s)
        info = await asyncio.to_thread(self._find, path, fetcher)
        return _trusted(path, info)

    def clear(self) -> None:
        """Remove what a process that died during ``locate`` left behind. Raises ``UnavailableError``."""
        self._disk.remove_folder(self._scratch)

    def _check_clock(self) -> None:
        now = self._clock()
        if now < EARLIEST_SANE_S:
            shown = dt.datetime.fromtimestamp(now, dt.UTC).isoformat(timespec="seconds")
            raise ClockError(expected="2026-01-01 or later", got=shown)

    def _find(self, path: str, fetcher: FetcherInterface) -> TargetFile | None:
        with self._seeded_scratch() as scratch:
            try:
                updater = Updater(str(scratch), _BASE_URL, fetcher=fetcher, config=_CONFIG, bootstrap=self._root)
                # ngclient offers no clock; this attribute is what its expiry checks compare with.
                now = dt.datetime.fromtimestamp(self._clock(), dt.UTC)
                updater._trusted_set.reference_time = now  # noqa: SLF001
                updater.refresh()
                return updater.get_targetinfo(path)
            except (exceptions.RepositoryError, exceptions.DownloadError) as error:
                raise _translate(error) from error
            except OSError as error:
                detail = error.strerror or str(error)
                raise UnavailableError(what=f"disk under {scratch}", detail=detail, advice="free space") from error
            finally:
                self._keep(scratch)

    @contextmanager
    def _seeded_scratch(self) -> Iterator[Path]:
        self._disk.fresh_folder(self._scratch)
        try:
            self._seed(self._scratch)
            yield self._scratch
        finally:
            self.clear()

    def _seed(self, scratch: Path) -> None:
        for source in _metadata_files(self._directory):
            data = self._disk.read(source, max_bytes=MAX_METADATA_BYTES)
            if data is not None:
                self._disk.append(scratch / source.relative_to(self._directory), data)

    def _keep(self, scratch: Path) -> None:
        for source in _metadata_files(scratch):
            target = self._directory / source.relative_to(scratch)
            data = source.read_bytes()
            if self._disk.read(target, max_bytes=MAX_METADATA_BYTES) != data:
                self._disk.write(target, data)


class _HubFetcher(FetcherInterface):
    """Lets ngclient, which runs in a thread, fetch through the hub port on the event loop."""

    def __init__(self, hub: HubPort, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        self._hub, self._loop, self._timeout_s = hub, loop, timeout_s

    def _fetch(self, url: str) -> Iterator[bytes]:
        file = url.removeprefix(_BASE_URL)
        future: Future[bytes | None] = asyncio.run_coroutine_threadsafe(self._get(file), self._loop)
        data = future.result()
        if data is None:
            raise exceptions.DownloadHTTPError(f"no metadata file {file}", 404)
        return iter((data,))

    async def _get(self, file: str) -> bytes | None:
        # The total deadline: the port's own minimum rate and timeouts come on top of it.
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._hub.metadata(file, max_bytes=MAX_METADATA_BYTES)
        except TimeoutError as error:
            raise exceptions.SlowRetrievalError(f"{file} took longer than {self._timeout_s:g} s") from error


def _metadata_files(directory: Path) -> list[Path]:
    """Metadata proper: the ``root.json`` link is left out, it is made anew from the pinned root."""
    if not directory.is_dir():
        return []
    history = directory / "root_history"
    files = [path for path in directory.glob("*.json") if path.is_file() and not path.is_symlink()]
    return sorted(files) + (sorted(history.glob("*.root.json")) if history.is_dir() else [])


def _trusted(path: str, info: TargetFile | None) -> TrustedTarget:
    if info is None:
        raise UntrustedMetadataError(subject=path, detail="no such target in any trusted role")
    if info.length > MAX_INDEX_BYTES:
        raise LimitExceededError(what=f"release index {path}", limit=MAX_INDEX_BYTES, got=info.length, unit="bytes")
    try:
        custom = msgspec.convert(info.custom or {}, ReleaseCustom)
        digest = parse_digest("sha256:" + info.hashes.get("sha256", ""), what=f"hash of target {path}")
    except (msgspec.ValidationError, FormatError) as error:
        raise UntrustedMetadataError(subject=path, detail=f"a malformed target: {error}") from error
    return TrustedTarget(path=path, digest=digest, length=info.length, custom=custom, info=info)


_VERSIONS = (
    re.compile(r"New (?P<what>\S+) version (?P<got>\d+) must be >= (?P<wanted>\d+)"),
    re.compile(r"New (?P<what>\S+) version must be >= (?P<wanted>\d+), got version (?P<got>\d+)"),
    re.compile(r"Expected (?P<what>\S+)(?: version| v) ?(?P<wanted>\d+),? .*?got (?:version )?v?(?P<got>\d+)"),
)
"""How ngclient words a version that does not fit; anything else is ``UntrustedMetadataError`` with its full text."""


def _translate(error: exceptions.RepositoryError | exceptions.DownloadError) -> SkerryError:
    cause = error.__cause__
    if isinstance(error, exceptions.DownloadError):
        if isinstance(cause, UnavailableError | RefusedError):
            return cause
        if isinstance(cause, SkerryError) or isinstance(error, exceptions.DownloadLengthMismatchError):
            return UntrustedMetadataError(subject="TUF metadata", detail=str(cause or error))
        return UnavailableError(what="hub metadata", detail=str(error))
    if isinstance(error, exceptions.ExpiredMetadataError):
        return ExpiredMetadataError(subject="TUF metadata", detail=str(error))
    for pattern in _VERSIONS if isinstance(error, exceptions.BadVersionNumberError) else ():
        match = pattern.search(str(error))
        if match and int(match["got"]) < int(match["wanted"]):
            return RollbackError(subject=f"TUF {match['what']}", at_least=match["wanted"], got=match["got"])
    return UntrustedMetadataError(subject="TUF metadata", detail=str(error))
