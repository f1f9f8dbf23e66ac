"""Messages between agent and hub (JSON bodies). Both sides parse with these Structs; unknown fields are errors."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from edge_bundle.contract import ModelName, VersionText

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$(?!\n)")]
Labels = Annotated[dict[str, str], msgspec.Meta(max_length=32)]


class EnrolRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """First contact: spends a one-time token and binds the node's public key (base64 of 32 bytes)."""

    token: Annotated[str, msgspec.Meta(min_length=16, max_length=256)]
    node_name: Name
    public_key: Annotated[str, msgspec.Meta(min_length=44, max_length=44)]
    profile: ModelName
    agent_version: str
    labels: Labels = {}
    machine: dict[str, str] = {}


class EnrolResponse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The identity that the hub gave the node."""

    node_id: Name
    poll_interval_s: float


class SlotReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is in the current slot of one model: the answer to "what exactly is running?"."""

    model: ModelName
    version: VersionText
    bundle_digest: str
    variant_digest: str
    profile: ModelName
    runtime: str
    activated_at_ms: int
    previous_version: VersionText | None = None


class UpdateResult(enum.StrEnum):
    """How an ordered update ended on the node."""

    ACTIVATED = "activated"
    REFUSED = "refused"
    FAILED = "failed"


class UpdateOutcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Result of one ordered update; ``error`` is the refusal's stable name (``RollbackError``), empty when activated.

    ``refused`` is final for this release; ``failed`` (network, disk) is tried again at a later poll.
    """

    rollout_id: Name
    model: ModelName
    version: VersionText
    result: UpdateResult
    error: str = ""
    detail: str = ""
    at_ms: int


class PollRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sent at every poll: what runs, and what became of the orders given earlier."""

    boot_id: Name
    agent_version: str
    profile: ModelName
    slots: tuple[SlotReport, ...] = ()
    outcomes: tuple[UpdateOutcome, ...] = ()


class DesiredRelease(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An order to run a release. It is only a hint where to look: trust comes from TUF and the bundle's signatures."""

    rollout_id: Name
    model: ModelName
    version: VersionText
    target_path: str


class PollResponse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the hub wants the node to run."""

    desired: tuple[DesiredRelease, ...] = ()
    poll_interval_s: float


class ReleaseCustom(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``custom`` object of a release's TUF target, signed by the team."""

    model: ModelName
    version: VersionText
    bundle_digest: str


def target_path(model: str, version: str) -> str:
    """The TUF target path of a release: ``<model>/<version>.json``, a pattern that a team role is delegated."""
    return f"{model}/{version}.json"
