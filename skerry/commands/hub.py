"""``skerry hub``: set up and run the hub."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from skerry.options import FILE, owner_options, trust_policy
from skerry.output import emit, facts
from skerry.verb import json_option, verbose_option

DEFAULT_PORT = 8780


@click.group()
def hub() -> None:
    """Set up and run a hub."""


@hub.command()
@click.argument("folder", type=FILE)
@click.option(
    "--offline",
    type=FILE,
    required=True,
    help="New folder for the root and targets keys, root.json and the tokens; move it off this machine.",
)
@click.option("--team", required=True, help="Name of the team role that publishes releases.")
@click.option(
    "--publishes",
    "patterns",
    multiple=True,
    default=("*/*.json",),
    show_default=True,
    help="Releases that the team may publish, as MODEL/VERSION.json with wildcards; repeat.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0 takes a free port."
)
@owner_options
@json_option
@verbose_option
def init(
    folder: Path, *, offline: Path, team: str, patterns: tuple[str, ...], host: str, port: int,
    owner_keys: tuple[Path, ...], threshold: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Set up a hub in FOLDER: keys, TUF metadata, database, tokens.

    The owner keys sign the team's list of releases; --threshold of them must.
    """
    from fleet_hub.config import HubConfig
    from fleet_hub.init import InitPlan, init_hub
    from fleet_hub.trust.ceremony import TeamRole

    policy = trust_policy(owner_keys, threshold)
    role = TeamRole(name=team, paths=patterns, keys=policy.keys, threshold=policy.threshold)
    config = HubConfig(host=host, port=port)
    made = init_hub(InitPlan(hub_dir=folder, offline_dir=offline, teams=(role,), config=config), time.time)
    value = {
        "config": str(made.config_file),
        "root": str(made.root_file),
        "tokens": str(made.tokens_file),
        "next": f"skerry hub serve {folder}",
    }
    emit(value, as_json=as_json, render=lambda: facts("", value))


@hub.command()
@click.argument("folder", type=FILE)
@verbose_option
def serve(folder: Path) -> None:
    """Run the hub that was set up in FOLDER, until SIGINT or SIGTERM.

    Logs go to stderr, one JSON object a line.
    """
    import logging
    import sys

    from edge_agent import logs
    from fleet_hub.config import load_config
    from fleet_hub.server import run_hub

    logs.configure(sys.stderr)
    logging.getLogger("fleet_hub").setLevel(logging.INFO)
    asyncio.run(run_hub(load_config(folder), on_ready=lambda url: click.echo(f"hub at {url}")))
