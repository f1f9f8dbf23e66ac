"""``skerry running``: what exactly is running where."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.options import VIEWER, hub_options, open_hub
from skerry.output import ago, emit, short, table
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

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


def running_table(rows: Sequence[RunningRow]) -> RenderableType:
    """The answer to "what exactly is running where?"; the JSON has the bundle, the runtime and the version before."""
    columns = ("node", "release", "profile", "variant", "since", "rollout")
    return table(
        "",
        columns,
        [
            (
                r.node_id, f"{r.model} {r.version}", r.profile, short(r.variant_digest), ago(r.since_ms),
                r.rollout_id,
            )
            for r in rows
        ],
    )  # fmt: skip
