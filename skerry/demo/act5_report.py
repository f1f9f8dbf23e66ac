"""Act 5: what arrived at the hub, and what exactly runs where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_bundle.walk import VerifiedRelease
from fleet_hub.api import RunningRow, TelemetryRow
from fleet_hub.operator_client import OperatorClient
from skerry.demo.act4_serve import Served
from skerry.demo.claims import Claim, equal
from skerry.demo.processes import Crew

ACT = 5
TELEMETRY_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Report:
    """The hub's answers."""

    telemetry: tuple[TelemetryRow, ...]
    running: tuple[RunningRow, ...]


async def ask_hub(hub: OperatorClient, crew: Crew, served: Sequence[Served]) -> Report:
    """Wait until as many requests as were sent are counted, then ask what runs where."""
    sent = sum(one.first.samples + one.second.samples for one in served)

    async def arrived() -> tuple[TelemetryRow, ...] | None:
        rows = await hub.telemetry_summary()
        return rows if sum(row.requests for row in rows) >= sent else None

    telemetry = await crew.wait_for("telemetry of every request", arrived, timeout_s=TELEMETRY_TIMEOUT_S)
    return Report(telemetry, await hub.running())


def judge(
    report: Report, served: Sequence[Served], node_names: dict[str, str], release: VerifiedRelease
) -> list[Claim]:
    """Counts equal what was sent; every node runs the variant of its profile, by digest."""
    telemetry = {node_names[row.node_id]: row for row in report.telemetry}
    running = {node_names[row.node_id]: row for row in report.running}
    claims = []
    for one in served:
        row, sent, hits = telemetry[one.agent], one.first.samples + one.second.samples, one.first.hits + one.second.hits
        variant = release.variants[one.profile]
        claims += [
            equal(ACT, f"{one.agent}: requests counted at the hub", sent, row.requests),
            equal(ACT, f"{one.agent}: cache hits counted at the hub", hits, row.hits),
            equal(ACT, f"{one.agent}: variant that runs", variant.variant_digest, running[one.agent].variant_digest),
        ]
    return claims
