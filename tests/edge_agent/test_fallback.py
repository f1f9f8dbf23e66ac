"""A variant that this device cannot run: the contract says what serves instead, and everybody is told why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from edge_agent.slots import InsteadOf
from edge_agent.status import AgentStatus, build_status
from edge_bundle import canonical
from edge_bundle.contract_file import load_contract
from edge_bundle.contract_rules import check_contract
from edge_bundle.errors import InvalidInputError
from edge_bundle.messages import UpdateResult
from edge_runtime.openvino_device import shared_core
from skerry.commands.agent import _status_table
from skerry.output import console
from tests.edge_agent.fallback_release import NPU, fallback_release
from tests.edge_agent.serving.world import served, serving
from tests.sim.memory_hub import FakeClock
from tests.sim.node import close, hub_with, make_config, make_node
from tests.sim.releases import EXAMPLE, MODEL, Release, make_release

pytestmark = pytest.mark.skipif("NPU" in shared_core().available_devices, reason="this machine has an NPU")

CHAIN = ("cpu-int8", "wasm-simd128", "cpu-fp32")


class World:
    """A hub, and a node that asks for the NPU's variant."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.hub = hub_with(self.clock)
        self.config = make_config(folder, self.hub.tuf.root)
        self.node = make_node(self.config, self.hub, self.clock, profile=NPU)

    def order(self, release: Release) -> None:
        self.hub.publish(release)
        self.hub.order(release.version)
        self.poll()

    def poll(self, times: int = 1) -> None:
        async def run() -> None:
            for _ in range(times):
                await self.node.poller.tick()

        asyncio.run(run())

    def restart(self, *, profile: str = NPU) -> None:
        close(self.node)
        self.node = make_node(self.config, self.hub, self.clock, profile=profile)
        asyncio.run(self.node.updater.restore())

    @property
    def profile(self) -> str | None:
        """Whose variant answers."""
        found = self.node.table.find(MODEL)
        return None if found is None else found.profile

    @property
    def why(self) -> InsteadOf | None:
        return self.node.table.get(MODEL).instead_of

    def events(self) -> list[tuple[str, str]]:
        return [(event.kind, event.detail) for event in self.node.recorder.take_events()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    close(world.node)


def test_without_the_device_the_next_of_the_contract_serves(world: World) -> None:
    world.order(fallback_release("1.0.0", CHAIN, NPU, "cpu-int8", "cpu-fp32"))
    assert world.profile == "cpu-int8"
    assert world.why is not None
    assert (world.why.profile, world.why.error) == (NPU, "DeviceMissingError")
    assert "expected NPU, got CPU" in world.why.detail
    (outcome,) = world.hub.outcomes
    assert (outcome.result, outcome.error) == (UpdateResult.ACTIVATED, "")
    assert outcome.detail.startswith(f"cpu-int8 instead of {NPU}: DeviceMissingError: runtime openvino: device")
    assert world.hub.polls[-1].slots[0].profile == "cpu-int8"
    (tried, detail), (activated, how) = world.events()
    assert (tried, activated) == ("fallback", "activated")
    assert detail.startswith(f"1.0.0 {NPU}: DeviceMissingError")
    assert detail.endswith("; cpu-int8 is next")
    assert f"cpu-int8 instead of {NPU}" in how


def test_one_that_does_not_prove_itself_is_passed_over(world: World) -> None:
    world.order(fallback_release("1.0.0", CHAIN, NPU, "cpu-int8", "cpu-fp32", broken=("cpu-int8",)))
    assert world.profile == "cpu-fp32"
    assert world.why is not None
    assert world.why.error == "DeviceMissingError", "what the node's own variant failed with"
    assert [(kind, detail.partition(": ")[2].partition(":")[0]) for kind, detail in world.events()[:2]] == [
        ("fallback", "DeviceMissingError"),
        ("fallback", "GoldenMismatchError"),
    ]


def test_a_release_without_the_node_s_own_variant(world: World) -> None:
    """As when the compiler refused the profile: only what serves is fetched, and the contract of another."""
    release = fallback_release("1.0.0", CHAIN, "cpu-fp32", "cpu-int8", "a-first-variant")
    world.order(release)
    assert world.profile == "cpu-int8"
    assert world.why == InsteadOf(
        profile=NPU, error="NotFoundError", detail=f"no variant of {MODEL}:1.0.0 named '{NPU}'"
    )
    held = {path.name for path in (world.config.state / "blobs" / "sha256").iterdir()}
    assert len(held) < len(release.blobs)


@pytest.mark.parametrize(
    ("chain", "profiles", "broken", "error"),
    [
        pytest.param((), (NPU, "cpu-fp32"), (), "DeviceMissingError", id="no-chain"),
        pytest.param(("wasm-simd128",), (NPU, "cpu-fp32"), (), "DeviceMissingError", id="not-in-the-release"),
        pytest.param(("cpu-fp32",), (NPU, "cpu-fp32"), ("cpu-fp32",), "DeviceMissingError", id="none-runs"),
        pytest.param((NPU,), (NPU, "cpu-fp32"), (), "DeviceMissingError", id="itself"),
        pytest.param((), ("cpu-fp32",), (), "NotFoundError", id="missing-and-no-chain"),
        pytest.param(("cpu-int8",), ("cpu-fp32",), (), "NotFoundError", id="missing-and-so-is-the-chain"),
    ],
)
def test_where_nothing_takes_its_place_the_release_is_refused(
    world: World, chain: tuple[str, ...], profiles: tuple[str, ...], broken: tuple[str, ...], error: str
) -> None:
    world.order(fallback_release("1.0.0", chain, *profiles, broken=broken))
    assert world.profile is None
    (outcome,) = world.hub.outcomes
    assert (outcome.result, outcome.error) == (UpdateResult.REFUSED, error)
    transfers = len(world.hub.transfers)
    world.poll(3)
    assert len(world.hub.transfers) == transfers


def test_it_is_not_tried_again_at_every_poll(world: World) -> None:
    world.order(fallback_release("1.0.0", CHAIN, NPU, "cpu-int8"))
    transfers, engine = len(world.hub.transfers), world.node.table.get(MODEL).engine
    world.poll(3)
    assert len(world.hub.transfers) == transfers
    assert world.node.table.get(MODEL).engine is engine
    assert len(world.hub.outcomes) == 1


def test_a_start_serves_at_once_and_tries_the_own_variant_once_more(world: World) -> None:
    world.order(fallback_release("1.0.0", CHAIN, NPU, "cpu-int8"))
    world.hub.faults.down = True
    world.restart()
    assert world.profile == "cpu-int8"
    assert world.why is not None
    assert world.why.error == "DeviceMissingError", "kept on disk"
    world.hub.faults.down = False
    engine = world.node.table.get(MODEL).engine
    world.events()
    world.poll()
    assert [kind for kind, _ in world.events()] == ["fallback"], "the driver might have come with the start"
    assert world.node.table.get(MODEL).engine is engine, "what serves already is not opened again"
    slots = world.node.store.slots(MODEL)
    assert slots.staged is None
    held = {path.name for path in (world.config.state / "blobs" / "sha256").iterdir()}
    assert held == {digest.removeprefix("sha256:") for digest in slots.blobs}


def test_the_node_s_own_variant_comes_back_when_it_runs(world: World) -> None:
    world.order(fallback_release("1.0.0", CHAIN, NPU, "cpu-int8", "cpu-fp32"))
    world.restart(profile="cpu-fp32")
    assert world.profile == "cpu-int8"
    world.poll()
    assert (world.profile, world.why) == ("cpu-fp32", None)
    assert world.hub.outcomes[-1].detail == ""


def test_the_next_release_begins_with_the_own_variant(world: World) -> None:
    world.order(fallback_release("1.0.0", CHAIN, NPU, "cpu-int8"))
    world.order(fallback_release("2.0.0", CHAIN, NPU, "cpu-fp32"))
    assert world.profile == "cpu-fp32"
    assert world.node.table.get(MODEL).version == "2.0.0"
    previous = world.node.store.slots(MODEL).previous
    assert previous is not None
    assert (previous.profile, previous.version) == ("cpu-int8", "1.0.0")


def test_a_damaged_blob_is_no_reason_to_fall_back(world: World) -> None:
    release = fallback_release("1.0.0", CHAIN, NPU, "cpu-int8")
    world.hub.faults.flip_in = {max(release.blobs, key=lambda digest: len(release.blobs[digest]))}
    world.order(release)
    if world.profile is None:
        assert world.hub.outcomes[-1].error == "DigestMismatchError"
    else:
        pytest.fail("served a release of which a blob is damaged")


def status_of(world: World) -> AgentStatus:
    status = build_status(world.node.poller, pid=1, started_at_ms=0)
    return canonical.decode(canonical.dumps(status), AgentStatus, what="status", max_bytes=1 << 20)


def test_the_status_says_what_serves_and_why(world: World) -> None:
    world.order(fallback_release("1.0.0", CHAIN, NPU, "cpu-int8"))
    status = status_of(world)
    (one,) = status.fallbacks
    assert (status.profile, one.model, one.profile, one.instead_of) == (NPU, MODEL, "cpu-int8", world.why)
    with (screen := console()).capture() as capture:
        screen.print(_status_table(status))
    shown = " ".join(capture.get().split())
    assert f"{MODEL} on cpu-int8 instead of {NPU}: DeviceMissingError" in shown


def test_without_a_fallback_the_status_says_nothing_of_one(world: World) -> None:
    world.restart(profile="cpu-fp32")
    world.order(make_release("1.0.0"))
    assert status_of(world).fallbacks == ()
    assert world.why is None


def test_metrics_and_statistics_say_it_too() -> None:
    why = InsteadOf(profile=NPU, error="DeviceMissingError", detail="device: expected NPU, got CPU")

    async def run() -> tuple[str, object]:
        async with serving(replace(served(), instead_of=why)) as server:
            metrics = await server.get("/metrics")
            stats = await server.get("/v2/models/scale/stats")
            return metrics.body.decode(), stats.json["model_stats"][0]["skerry"]["instead_of"]

    metrics, stats = asyncio.run(run())
    (line,) = [line for line in metrics.splitlines() if line.startswith("skerry_fallback{")]
    assert 'profile="cpu-fp32"' in line
    assert line.endswith(f'instead_of="{NPU}",error="DeviceMissingError"}} 1')
    assert stats == msgspec.to_builtins(why)


def test_a_chain_names_each_profile_once() -> None:
    contract = load_contract(EXAMPLE / "contract.toml")
    chain = msgspec.structs.replace(contract.fallback, profiles=("cpu-int8", "cpu-fp32", "cpu-int8"))
    with pytest.raises(InvalidInputError, match=r"fallback\.profiles\[2\]: expected names that differ"):
        check_contract(msgspec.structs.replace(contract, fallback=chain), file="contract.toml")
