"""``skerry running``: what exactly is running where."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.fleet_tables import running_table
from skerry.options import VIEWER, hub_options, open_hub
from skerry.output import emit
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from fleet_hub.api import RunningRow


@click.command()
@hub_options
@json_option
@verbose_option
def running(hub_url: str, token_file: Path | None, as_json: bool) -> None:
    """Show which variant of which release each node runs."""

    async def ask() -> tuple[RunningRow, ...]:
        async with open_hub(hub_url, token_file, VIEWER) as hub:
            return await hub.running()

    rows = asyncio.run(ask())
    emit({"running": rows}, as_json=as_json, render=lambda: running_table(rows))
