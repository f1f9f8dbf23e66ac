"""Bodies of the operators' API. The hub writes them, ``operator_client.py`` reads them; unknown fields are errors.

Times are Unix milliseconds; latencies are microseconds.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec

from edge_bundle.contract import ModelName, VersionText
from edge_bundle.messages import Labels

T = TypeVar("T")

MAX_TOKEN_TTL_S = 365 * 86_400.0
"""Longest life of an enrolment token: one year, for devices that lie in a warehouse."""


class Items(msgspec.Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    """A list, wrapped so that the body stays an object."""

    items: tuple[T, ...]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457 problem details; ``title`` is the error's stable name. Unknown members are allowed (section 3.2)."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    advice: str = ""


class TokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ask for an enrolment token; its labels become labels of the node that spends it."""

    labels: Labels = {}
    ttl_s: Annotated[float, msgspec.Meta(gt=0.0, le=MAX_TOKEN_TTL_S)] | None = None


class TokenResponse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The token; shown this once."""

    token: str
    expires_at_ms: int


class NodeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One enrolled node."""

    node_id: str
    name: str
    profile: str
    agent_version: str
    labels: dict[str, str]
    machine: dict[str, str]
    keyid: str
    enrolled_at_ms: int
    last_seen_ms: int


class VariantRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One variant of a release; ``size_bytes`` is what a node of this profile downloads."""

    profile: str
    variant_digest: str
    size_bytes: int


class ReleaseRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One admitted release."""

    model: str
    version: str
    bundle_digest: str
    index_digest: str
    team_role: str
    admitted_at_ms: int
    admitted_by: str
    variants: tuple[VariantRow, ...] = ()


class ReleaseDetail(ReleaseRow, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A release and what its provenance says: digests (or a commit) of what it was made from, by name; the toolchain.

    ``signed_by`` holds the key ids that the provenance's envelope names. The hub knows no owner's key and checks no
    signature: nodes do, and ``skerry verify``.
    """

    made_from: dict[str, str]
    toolchain: dict[str, str]
    signed_by: tuple[str, ...]


class TeamRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the ceremony delegated to a team: ``threshold`` of the keys must sign its releases, on these paths."""

    threshold: int
    keyids: tuple[str, ...]
    paths: tuple[str, ...]


class ReleaseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """New metadata of a team role (base64), which names the new releases. Their blobs are uploaded before."""

    team_role: ModelName
    team_metadata: str


class RolloutRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Move every node that has all the labels, and the profile if given, to a release."""

    model: ModelName
    version: VersionText
    labels: Labels = {}
    profile: ModelName | None = None


class RolloutNodeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One node of a rollout; ``error`` is the stable name of a refusal. A node long unseen stays ``pending``."""

    node_id: str
    state: str
    error: str
    detail: str
    changed_at_ms: int
    last_seen_ms: int


class RolloutRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rollout; ``counts`` maps states to numbers of nodes."""

    rollout_id: str
    model: str
    version: str
    labels: dict[str, str]
    profile: str | None
    started_at_ms: int
    started_by: str
    done: bool
    counts: dict[str, int]
    nodes: tuple[RolloutNodeRow, ...]


class RunningRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What exactly runs where, as the node itself last said. ``rollout_id`` is the rollout that brought it there."""

    node_id: str
    model: str
    version: str
    bundle_digest: str
    variant_digest: str
    profile: str
    runtime: str
    since_ms: int
    last_seen_ms: int
    previous_version: str | None
    rollout_id: str | None


class TelemetryRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Totals of one variant on one node; quantiles are within 1 % (``edge_bundle/ddsketch.py``), null when empty."""

    node_id: str
    model: str
    version: str
    variant_digest: str
    profile: str
    requests: int
    samples: int
    hits: int
    misses: int
    rejected: int
    failed: int
    clipped: int
    flagged: int
    batches: int
    first_ms: int
    last_ms: int
    p50_us: float | None
    p99_us: float | None


class AuditRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One event of the audit log."""

    seq: int
    at_ms: int
    actor: str
    action: str
    subject: str
    detail: str
    prev_hash: str
    hash: str


class NodeEventRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that happened once on a node."""

    node_id: str
    at_ms: int
    kind: str
    model: str
    detail: str


class AuditLog(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Events from the first on. ``verified`` counts those up to the first that does not hold, ``broken_at``, if any."""

    verified: int
    broken_at: int | None
    events: tuple[AuditRow, ...]


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether a telemetry batch counted; ``false`` for one that had arrived before."""

    accepted: bool
