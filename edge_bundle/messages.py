"""Messages between agent and hub (JSON bodies). Both sides parse with these Structs; unknown fields are errors.

Every text, number and list is bounded: what one node says is stored by the hub and shown to every operator.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from edge_bundle.contract import ModelName, VersionText
from edge_bundle.limits import MAX_MODELS, MAX_OUTCOMES, MAX_SAFE_INTEGER
from edge_bundle.oci import DigestText

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$(?!\n)")]
Word = Annotated[str, msgspec.Meta(max_length=128, pattern=r"^[ -~]*$(?!\n)")]
"""A version, an error's name, a runtime: printable ASCII."""

Line = Annotated[str, msgspec.Meta(max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$(?!\n)")]
"""One line of text in any language, without control characters (they could steer an operator's terminal)."""

Detail = Annotated[str, msgspec.Meta(max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$(?!\n)")]
"""An explanation, several lines perhaps; of control characters only line ends and tabs."""

Millis = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]
"""Unix milliseconds, no larger than the hub can store and write as JSON again."""

Labels = Annotated[dict[Line, Line], msgspec.Meta(max_length=32)]


class EnrolRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """First contact: spends a one-time token and binds the node's public key (base64 of 32 bytes)."""

    token: Annotated[str, msgspec.Meta(min_length=16, max_length=256)]
    node_name: Name
    public_key: Annotated[str, msgspec.Meta(min_length=44, max_length=44)]
    profile: ModelName
    agent_version: Word
    labels: Labels = {}
    machine: Annotated[dict[Line, Line], msgspec.Meta(max_length=32)] = {}


class EnrolResponse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The identity that the hub gave the node."""

    node_id: Name
    poll_interval_s: float


class SlotReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is in the current slot of one model: the answer to "what exactly is running?"."""

    model: ModelName
    version: VersionText
    bundle_digest: DigestText
    variant_digest: DigestText
    profile: ModelName
    runtime: Word
    activated_at_ms: Millis
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
    error: Word = ""
    detail: Detail = ""
    at_ms: Millis


class PollRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sent at every poll: what runs, and what became of the orders given earlier."""

    boot_id: Name
    agent_version: Word
    profile: ModelName
    slots: Annotated[tuple[SlotReport, ...], msgspec.Meta(max_length=MAX_MODELS)] = ()
    outcomes: Annotated[tuple[UpdateOutcome, ...], msgspec.Meta(max_length=MAX_OUTCOMES)] = ()


class DesiredRelease(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An order to run a release. It is only a hint where to look: trust comes from TUF and the bundle's signatures."""

    rollout_id: Name
    model: ModelName
    version: VersionText
    target_path: Annotated[str, msgspec.Meta(max_length=256)]


class PollResponse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the hub wants the node to run."""

    desired: Annotated[tuple[DesiredRelease, ...], msgspec.Meta(max_length=MAX_MODELS)] = ()
    poll_interval_s: float


class ReleaseCustom(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``custom`` object of a release's TUF target, signed by the team."""

    model: ModelName
    version: VersionText
    bundle_digest: str


def target_path(model: str, version: str) -> str:
    """The TUF target path of a release: ``<model>/<version>.json``, a pattern that a team role is delegated."""
    return f"{model}/{version}.json"
