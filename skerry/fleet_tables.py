"""Tables of what the hub knows of the fleet; verbs and demo show the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skerry.output import ago, short, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fleet_hub.api import RunningRow, TelemetryRow


def running_table(rows: Sequence[RunningRow]) -> RenderableType:
    """The answer to "what exactly is running where?"; the JSON has the runtime and the version before."""
    columns = ("node", "release", "profile", "variant", "bundle", "since", "rollout")
    return table(
        "",
        columns,
        [
            (
                r.node_id, f"{r.model} {r.version}", r.profile, short(r.variant_digest),
                short(r.bundle_digest), ago(r.since_ms), r.rollout_id,
            )
            for r in rows
        ],
    )  # fmt: skip


def telemetry_table(rows: Sequence[TelemetryRow]) -> RenderableType:
    """One line per node and variant: sums since the first batch, latencies within 1 %.

    Errors are requests that were rejected, and runs that failed; the JSON has each, and the misses.
    """
    columns = ("node", "release", "requests#", "hits#", "errors#", "p50/p99 us#", "last")
    return table(
        "",
        columns,
        [
            (
                r.node_id, f"{r.model} {r.version}", r.requests, r.hits, r.rejected + r.failed,
                _latencies(r), ago(r.last_ms),
            )
            for r in rows
        ],
    )  # fmt: skip


def _latencies(row: TelemetryRow) -> str:
    return "" if row.p50_us is None or row.p99_us is None else f"{row.p50_us:.0f}/{row.p99_us:.0f}"
