"""``skerry audit``: who did what, when, with the hash chain checked on this side."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.options import VIEWER, hub_options, open_hub
from skerry.output import emit, shorten_digests, table
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fleet_hub.api import AuditLog, AuditRow


@click.command()
@click.option(
    "--noted", metavar="HASH",
    help="A hash noted earlier, the last one of that day: fail if the log no longer has it (its end was cut off).",
)  # fmt: skip
@hub_options
@json_option
@verbose_option
def audit(noted: str | None, hub_url: str, token_file: Path | None, as_json: bool) -> None:
    """Show the audit log, and check that nothing in it was changed.

    The hash chain is computed again here, from the first event on; the hub is not taken at its word. Note the last
    hash somewhere else: with it, --noted also sees an end that was cut off.
    """

    async def ask() -> AuditLog:
        async with open_hub(hub_url, token_file, VIEWER) as hub:
            return await hub.audit()

    log = asyncio.run(ask())
    _check(log.events, noted)
    emit({"events": log.events, "verified": len(log.events)}, as_json=as_json, render=lambda: _table(log.events))


def _check(events: tuple[AuditRow, ...], noted: str | None) -> None:
    import msgspec

    from edge_bundle.errors import DigestMismatchError
    from fleet_hub.rules.audit import AuditEvent, verify_chain

    verify_chain(AuditEvent(**msgspec.structs.asdict(event)) for event in events)
    if noted is not None and noted not in {event.hash for event in events}:
        got = f"{len(events)} events without it"
        raise DigestMismatchError(
            subject="audit log", expected=f"an event with the noted hash {noted}", got=got,
            advice="its end was cut off, or this is another hub's log; compare it with a backup",
        )  # fmt: skip


def _table(events: tuple[AuditRow, ...]) -> RenderableType:
    last = events[-1].hash if events else "none"
    title = f"{len(events)} events, chain holds, last hash {last}"
    columns = ("#", "when (UTC)", "who", "what", "to", "detail")
    return table(
        title,
        columns,
        [(e.seq, _when(e.at_ms), e.actor, e.action, *map(shorten_digests, (e.subject, e.detail))) for e in events],
    )


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
