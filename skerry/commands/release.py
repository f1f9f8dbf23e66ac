"""``skerry release``: publish bundles to a hub, and look at what is published."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.options import FILE, PUBLISHER, VIEWER, hub_options, open_hub, signing_keys, signing_option
from skerry.output import ago, emit, facts, short, table
from skerry.progress import progress_bars
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fleet_hub.api import ReleaseDetail, ReleaseRow


@click.group()
def release() -> None:
    """Publish bundles, and list releases."""


@release.command()
@click.argument("bundle", type=FILE)
@click.option("--team", "role", required=True, help="Team role of the hub's trust that publishes.")
@signing_option
@hub_options
@json_option
@verbose_option
def publish(
    bundle: Path, *, role: str, keys: tuple[Path, ...], hub_url: str, token_file: Path | None, as_json: bool
) -> None:
    """Verify BUNDLE, upload it and add it to the team's releases.

    Every --key must have signed the bundle, and signs the team's list of releases.
    """
    from edge_bundle.layout import Layout

    signers = signing_keys(keys)

    async def send() -> ReleaseRow:
        with Layout.open(bundle) as layout, progress_bars(quiet=as_json) as bars:
            bars.start("upload", 0)
            async with open_hub(hub_url, token_file, PUBLISHER) as hub:
                row = await hub.publish(layout, signers, role, on_blob=lambda _done, _all: bars.advance())
            bars.done()
            return row

    row = asyncio.run(send())
    emit(row, as_json=as_json, render=lambda: _with_next(row))


@release.command(name="list")
@hub_options
@json_option
@verbose_option
def list_(hub_url: str, token_file: Path | None, as_json: bool) -> None:
    """List every release."""

    async def ask() -> tuple[ReleaseRow, ...]:
        async with open_hub(hub_url, token_file, VIEWER) as hub:
            return await hub.list_releases()

    rows = asyncio.run(ask())
    emit({"releases": rows}, as_json=as_json, render=lambda: _release_table(rows))


@release.command()
@click.argument("model")
@click.argument("version")
@hub_options
@json_option
@verbose_option
def show(model: str, version: str, hub_url: str, token_file: Path | None, as_json: bool) -> None:
    """Show the variants, the origin and the signers of a release.

    Nothing is verified; see `skerry verify`.
    """

    async def ask() -> ReleaseDetail:
        async with open_hub(hub_url, token_file, VIEWER) as hub:
            return await hub.show_release(model, version)

    row = asyncio.run(ask())
    emit(row, as_json=as_json, render=lambda: _details(row))


def _release_table(rows: Sequence[ReleaseRow]) -> RenderableType:
    columns = ("release", "bundle", "variants#", "team", "published", "by")
    return table(
        "",
        columns,
        [
            (
                f"{r.model} {r.version}", short(r.bundle_digest), len(r.variants), r.team_role,
                ago(r.admitted_at_ms), r.admitted_by,
            )
            for r in rows
        ],
    )  # fmt: skip


def _with_next(row: ReleaseRow) -> RenderableType:
    from rich.console import Group

    return Group(_release_table([row]), "", facts("", {"next": f"skerry rollout start {row.model} {row.version}"}))


def _details(row: ReleaseDetail) -> RenderableType:
    from rich.console import Group

    found = facts(f"{row.model} {row.version} (not verified)", {
        "bundle": row.bundle_digest, "made from": row.made_from, "toolchain": row.toolchain,
        "claims to be signed by": row.signed_by,
    })  # fmt: skip
    rows = [(v.profile, f"{v.size_bytes / 1000:.1f}", v.variant_digest) for v in row.variants]
    return Group(found, "", table("", ("profile", "size kB#", "variant"), rows))
