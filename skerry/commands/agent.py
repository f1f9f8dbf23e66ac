"""``skerry agent``: run the agent on a node, and ask it how it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.options import FILE
from skerry.output import ago, emit, facts, short, table
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_agent.status import AgentStatus

config_option = click.option("--config", "file", type=FILE, default="agent.toml", show_default=True,
                             help="The agent's configuration.")  # fmt: skip


@click.group()
def agent() -> None:
    """Run the agent of this node, and ask it how it is."""


@agent.command()
@config_option
@verbose_option
def run(file: Path) -> None:
    """Serve, poll the hub and report, until SIGINT or SIGTERM. Logs go to stderr, one JSON object a line."""
    import asyncio
    import sys

    from edge_agent import logs
    from edge_agent.config import load_agent_config
    from edge_agent.daemon import run_agent

    config = load_agent_config(file)
    logs.configure(sys.stderr)
    asyncio.run(run_agent(config))


@agent.command()
@config_option
@json_option
@verbose_option
def status(file: Path, as_json: bool) -> None:
    """Ask the running agent what it serves and how the hub is."""
    from edge_agent.config import load_agent_config
    from edge_agent.status import fetch_status

    found = fetch_status(load_agent_config(file).state)
    emit(found, as_json=as_json, render=lambda: _status_table(found))


def _status_table(found: AgentStatus) -> RenderableType:
    from rich.console import Group

    hub = found.hub
    contact = f"{hub.failures} failed polls, last: {hub.last_error}" if hub.failures else ago(hub.last_contact_ms)
    title = f"{found.node_name} ({hub.node_id or 'not enrolled'}), profile {found.profile}, hub {hub.url}: {contact}"
    columns = ("model", "version", "profile", "variant", "bundle", "runtime", "since", "before")
    serving = table(
        title,
        columns,
        [
            (
                s.model, s.version, s.profile, short(s.variant_digest), short(s.bundle_digest), s.runtime,
                ago(s.activated_at_ms), s.previous_version,
            )
            for s in found.slots
        ],
    )  # fmt: skip
    reasons = {f"{one.model} on {one.profile}": str(one.instead_of) for one in found.fallbacks}
    return Group(serving, "", facts("", reasons)) if reasons else serving
