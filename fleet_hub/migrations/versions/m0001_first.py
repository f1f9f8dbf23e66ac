"""The first schema: principals, nodes, releases, rollouts, telemetry, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.String(length=71), nullable=False),
        sa.Column("hash", sa.String(length=71), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_table(
        "enrol_tokens",
        sa.Column("token_hash", sa.String(length=71), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_by_keyid", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_enrol_tokens")),
    )
    op.create_table(
        "nodes",
        sa.Column("node_id", sa.String(length=128), nullable=False),
        sa.Column("keyid", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=44), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.Column("agent_version", sa.String(length=128), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.String(length=128), nullable=False),
        sa.Column("enrolled_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node_id", name=op.f("pk_nodes")),
        sa.UniqueConstraint("keyid", name=op.f("uq_nodes_keyid")),
    )
    op.create_table(
        "principals",
        sa.Column("token_hash", sa.String(length=71), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_principals")),
    )
    op.create_table(
        "releases",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("bundle_digest", sa.String(length=71), nullable=False),
        sa.Column("index_digest", sa.String(length=71), nullable=False),
        sa.Column("team_role", sa.String(length=64), nullable=False),
        sa.Column("admitted_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("admitted_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_releases")),
    )
    op.create_table(
        "node_events",
        sa.Column("node_id", sa.String(length=128), nullable=False),
        sa.Column("boot_id", sa.String(length=128), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=128), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.node_id"], name=op.f("fk_node_events_node_id")),
        sa.PrimaryKeyConstraint("node_id", "boot_id", "sequence", "position", name=op.f("pk_node_events")),
    )
    op.create_index(op.f("ix_node_events_at_ms"), "node_events", ["at_ms"], unique=False)
    op.create_table(
        "rollouts",
        sa.Column("rollout_id", sa.String(length=128), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=True),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_by", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"], ["releases.model", "releases.version"], name=op.f("fk_rollouts_model")
        ),
        sa.PrimaryKeyConstraint("rollout_id", name=op.f("pk_rollouts")),
        sa.UniqueConstraint("seq", name=op.f("uq_rollouts_seq")),
    )
    op.create_table(
        "slots",
        sa.Column("node_id", sa.String(length=128), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("bundle_digest", sa.String(length=71), nullable=False),
        sa.Column("variant_digest", sa.String(length=71), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.Column("runtime", sa.String(length=128), nullable=False),
        sa.Column("activated_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("previous_version", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.node_id"], name=op.f("fk_slots_node_id")),
        sa.PrimaryKeyConstraint("node_id", "model", name=op.f("pk_slots")),
    )
    op.create_table(
        "telemetry_batches",
        sa.Column("node_id", sa.String(length=128), nullable=False),
        sa.Column("boot_id", sa.String(length=128), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("received_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.node_id"], name=op.f("fk_telemetry_batches_node_id")),
        sa.PrimaryKeyConstraint("node_id", "boot_id", "sequence", name=op.f("pk_telemetry_batches")),
    )
    op.create_index(op.f("ix_telemetry_batches_received_at_ms"), "telemetry_batches", ["received_at_ms"], unique=False)
    op.create_table(
        "telemetry_totals",
        sa.Column("node_id", sa.String(length=128), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("variant_digest", sa.String(length=71), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.Column("misses", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("clipped", sa.BigInteger(), nullable=False),
        sa.Column("flagged", sa.BigInteger(), nullable=False),
        sa.Column("batches", sa.BigInteger(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("latency_us", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.node_id"], name=op.f("fk_telemetry_totals_node_id")),
        sa.PrimaryKeyConstraint(
            "node_id", "model", "version", "variant_digest", "profile", name=op.f("pk_telemetry_totals")
        ),
    )
    op.create_table(
        "variants",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.Column("variant_digest", sa.String(length=71), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"], ["releases.model", "releases.version"], name=op.f("fk_variants_model")
        ),
        sa.PrimaryKeyConstraint("model", "version", "profile", name=op.f("pk_variants")),
    )
    op.create_table(
        "rollout_nodes",
        sa.Column("rollout_id", sa.String(length=128), nullable=False),
        sa.Column("node_id", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("error", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.node_id"], name=op.f("fk_rollout_nodes_node_id")),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.rollout_id"], name=op.f("fk_rollout_nodes_rollout_id")),
        sa.PrimaryKeyConstraint("rollout_id", "node_id", name=op.f("pk_rollout_nodes")),
    )
    op.create_index(op.f("ix_rollout_nodes_node_id"), "rollout_nodes", ["node_id"], unique=False)
    # ### end Alembic commands ###
