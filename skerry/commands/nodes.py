"""``skerry nodes``: the machines of the fleet, and tokens that let new ones in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.options import OPERATOR, VIEWER, hub_options, labels_option, open_hub
from skerry.output import ago, emit, pairs, table
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fleet_hub.api import NodeRow, TokenResponse


@click.group()
def nodes() -> None:
    """List nodes, and let new ones in."""


@nodes.command(name="list")
@hub_options
@json_option
@verbose_option
def list_(hub_url: str, token_file: Path | None, as_json: bool) -> None:
    """List every enrolled node."""

    async def ask() -> tuple[NodeRow, ...]:
        async with open_hub(hub_url, token_file, VIEWER) as hub:
            return await hub.nodes()

    rows = asyncio.run(ask())
    emit({"nodes": rows}, as_json=as_json, render=lambda: _node_table(rows))


@nodes.command()
@labels_option("--label", help_text="Label of the node that will use the token, as KEY=VALUE; repeat.")
@click.option("--ttl-hours", type=click.FloatRange(min=0, min_open=True), help="How long the token may wait.")
@hub_options
@json_option
@verbose_option
def token(
    labels: dict[str, str], ttl_hours: float | None, hub_url: str, token_file: Path | None, as_json: bool
) -> None:
    """Make a one-time token with which one new node enrols. It is shown this once."""
    ttl_s = None if ttl_hours is None else ttl_hours * 3600

    async def ask() -> TokenResponse:
        async with open_hub(hub_url, token_file, OPERATOR) as hub:
            return await hub.create_token(labels, ttl_s=ttl_s)

    made = asyncio.run(ask())
    emit(made, as_json=as_json, render=lambda: made.token)


def _node_table(rows: Sequence[NodeRow]) -> RenderableType:
    columns = ("node", "profile", "labels", "last seen", "agent")
    return table(
        "",
        columns,
        [(r.node_id, r.profile, pairs(r.labels), ago(r.last_seen_ms), r.agent_version) for r in rows],
    )
