"""``skerry telemetry``: what the nodes served, as they counted it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.fleet_tables import telemetry_table
from skerry.options import VIEWER, hub_options, open_hub
from skerry.output import emit
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
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
