"""Puts an agent together from its configuration and its ports; nothing runs yet.

The daemon gives the real network, disk and clock; tests give a hub in memory, a disk that fails, a clock that obeys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge_agent import activate
from edge_agent.config import AgentConfig
from edge_agent.downloader import Downloader
from edge_agent.identity import Identity, IdentityStore
from edge_agent.models import ModelTable
from edge_agent.poller import Poller
from edge_agent.ports import Clock, Disk, HubPort
from edge_agent.store import Store
from edge_agent.telemetry.recorder import Recorder
from edge_agent.texts import carried
from edge_agent.trust import MAX_METADATA_BYTES, ROOT_ADVICE, ReleaseTrust, check_root
from edge_agent.updater import Prover, Updater
from edge_bundle.errors import InvalidInputError
from edge_bundle.keys import PublicKey, TrustPolicy

COMPILED_FOLDER = "compiled"
"""Under the state directory: what runtimes compiled on this node, of verified artifacts. Safe to delete."""

MAX_EVENT_CHARS = 2000
"""Detail of an event, as ``edge_bundle.messages.Detail`` bounds it."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The outside world. ``clock`` is Unix time, ``monotonic`` any steady clock, ``uniform`` random in ``[0, 1)``."""

    disk: Disk
    hub: HubPort
    clock: Clock
    monotonic: Clock
    uniform: Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """What this node is: its identity of this process start, profile, version and machine description."""

    identity: Identity
    profile: str
    agent_version: str
    machine: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Agent:
    """The parts that the daemon runs."""

    table: ModelTable
    recorder: Recorder
    store: Store
    updater: Updater
    poller: Poller


def assemble(config: AgentConfig, facts: NodeFacts, ports: Ports, *, prove: Prover | None = None) -> Agent:
    """Wire everything; without another ``prove`` it is ``activate.prove`` with this node's folder of compiled code.

    Raises ``InvalidInputError`` or ``NotFoundError`` for trust material that cannot be read.
    """
    store = Store(config.state, ports.disk)
    table, recorder = ModelTable(), Recorder(ports.clock)

    def journal(kind: str, model: str, detail: str) -> None:
        recorder.event(kind, model=model, detail=carried(detail, max_chars=MAX_EVENT_CHARS))

    updater = Updater(
        profile=facts.profile,
        policy=load_policy(config),
        store=store,
        trust=_trust(config, ports),
        downloader=Downloader(store, ports.disk, ports.hub, config.limits, ports.monotonic),
        table=table,
        prove=prove or partial(activate.prove, cache_dir=config.state / COMPILED_FOLDER),
        journal=journal,
        clock=ports.clock,
        drain_s=config.limits.drain_s,
    )
    poller = Poller(
        config=config,
        profile=facts.profile,
        agent_version=facts.agent_version,
        machine=facts.machine,
        identity=facts.identity,
        identities=IdentityStore(config.state, ports.disk),
        disk=ports.disk,
        hub=ports.hub,
        store=store,
        table=table,
        updater=updater,
        journal=journal,
        clock=ports.clock,
        uniform=ports.uniform,
    )
    return Agent(table=table, recorder=recorder, store=store, updater=updater, poller=poller)


def load_policy(config: AgentConfig) -> TrustPolicy:
    """The owners' public keys and how many must have signed."""
    keys = tuple(PublicKey.load(Path(path)) for path in config.trust.owner_keys)
    return TrustPolicy(keys=keys, threshold=config.trust.threshold)


def _trust(config: AgentConfig, ports: Ports) -> ReleaseTrust:
    root = ports.disk.read(Path(config.trust.root), max_bytes=MAX_METADATA_BYTES)
    if root is None:
        raise InvalidInputError(
            file=config.trust.root,
            expected="the TUF root that the hub's owners handed out",
            got="no such file",
            advice=ROOT_ADVICE,
        )
    check_root(root, file=config.trust.root)
    return ReleaseTrust(
        root=root,
        directory=config.state / "tuf",
        disk=ports.disk,
        hub=ports.hub,
        clock=ports.clock,
        timeout_s=config.limits.request_timeout_s,
    )
