"""The hub's tables: one schema for SQLite and PostgreSQL. Times are Unix milliseconds, documents are JSON text.

Changes go into a new file of ``fleet_hub/migrations/versions`` in the same commit; a test compares both.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

DIGEST_CHARS = 71
"""``sha256:`` and 64 hex digits."""

KEYID_CHARS = 64
NAME_CHARS = 128
"""Longest ``edge_bundle.messages.Name``."""

VERSION_CHARS = 32
"""Longest ``edge_bundle.contract.VersionText``: three numbers of nine digits and two dots."""

principals = Table(
    "principals",
    metadata,
    Column("token_hash", String(DIGEST_CHARS), primary_key=True),
    Column("name", String(NAME_CHARS), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

enrol_tokens = Table(
    "enrol_tokens",
    metadata,
    Column("token_hash", String(DIGEST_CHARS), primary_key=True),
    Column("labels", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("used_by_keyid", String(KEYID_CHARS)),
)

nodes = Table(
    "nodes",
    metadata,
    Column("node_id", String(NAME_CHARS), primary_key=True),
    Column("keyid", String(KEYID_CHARS), nullable=False, unique=True),
    Column("public_key", String(44), nullable=False),
    Column("name", String(NAME_CHARS), nullable=False),
    Column("profile", String(64), nullable=False),
    Column("agent_version", String(NAME_CHARS), nullable=False),
    Column("labels", Text, nullable=False),
    Column("machine", Text, nullable=False),
    Column("boot_id", String(NAME_CHARS), nullable=False),
    Column("enrolled_at_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("model", String(64), primary_key=True),
    Column("version", String(VERSION_CHARS), primary_key=True),
    Column("bundle_digest", String(DIGEST_CHARS), nullable=False),
    Column("index_digest", String(DIGEST_CHARS), nullable=False),
    Column("team_role", String(64), nullable=False),
    Column("admitted_at_ms", BigInteger, nullable=False),
    Column("admitted_by", String(NAME_CHARS), nullable=False),
)

variants = Table(
    "variants",
    metadata,
    Column("model", String(64), primary_key=True),
    Column("version", String(VERSION_CHARS), primary_key=True),
    Column("profile", String(64), primary_key=True),
    Column("variant_digest", String(DIGEST_CHARS), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    ForeignKeyConstraint(["model", "version"], ["releases.model", "releases.version"]),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("rollout_id", String(NAME_CHARS), primary_key=True),
    Column("seq", BigInteger, nullable=False, unique=True),
    Column("model", String(64), nullable=False),
    Column("version", String(VERSION_CHARS), nullable=False),
    Column("labels", Text, nullable=False),
    Column("profile", String(64)),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("started_by", String(NAME_CHARS), nullable=False),
    ForeignKeyConstraint(["model", "version"], ["releases.model", "releases.version"]),
)

rollout_nodes = Table(
    "rollout_nodes",
    metadata,
    Column("rollout_id", String(NAME_CHARS), ForeignKey("rollouts.rollout_id"), primary_key=True),
    Column("node_id", String(NAME_CHARS), ForeignKey("nodes.node_id"), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("error", String(NAME_CHARS), nullable=False),
    Column("detail", Text, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    Index(None, "node_id"),
)

slots = Table(
    "slots",
    metadata,
    Column("node_id", String(NAME_CHARS), ForeignKey("nodes.node_id"), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("version", String(VERSION_CHARS), nullable=False),
    Column("bundle_digest", String(DIGEST_CHARS), nullable=False),
    Column("variant_digest", String(DIGEST_CHARS), nullable=False),
    Column("profile", String(64), nullable=False),
    Column("runtime", String(NAME_CHARS), nullable=False),
    Column("activated_at_ms", BigInteger, nullable=False),
    Column("previous_version", String(VERSION_CHARS)),
)

telemetry_batches = Table(
    "telemetry_batches",
    metadata,
    Column("node_id", String(NAME_CHARS), ForeignKey("nodes.node_id"), primary_key=True),
    Column("boot_id", String(NAME_CHARS), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("received_at_ms", BigInteger, nullable=False),
    Index(None, "received_at_ms"),
)

telemetry_totals = Table(
    "telemetry_totals",
    metadata,
    Column("node_id", String(NAME_CHARS), ForeignKey("nodes.node_id"), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("version", String(VERSION_CHARS), primary_key=True),
    Column("variant_digest", String(DIGEST_CHARS), primary_key=True),
    Column("profile", String(64), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("samples", BigInteger, nullable=False),
    Column("hits", BigInteger, nullable=False),
    Column("misses", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("clipped", BigInteger, nullable=False),
    Column("flagged", BigInteger, nullable=False),
    Column("batches", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("latency_us", LargeBinary, nullable=False),
)

node_events = Table(
    "node_events",
    metadata,
    Column("node_id", String(NAME_CHARS), ForeignKey("nodes.node_id"), primary_key=True),
    Column("boot_id", String(NAME_CHARS), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String(NAME_CHARS), nullable=False),
    Column("model", String(NAME_CHARS), nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "at_ms"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(NAME_CHARS), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("detail", Text, nullable=False),
    Column("prev_hash", String(DIGEST_CHARS), nullable=False),
    Column("hash", String(DIGEST_CHARS), nullable=False),
)
