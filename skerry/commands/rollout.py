"""``skerry rollout``: move nodes to a release, and watch them go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.exit_codes import ExitCode
from skerry.options import OPERATOR, VIEWER, hub_options, labels_option, open_hub
from skerry.output import ago, emit, facts, pairs, table
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fleet_hub.api import RolloutRow


@click.group()
def rollout() -> None:
    """Move nodes to a release, and see how far they are."""


@rollout.command()
@click.argument("model")
@click.argument("version")
@labels_option("--label", help_text="Only nodes with this label, as KEY=VALUE; repeat.")
@click.option("--profile", help="Only nodes with this hardware profile.")
@hub_options
@json_option
@verbose_option
def start(
    model: str,
    version: str,
    labels: dict[str, str],
    profile: str | None,
    hub_url: str,
    token_file: Path | None,
    as_json: bool,
) -> None:
    """Move the selected nodes, or all, to VERSION of MODEL."""

    async def ask() -> RolloutRow:
        async with open_hub(hub_url, token_file, OPERATOR) as hub:
            return await hub.start_rollout(model, version, labels=labels, profile=profile)

    row = asyncio.run(ask())
    emit(row, as_json=as_json, render=lambda: _with_next(row))


@rollout.command()
@click.argument("rollout_id", required=False)
@hub_options
@json_option
@verbose_option
@click.pass_context
def status(
    context: click.Context, rollout_id: str | None, hub_url: str, token_file: Path | None, as_json: bool
) -> None:
    """Show every rollout, or the nodes of one.

    Exit code 1 if a node of that one refused the release.
    """

    async def ask() -> tuple[RolloutRow, ...]:
        async with open_hub(hub_url, token_file, VIEWER) as hub:
            return await hub.list_rollouts() if rollout_id is None else (await hub.rollout_status(rollout_id),)

    rows = asyncio.run(ask())
    if rollout_id is None:
        emit({"rollouts": rows}, as_json=as_json, render=lambda: rollout_table(rows))
        return
    (row,) = rows
    emit(row, as_json=as_json, render=lambda: _node_table(row))
    if row.counts.get("refused"):
        context.exit(ExitCode.CHECK_FAILED)


def rollout_table(rows: Sequence[RolloutRow]) -> RenderableType:
    """One line per rollout."""
    columns = ("rollout", "release", "selects", "nodes", "started", "by")
    return table(
        "",
        columns,
        [
            (
                r.rollout_id, f"{r.model} {r.version}", " ".join([pairs(r.labels), r.profile or ""]).strip() or "all",
                _counts(r), ago(r.started_at_ms), r.started_by,
            )
            for r in rows
        ],
    )  # fmt: skip


def _counts(row: RolloutRow) -> str:
    """How many nodes are in which state: "done" alone would hide refusals, and rollouts that reach nobody."""
    return ", ".join(f"{count} {state}" for state, count in sorted(row.counts.items())) or "0"


def _with_next(row: RolloutRow) -> RenderableType:
    from rich.console import Group

    nobody = {} if row.nodes else {"note": "no enrolled node matches; nodes that enrol later will get it"}
    return Group(rollout_table([row]), "", facts("", {**nobody, "next": f"skerry rollout status {row.rollout_id}"}))


def _node_table(row: RolloutRow) -> RenderableType:
    title = f"{row.rollout_id}: {row.model} {row.version}, nodes: {_counts(row)}"
    columns = ("node", "state", "since", "last seen", "error", "detail")
    rows = [(n.node_id, n.state, ago(n.changed_at_ms), ago(n.last_seen_ms), n.error, n.detail) for n in row.nodes]
    return table(title, columns, rows)
