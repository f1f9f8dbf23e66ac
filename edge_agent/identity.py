"""Who this node is: an Ed25519 key made on first start, and the name that the hub gave it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_agent.ports import Disk, RandomBytes
from edge_bundle import canonical
from edge_bundle.errors import InvalidInputError
from edge_bundle.keys import SigningKey
from edge_bundle.messages import Name

KEY_BYTES = 32
"""An Ed25519 seed (RFC 8032, section 5.1.5)."""

BOOT_ID_BYTES = 16
"""128 random bits name one process start, so that telemetry sequences of two starts never collide."""

MAX_IDENTITY_BYTES = 4096


class Enrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of ``identity/node.json``."""

    node_id: Name
    hub_url: str


@dataclass(frozen=True)
class Identity:
    """The node's key and the random name of this process start."""

    key: SigningKey
    boot_id: str


class IdentityStore:
    """Keeps the key (0600) and the enrolment under ``identity/``."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._key_path = root / "identity" / "node.seed"
        self._enrolment_path = root / "identity" / "node.json"
        self._disk = disk

    def load(self, random: RandomBytes) -> Identity:
        """The node's key, made and made durable on the first start."""
        seed = self._disk.read(self._key_path, max_bytes=MAX_IDENTITY_BYTES)
        if seed is None:
            seed = random(KEY_BYTES)
            self._disk.write(self._key_path, seed)
        if len(seed) != KEY_BYTES:
            raise InvalidInputError(
                file=str(self._key_path),
                expected=f"{KEY_BYTES} bytes",
                got=f"{len(seed)} bytes",
                advice="restore the file; without it the node must be enrolled again",
            )
        return Identity(key=SigningKey.from_seed(seed), boot_id=random(BOOT_ID_BYTES).hex())

    def enrolment(self, hub_url: str) -> Enrolment | None:
        """What was agreed with this hub, or None if the node is not enrolled there."""
        raw = self._disk.read(self._enrolment_path, max_bytes=MAX_IDENTITY_BYTES)
        if raw is None:
            return None
        enrolment = canonical.decode(raw, Enrolment, what="node.json", max_bytes=MAX_IDENTITY_BYTES)
        return enrolment if enrolment.hub_url == hub_url else None

    def enrolled(self, enrolment: Enrolment) -> None:
        """Remember the name that the hub gave; durable when this returns."""
        self._disk.write(self._enrolment_path, canonical.dumps(enrolment))
