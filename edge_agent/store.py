"""The agent's state directory: which file is where, and the slots that survive a restart.

    identity/node.seed, node.json             who this node is
    tuf/                                      verified TUF metadata; tuf/scratch while it is refreshed
    blobs/sha256/<hex>                        verified blobs
    partial/<hex>                             downloads under way, not yet verified
    slots.json                                current, previous, staged and floor of each model
    compiled/                                 code that runtimes compiled here; made again when it is missing
    run/agent.json                            the running process: pid, address
    telemetry.sqlite3                         spooled telemetry

``slots.json`` is the single point of commitment: it is replaced atomically, and what it does not name does not count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from edge_agent.ports import Disk
from edge_agent.slots import ModelSlots
from edge_bundle import canonical
from edge_bundle.contract import ModelName
from edge_bundle.digest import check_digest
from edge_bundle.errors import DigestMismatchError, LimitExceededError, NotFoundError
from edge_bundle.limits import MAX_MODELS

SLOTS_SCHEMA = 1
MAX_SLOTS_BYTES = 4 << 20


class SlotsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of ``slots.json``."""

    schema: Annotated[int, msgspec.Meta(ge=SLOTS_SCHEMA, le=SLOTS_SCHEMA)] = SLOTS_SCHEMA
    models: Annotated[dict[ModelName, ModelSlots], msgspec.Meta(max_length=MAX_MODELS)] = {}


class Store:
    """Slots and blobs of one agent. All writes go through the ``Disk`` port."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self.root = root
        self._disk = disk
        self._slots = self._load()

    @property
    def models(self) -> dict[str, ModelSlots]:
        """A copy of the slots of every model."""
        return dict(self._slots.models)

    def slots(self, model: str) -> ModelSlots:
        """The slots of one model; empty ones if it was never here."""
        return self._slots.models.get(model, ModelSlots())

    def commit(self, model: str, slots: ModelSlots) -> None:
        """Make the slots of one model durable before this returns.

        Raises ``UnavailableError`` on a full disk, ``LimitExceededError`` for one model more than could be read back.
        """
        changed = SlotsFile(models={**self._slots.models, model: slots})
        if len(changed.models) > MAX_MODELS:
            raise LimitExceededError(what="slots.json", limit=MAX_MODELS, got=len(changed.models), unit="models")
        self._disk.write(self.root / "slots.json", canonical.dumps(changed))
        self._slots = changed

    def blob_path(self, digest: str) -> Path:
        """Where a verified blob lies."""
        return self.root / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def partial_path(self, digest: str) -> Path:
        """Where a download under way lies."""
        return self.root / "partial" / digest.removeprefix("sha256:")

    def read(self, digest: str, *, max_bytes: int) -> bytes:
        """A blob, checked against its digest again; a damaged one is removed (``DigestMismatchError``)."""
        path = self.blob_path(digest)
        data = self._disk.read(path, max_bytes=max_bytes)
        if data is None:
            raise NotFoundError(what="blob", name=digest)
        try:
            check_digest(data, digest, subject=f"blob {digest} on disk")
        except DigestMismatchError:
            self._disk.remove(path)
            raise
        return data

    def sweep(self) -> int:
        """Remove blobs and partial downloads that no slot needs; returns how many files went."""
        held = {digest.removeprefix("sha256:") for slots in self._slots.models.values() for digest in slots.blobs}
        removed = 0
        for folder in (self.root / "blobs" / "sha256", self.root / "partial"):
            for path in _files(folder):
                if path.name not in held:
                    self._disk.remove(path)
                    removed += 1
        return removed

    def _load(self) -> SlotsFile:
        raw = self._disk.read(self.root / "slots.json", max_bytes=MAX_SLOTS_BYTES)
        if raw is None:
            return SlotsFile()
        return canonical.decode(raw, SlotsFile, what="slots.json", max_bytes=MAX_SLOTS_BYTES)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
