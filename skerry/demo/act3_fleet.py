"""Act 3: a hub and two agents as processes of their own; enrolment, publication, rollout."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_agent.status import read_run_file
from edge_bundle.errors import NotFoundError
from edge_bundle.layout import Layout
from fleet_hub.api import ReleaseRow, RolloutRow
from fleet_hub.config import HubConfig, TrustConfig
from fleet_hub.init import InitPlan, init_hub
from fleet_hub.operator_client import OperatorClient
from fleet_hub.trust.ceremony import TeamRole
from skerry.demo.claims import Claim, equal
from skerry.demo.processes import Crew
from skerry.demo.workplace import AGENTS, OWNERS, TEAM_ROLE, AgentPlan, Workplace

ACT = 3
START_TIMEOUT_S = 60.0
ROLLOUT_TIMEOUT_S = 60.0
HUB = "hub"
READY = "hub at "

CONFIG = HubConfig(
    port=0,
    poll_interval_s=0.2,
    trust=TrustConfig(timestamp_ttl_s=8.0, timestamp_refresh_s=2.0),
)
"""Intervals short enough that nobody waits: act 6 has to see metadata expire."""


@dataclass(frozen=True)
class Hub:
    """The running hub: its address, and clients with an operator's and a publisher's token."""

    url: str
    operator: OperatorClient
    publisher: OperatorClient


@dataclass(frozen=True)
class Fleet:
    """The published release, the finished rollout, where agents answer, and which node id belongs to which agent."""

    release: ReleaseRow
    rollout: RolloutRow
    urls: dict[str, str]
    names: dict[str, str]


@asynccontextmanager
async def open_hub(place: Workplace, crew: Crew) -> AsyncIterator[Hub]:
    """Hold the offline ceremony, start the hub, and connect as operator and publisher."""
    policy = place.policy()
    role = TeamRole(name=TEAM_ROLE, paths=("*/*.json",), keys=policy.keys, threshold=policy.threshold)
    plan = InitPlan(hub_dir=place.hub_dir, offline_dir=place.offline_dir, teams=(role,), config=CONFIG)
    made = init_hub(plan, time.time)
    crew.start(HUB, ["hub", "serve", str(place.hub_dir)])

    async def listening() -> str | None:
        lines = crew.log(HUB).read_text().splitlines()
        return next((line.removeprefix(READY) for line in lines if line.startswith(READY)), None)

    url = await crew.wait_for("the hub", listening, timeout_s=START_TIMEOUT_S)
    tokens = made.tokens
    async with (
        OperatorClient(url, tokens["operator"]) as operator,
        OperatorClient(url, tokens["publisher"]) as publisher,
    ):
        yield Hub(url, operator, publisher)


async def publish_bundle(place: Workplace, hub: Hub, bundle: Path) -> ReleaseRow:
    """Make a bundle that both owners signed a release of the team."""
    with Layout.open(bundle) as layout:
        return await hub.publisher.publish(layout, place.signing_keys(*OWNERS), TEAM_ROLE)


async def start_agent(place: Workplace, crew: Crew, hub: Hub, plan: AgentPlan, hub_url: str) -> str:
    """Start one agent that reaches the hub at ``hub_url``, wait until it answers, and return its address."""
    home = place.root / plan.name
    home.mkdir()
    token = await hub.operator.create_token({"site": plan.site})
    (home / "token").write_text(token.token)
    (home / "agent.toml").write_text(agent_toml(place, plan, hub_url))
    crew.start(plan.name, ["agent", "run", "--config", str(home / "agent.toml")])

    async def answers() -> str | None:
        try:
            run = read_run_file(home / "state")
        except NotFoundError:
            return None
        return f"http://{run.host}:{run.port}"

    return await crew.wait_for(f"agent {plan.name}", answers, timeout_s=START_TIMEOUT_S)


def agent_toml(place: Workplace, plan: AgentPlan, hub_url: str) -> str:
    """The configuration of one agent; short intervals, so that nobody waits."""
    keys = ", ".join(json.dumps(str(place.public_key_file(name))) for name in OWNERS)
    return f"""\
state_dir = "state"
node_name = "{plan.name}"
profile = "{plan.profile}"

[hub]
url = "{hub_url}"
token_file = "token"
poll_interval_s = 0.2
jitter = 0.1
backoff_max_s = 1.0

[trust]
root = {json.dumps(str(place.offline_dir / "root.json"))}
owner_keys = [{keys}]
threshold = {len(OWNERS)}

[serve]
port = 0

[telemetry]
flush_s = 0.5
"""


async def roll_out(
    place: Workplace, crew: Crew, hub: Hub, release: tuple[str, str], *, site: str, nodes: int
) -> RolloutRow:
    """Move a site's nodes to a release (model, version) and wait until each of them has activated or refused it."""
    model, version = release
    started = await hub.operator.start_rollout(model, version, labels={"site": site})
    place.bars.start(f"rollout of {model} {version} to {site}", nodes)
    settled = 0

    async def done() -> RolloutRow | None:
        nonlocal settled
        row = await hub.operator.rollout_status(started.rollout_id)
        now = row.counts.get("activated", 0) + row.counts.get("refused", 0)
        place.bars.advance(now - settled)
        settled = now
        return row if row.done and settled >= nodes else None

    row = await crew.wait_for(f"the end of {started.rollout_id}", done, timeout_s=ROLLOUT_TIMEOUT_S)
    place.bars.done()
    return row


async def wait_enrolled(crew: Crew, hub: Hub, count: int) -> dict[str, str]:
    """Node ids with the agents' names, once ``count`` nodes are there."""

    async def enrolled() -> dict[str, str] | None:
        rows = await hub.operator.nodes()
        return {row.node_id: row.name for row in rows} if len(rows) >= count else None

    return await crew.wait_for("enrolment", enrolled, timeout_s=START_TIMEOUT_S)


async def open_fleet(place: Workplace, crew: Crew, hub: Hub, bundle: Path) -> Fleet:
    """Start and enrol two agents, publish the bundle, roll it out to both."""
    urls = {plan.name: await start_agent(place, crew, hub, plan, hub.url) for plan in AGENTS}
    names = await wait_enrolled(crew, hub, len(AGENTS))
    release = await publish_bundle(place, hub, bundle)
    rollout = await roll_out(place, crew, hub, (release.model, release.version), site=AGENTS[0].site, nodes=len(AGENTS))
    return Fleet(release, rollout, urls, names)


def judge(fleet: Fleet, bundle_digest: str) -> list[Claim]:
    """The hub admitted the very bundle, and every agent activated it."""
    return [
        equal(ACT, "bundle digest at the hub", bundle_digest, fleet.release.bundle_digest),
        equal(ACT, "agents that activated the release", len(AGENTS), fleet.rollout.counts.get("activated", 0)),
    ]
