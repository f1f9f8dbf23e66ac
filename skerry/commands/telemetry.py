"""``skerry telemetry``: what the nodes served, as they counted it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.options import VIEWER, hub_options, open_hub
from skerry.output import ago, emit, table
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fleet_hub.api import TelemetryRow


@click.command()
@hub_options
@json_option
@verbose_option
def telemetry(hub_url: str, token_file: Path | None, as_json: bool) -> None:
    """Show requests, cache hits, errors and latencies per node."""

    async def ask() -> tuple[TelemetryRow, ...]:
        async with open_hub(hub_url, token_file, VIEWER) as hub:
            return await hub.telemetry_summary()

    rows = asyncio.run(ask())
    emit({"telemetry": rows}, as_json=as_json, render=lambda: telemetry_table(rows))


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
