"""``skerry audit``: who did what, when, with the hash chain checked on this side."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.options import VIEWER, hub_options, open_hub
from skerry.output import emit, pairs, shorten_digests, table
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fleet_hub.api import AuditLog, AuditRow
    from fleet_hub.rules.audit import AuditEvent, Break


@click.command()
@click.option(
    "--noted", metavar="HASH",
    help="A hash noted earlier, the last one of that day: fail if the log no longer has it (its end was cut off).",
)  # fmt: skip
@hub_options
@json_option
@verbose_option
def audit(noted: str | None, hub_url: str, token_file: Path | None, as_json: bool) -> None:
    """Show the audit log, and check that it was not changed.

    Exit code 4 if it was. The hash chain is computed again here, from the first event on; the hub is not taken at its
    word. Note the last hash somewhere else: with it, --noted also sees an end that was cut off.
    """

    async def ask() -> AuditLog:
        async with open_hub(hub_url, token_file, VIEWER) as hub:
            return await hub.audit()

    events = asyncio.run(ask()).events
    broken = _find_break(events)
    value = {
        "events": events,
        "verified": broken.seq - 1 if broken else len(events),
        "broken_at": broken and broken.seq,
    }
    emit(value, as_json=as_json, render=lambda: _table(events, broken))
    _check(events, noted)


def _chain(rows: tuple[AuditRow, ...]) -> list[AuditEvent]:
    import msgspec

    from fleet_hub.rules.audit import AuditEvent

    return [AuditEvent(**msgspec.structs.asdict(row)) for row in rows]


def _find_break(events: tuple[AuditRow, ...]) -> Break | None:
    from fleet_hub.rules.audit import find_break

    return find_break(_chain(events))


def _check(events: tuple[AuditRow, ...], noted: str | None) -> None:
    from edge_bundle.errors import DigestMismatchError
    from fleet_hub.rules.audit import verify_chain

    verify_chain(_chain(events))
    if noted is not None and noted not in {event.hash for event in events}:
        got = f"{len(events)} events without it"
        raise DigestMismatchError(
            subject="audit log", expected=f"an event with the noted hash {noted}", got=got,
            advice="its end was cut off, or this is another hub's log; compare it with a backup",
        )  # fmt: skip


def _table(events: tuple[AuditRow, ...], broken: Break | None) -> RenderableType:
    last = events[-1].hash if events else "none"
    chain = "chain holds" if broken is None else f"chain BROKEN at event {broken.seq}"
    title = f"{len(events)} events, {chain}, last hash {last}"
    columns = ("seq#", "when (UTC)", "who", "what", "to", "detail")
    return table(
        title,
        columns,
        [(e.seq, _when(e.at_ms), e.actor, e.action, shorten_digests(e.subject), _detail(e.detail)) for e in events],
    )


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%y-%m-%d %H:%M:%S")


def _detail(text: str) -> str:
    """The detail as words, a line each, the whole is in the JSON; text that is no JSON object stays as it is."""
    try:
        members = json.loads(text)
    except ValueError:
        return text
    if not isinstance(members, dict):
        return text
    return "\n".join(f"{key} {_words(value)}" for key, value in members.items() if value not in (None, "", {}))


def _words(value: object) -> str:
    text = pairs({k: str(v) for k, v in value.items()}) if isinstance(value, dict) else str(value)
    return re.sub(r"\b(?:sha256:)?([0-9a-f]{12})[0-9a-f]{52}\b", r"\1..", text)
