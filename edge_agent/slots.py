"""The A/B slots of one model as a pure state machine: a table, no I/O, no clock.

Why each transition is as it is:

- ``stage`` is allowed in every phase: a newer order replaces what was staged, because the newest order is what counts.
- ``activate`` needs something staged. The old current becomes previous, so that the way back never needs the network.
- ``fail`` drops what was staged (it did not prove itself, or the process died first); what serves is not touched.
- ``rollback`` leaves the current slot (its blobs are damaged, or its engine does not run) for the previous one; with no
  previous the model is gone until the next order. Whatever was staged goes too: it was staged on top of a bad state.
- The floor only rises, and only on ``activate``: a rollback on the node never lets an attacker offer older releases.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from edge_bundle.contract import ModelName, VersionText
from edge_bundle.errors import ConflictError, RollbackError
from edge_bundle.oci import DigestText
from edge_bundle.version import Version

MAX_BLOBS_PER_SLOT = 256
"""Blobs of one variant: index, envelopes, bundle index, manifest, config and layers; some 10 in practice."""


class Phase(enum.StrEnum):
    """Where a model stands on this node; derived from which slots are filled."""

    EMPTY = "empty"
    FIRST_STAGED = "first-staged"
    ACTIVE = "active"
    STAGED = "staged"


class Event(enum.StrEnum):
    """What can happen to the slots of a model."""

    STAGE = "stage"
    ACTIVATE = "activate"
    FAIL = "fail"
    ROLLBACK = "rollback"


class InsteadOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why another profile's variant serves than that of the node's own: the error's stable name, and its text."""

    profile: ModelName
    error: Annotated[str, msgspec.Meta(max_length=128)]
    detail: Annotated[str, msgspec.Meta(max_length=500)] = ""

    def __str__(self) -> str:
        return f"instead of {self.profile}: {self.error}: {self.detail}"


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One verified release variant on disk. ``blobs`` are all digests needed to verify it again without the network."""

    version: VersionText
    bundle_digest: DigestText
    variant_digest: DigestText
    profile: ModelName
    index_digest: DigestText
    blobs: Annotated[tuple[DigestText, ...], msgspec.Meta(max_length=MAX_BLOBS_PER_SLOT)]
    activated_at_ms: int = 0
    instead_of: InsteadOf | None = None


class ModelSlots(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The slots of one model; ``floor`` is the highest version ever activated here."""

    current: Slot | None = None
    previous: Slot | None = None
    staged: Slot | None = None
    floor: VersionText | None = None

    @property
    def phase(self) -> Phase:
        """The phase that the filled slots amount to."""
        if self.current is None:
            return Phase.EMPTY if self.staged is None else Phase.FIRST_STAGED
        return Phase.ACTIVE if self.staged is None else Phase.STAGED

    @property
    def blobs(self) -> frozenset[str]:
        """Every digest that some slot still needs."""
        held = (self.current, self.previous, self.staged)
        return frozenset(digest for slot in held if slot is not None for digest in slot.blobs)


ALLOWED: dict[Phase, frozenset[Event]] = {
    Phase.EMPTY: frozenset({Event.STAGE}),
    Phase.FIRST_STAGED: frozenset({Event.STAGE, Event.ACTIVATE, Event.FAIL}),
    Phase.ACTIVE: frozenset({Event.STAGE, Event.ROLLBACK}),
    Phase.STAGED: frozenset({Event.STAGE, Event.ACTIVATE, Event.FAIL, Event.ROLLBACK}),
}
"""Events that each phase accepts; anything else is a programming error and raises ``ConflictError``."""


def _accept(slots: ModelSlots, event: Event) -> None:
    allowed = ALLOWED[slots.phase]
    if event not in allowed:
        expected = "one of " + ", ".join(sorted(allowed))
        raise ConflictError(what=f"slots in phase {slots.phase}", expected=expected, got=event)


def check_floor(slots: ModelSlots, version: str, *, subject: str) -> None:
    """Refuse a version below the highest ever activated here (``RollbackError``); equal is a repair and allowed."""
    if slots.floor is not None and Version.parse(version) < Version.parse(slots.floor):
        raise RollbackError(subject=subject, at_least=slots.floor, got=version)


def stage(slots: ModelSlots, slot: Slot) -> ModelSlots:
    """Put a verified variant into the staged slot."""
    _accept(slots, Event.STAGE)
    return msgspec.structs.replace(slots, staged=slot)


def activate(slots: ModelSlots, *, at_ms: int) -> ModelSlots:
    """The staged variant becomes current, current becomes previous, the floor rises to the new version.

    Repairing the current variant (same digest) keeps the previous slot: the same bytes are no way back.
    """
    _accept(slots, Event.ACTIVATE)
    staged, old = slots.staged, slots.current
    if staged is None:
        raise ConflictError(what="slots", expected="a staged variant", got="none")
    check_floor(slots, staged.version, subject="staged variant")
    repaired = old is not None and old.variant_digest == staged.variant_digest
    return ModelSlots(
        current=msgspec.structs.replace(staged, activated_at_ms=at_ms),
        previous=slots.previous if repaired or old is None else old,
        floor=staged.version,
    )


def fail(slots: ModelSlots) -> ModelSlots:
    """Drop the staged variant; what serves is untouched."""
    _accept(slots, Event.FAIL)
    return msgspec.structs.replace(slots, staged=None)


def rollback(slots: ModelSlots) -> ModelSlots:
    """Leave the current variant for the previous one (or for none); the floor stays."""
    _accept(slots, Event.ROLLBACK)
    return ModelSlots(current=slots.previous, floor=slots.floor)
