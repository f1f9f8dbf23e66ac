"""One agent of the real code on a directory of its own, over the hub in memory."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from edge_agent import activate
from edge_agent.assembly import COMPILED_FOLDER, Agent, NodeFacts, Ports, assemble
from edge_agent.config import AgentConfig, HubConfig, LimitsConfig, TrustConfig
from edge_agent.disk import RealDisk
from edge_agent.identity import IdentityStore
from edge_agent.ports import Clock, Disk, HubPort
from edge_agent.updater import Prover
from edge_bundle.golden import check_golden
from edge_bundle.keys import TrustPolicy
from edge_bundle.walk import VerifiedVariant, walk_source
from tests.sim.memory_hub import TOKEN, MemoryHub
from tests.sim.releases import ALICE, BOB, MODEL, PROFILE, make_release

LIMITS = LimitsConfig(rate_window_s=5.0, request_timeout_s=5.0, drain_s=1.0)


def make_config(
    folder: Path, root: bytes, *, url: str = "http://hub.test", limits: LimitsConfig = LIMITS
) -> AgentConfig:
    """A configuration whose files exist."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root.json").write_bytes(root)
    (folder / "token").write_text(TOKEN)
    for name, key in (("alice", ALICE), ("bob", BOB)):
        path = folder / f"{name}.pub"
        if not path.exists():
            key.public.save(path)
    return AgentConfig(
        state_dir=str(folder / "state"),
        node_name="gate-7",
        hub=HubConfig(url=url, token_file=str(folder / "token"), poll_interval_s=1.0),
        trust=TrustConfig(
            root=str(folder / "root.json"),
            owner_keys=(str(folder / "alice.pub"), str(folder / "bob.pub")),
            threshold=2,
        ),
        profile=PROFILE,
        limits=limits,
    )


def make_node(
    config: AgentConfig,
    hub: HubPort,
    clock: Clock,
    *,
    disk: Disk | None = None,
    prove: Prover | None = None,
    profile: str = PROFILE,
) -> Agent:
    """An agent that has just started and served nothing yet. What it proves is not tried in another process first."""
    disk = disk or RealDisk()
    identity = IdentityStore(config.state, disk).load(lambda count: bytes(range(count)))
    facts = NodeFacts(identity=identity, profile=profile, agent_version="0.0.1", machine={})
    ports = Ports(disk=disk, hub=hub, clock=clock, monotonic=clock, uniform=lambda: 0.0)
    if prove is None:
        prove = partial(activate.prove, cache_dir=config.state / COMPILED_FOLDER, try_first=False)
    return assemble(config, facts, ports, prove=prove)


def hub_with(clock: Clock, *versions: str) -> MemoryHub:
    """A hub that has published these releases, in this order, and orders the last."""
    hub = MemoryHub(clock)
    for version in versions:
        hub.publish(make_release(version))
        hub.order(version)
    return hub


def served_version(node: Agent) -> str | None:
    """The version that answers, after its golden vectors were replayed once more on the engine that serves."""
    served = node.table.find(MODEL)
    if served is None:
        return None
    variant = _golden_source(served.version)
    for number, golden in enumerate(variant.goldens):
        got = served.engine.run(golden.inputs)
        check_golden(golden.outputs, got, served.contract.golden, runtime="onnxruntime", vector=number)
    return served.version


def close(node: Agent) -> None:
    """Free the engines."""
    for name in node.table.names():
        node.table.get(name).engine.close()


def _golden_source(version: str) -> VerifiedVariant:
    release = make_release(version)

    class Blobs:
        def read(self, digest: str, *, max_bytes: int) -> bytes:
            return release.blobs[digest]

    policy = TrustPolicy(keys=(ALICE.public, BOB.public), threshold=2)
    return walk_source(release.index, Blobs(), policy, PROFILE).variants[PROFILE]
