"""Updates from order to activation, with the real engine and the hub in memory; every refusal by its name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.assembly import Agent
from edge_bundle.messages import UpdateResult, target_path
from edge_bundle.proof import PlacementProof
from tests.sim.memory_hub import TOKEN, FakeClock
from tests.sim.node import close, hub_with, make_config, make_node, served_version
from tests.sim.releases import ALICE, BOB, MALLORY, MODEL, make_release


class World:
    """A hub and one node, restarted at will."""

    def __init__(self, folder: Path, *versions: str) -> None:
        self.clock = FakeClock()
        self.hub = hub_with(self.clock, *versions)
        self.config = make_config(folder, self.hub.tuf.root)
        self.node = make_node(self.config, self.hub, self.clock)

    def poll(self, times: int = 1) -> None:
        """Let the node poll."""

        async def run() -> None:
            for _ in range(times):
                await self.node.poller.tick()

        asyncio.run(run())

    def restart(self) -> None:
        """A new process on the same disk."""
        close(self.node)
        self.node = make_node(self.config, self.hub, self.clock)
        asyncio.run(self.node.updater.restore())

    def update_to(self, version: str) -> None:
        """Publish, order and install a release."""
        self.hub.publish(make_release(version))
        self.hub.order(version)
        self.poll()
        assert served_version(self.node) == version


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, "1.0.0")
    yield world
    close(world.node)


def last_error(node: Agent) -> str:
    return node.poller.orders.last[-1].error


def test_first_poll_enrols_installs_and_reports(world: World) -> None:
    world.poll()
    assert served_version(world.node) == "1.0.0"
    (outcome,) = world.hub.outcomes
    assert (outcome.result, outcome.version, outcome.error) == (UpdateResult.ACTIVATED, "1.0.0", "")
    report = world.hub.polls[-1].slots[0]
    release = make_release("1.0.0")
    assert (report.model, report.version, report.bundle_digest) == (MODEL, "1.0.0", release.bundle_digest)
    assert report.activated_at_ms == int(world.clock.now * 1000)


def test_second_release_keeps_the_first_as_previous(world: World) -> None:
    world.poll()
    world.update_to("2.0.0")
    slots = world.node.store.slots(MODEL)
    assert slots.previous is not None
    assert slots.previous.version == "1.0.0"
    assert slots.floor == "2.0.0"
    assert world.hub.polls[-1].slots[0].previous_version == "1.0.0"


def test_blobs_of_the_release_before_the_previous_are_swept(world: World) -> None:
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        world.update_to(version)
    held = {path.name for path in (world.config.state / "blobs" / "sha256").iterdir()}
    needed = {digest.removeprefix("sha256:") for v in ("2.0.0", "3.0.0") for digest in make_release(v).blobs}
    assert held == needed


def test_a_restart_serves_without_the_hub(world: World) -> None:
    world.poll()
    world.hub.faults.down = True
    world.restart()
    assert served_version(world.node) == "1.0.0"
    world.poll(3)
    assert served_version(world.node) == "1.0.0"
    assert world.node.poller.schedule.failures == 3
    assert "UnavailableError" in world.node.poller.last_error


def test_an_order_already_fulfilled_is_reported_again_after_a_restart(world: World) -> None:
    world.poll()
    world.restart()
    world.poll()
    assert [outcome.result for outcome in world.hub.outcomes] == [UpdateResult.ACTIVATED] * 2
    assert world.hub.transfers == world.hub.transfers[:9]


def flip_artifact(world: World) -> None:
    release = make_release("2.0.0")
    world.hub.faults.flip_in = {max(release.blobs, key=lambda digest: len(release.blobs[digest]))}


def flip_index(world: World) -> None:
    world.hub.faults.flip_in = {make_release("2.0.0").index_digest}


def freeze(world: World) -> None:
    world.clock.now += 2 * 86_400


def unknown_signer(world: World) -> None:
    world.hub.publish(make_release("2.0.0", signers=(MALLORY,)))


def one_signature_of_two(world: World) -> None:
    world.hub.publish(make_release("2.0.0", signers=(ALICE,)))


def one_known_one_unknown(world: World) -> None:
    world.hub.publish(make_release("2.0.0", signers=(BOB, MALLORY)))


def old_version(world: World) -> None:
    world.hub.publish(make_release("0.9.0"))
    world.hub.order("0.9.0")


def stolen_hub_signs_team(world: World) -> None:
    world.hub.tuf.resign_team_with(MALLORY)


def unlisted_target(world: World) -> None:
    world.hub.order("7.7.7")


def order_lies_about_version(world: World) -> None:
    world.hub.order("3.0.0", path=target_path(MODEL, "2.0.0"))


def wrong_goldens(world: World) -> None:
    world.hub.publish(make_release("2.0.0", wrong_goldens=True))


def cpu_instead_of_the_npu(world: World) -> None:
    world.hub.publish(make_release("2.0.0", placement=PlacementProof(device="npu", nodes=12, on_device=12)))


def firmware_only(world: World) -> None:
    world.hub.publish(make_release("2.0.0", runtime="ethos-u"))


def other_profile(world: World) -> None:
    world.hub.publish(make_release("2.0.0", profile="cpu-int8"))


REFUSALS = [
    pytest.param(flip_artifact, "DigestMismatchError", True, id="flipped-byte-in-artifact"),
    pytest.param(flip_index, "DigestMismatchError", True, id="flipped-byte-in-index"),
    pytest.param(freeze, "ExpiredMetadataError", False, id="expired-metadata-freeze"),
    pytest.param(unknown_signer, "SignatureError", True, id="signed-by-unknown-key"),
    pytest.param(one_signature_of_two, "SignatureError", True, id="too-few-signatures"),
    pytest.param(one_known_one_unknown, "SignatureError", True, id="unknown-key-fills-no-threshold"),
    pytest.param(old_version, "RollbackError", False, id="older-release-offered-again"),
    pytest.param(stolen_hub_signs_team, "UntrustedMetadataError", False, id="team-role-by-foreign-key"),
    pytest.param(unlisted_target, "UntrustedMetadataError", False, id="target-nobody-signed"),
    pytest.param(order_lies_about_version, "SubjectMismatchError", True, id="order-and-target-differ"),
    pytest.param(wrong_goldens, "GoldenMismatchError", True, id="golden-vectors-not-reproduced"),
    pytest.param(cpu_instead_of_the_npu, "PlacementError", True, id="nodes-on-the-cpu-instead-of-the-npu"),
    pytest.param(firmware_only, "CompileOnlyError", True, id="nothing-here-can-run-it"),
    pytest.param(other_profile, "NotFoundError", True, id="no-variant-for-this-profile"),
]


@pytest.mark.parametrize(("attack", "name", "final"), REFUSALS)
def test_refusals(world: World, attack: Callable[[World], None], name: str, final: bool) -> None:
    world.poll()
    world.hub.publish(make_release("2.0.0"))
    world.hub.order("2.0.0")
    attack(world)
    transfers = len(world.hub.transfers)
    world.poll()
    outcome = world.hub.outcomes[-1]
    assert (outcome.result, outcome.error) == (UpdateResult.REFUSED, name)
    assert outcome.detail
    assert served_version(world.node) == "1.0.0"
    assert world.node.store.slots(MODEL).staged is None

    after_refusal = len(world.hub.transfers)
    if not final:
        assert after_refusal == transfers, "no blob may be fetched before the metadata holds"
    world.poll(3)
    assert len(world.hub.transfers) == after_refusal, "a refused release was fetched again"
    assert len(world.hub.outcomes) == 2, "the same refusal was reported twice"
    kinds = [event.kind for event in world.node.recorder.take_events()]
    assert kinds == ["activated", "refused"]

    world.restart()
    assert served_version(world.node) == "1.0.0"


def test_the_hub_is_told_the_numbers(world: World) -> None:
    world.poll()
    world.hub.order("2.0.0")
    cpu_instead_of_the_npu(world)
    world.poll()
    assert "expected 12 of 12 nodes on npu, 0 elsewhere" in world.hub.outcomes[-1].detail
    world.hub.publish(make_release("3.0.0", wrong_goldens=True))
    world.hub.order("3.0.0")
    world.poll()
    assert "golden vector 0, output" in world.hub.outcomes[-1].detail
    assert "values differ by up to " in world.hub.outcomes[-1].detail
    assert served_version(world.node) == "1.0.0"


def test_metadata_of_yesterday_is_a_rollback(world: World) -> None:
    kept = dict(world.hub.tuf.files)
    world.poll()
    world.update_to("2.0.0")
    world.hub.faults.metadata = kept
    world.hub.order("3.0.0")
    world.poll()
    assert last_error(world.node) == "RollbackError"
    assert "timestamp" in world.hub.outcomes[-1].detail


def test_metadata_rollback_is_refused_after_a_restart_too(world: World) -> None:
    kept = dict(world.hub.tuf.files)
    world.poll()
    world.update_to("2.0.0")
    world.restart()
    world.hub.faults.metadata = kept
    world.hub.order("3.0.0")
    world.poll()
    assert last_error(world.node) == "RollbackError"


def test_a_thawed_hub_heals_the_node(world: World) -> None:
    world.poll()
    world.hub.publish(make_release("2.0.0"))
    world.hub.order("2.0.0")
    freeze(world)
    world.poll()
    assert served_version(world.node) == "1.0.0"
    world.hub.tuf.refresh()
    world.poll()
    assert served_version(world.node) == "2.0.0"
    assert [o.result for o in world.hub.outcomes] == [
        UpdateResult.ACTIVATED,
        UpdateResult.REFUSED,
        UpdateResult.ACTIVATED,
    ]


def test_a_new_order_for_a_refused_release_is_tried_again(world: World) -> None:
    world.poll()
    world.hub.publish(make_release("2.0.0"))
    world.hub.order("2.0.0")
    flip_artifact(world)
    world.poll()
    world.hub.faults.flip_in = set()
    world.hub.order("2.0.0", rollout_id="again")
    world.poll()
    assert served_version(world.node) == "2.0.0"


def test_a_clock_that_was_never_set_refuses_releases_and_keeps_serving(world: World) -> None:
    world.poll()
    world.hub.publish(make_release("2.0.0"))
    world.hub.order("2.0.0")
    right, world.clock.now = world.clock.now, 1000.0
    world.restart()
    world.poll()
    assert last_error(world.node) == "ClockError"
    assert world.hub.outcomes[-1].result is UpdateResult.FAILED
    assert served_version(world.node) == "1.0.0"
    world.clock.now = right
    world.poll()
    assert served_version(world.node) == "2.0.0"


def test_spent_token_is_refused_told_once_and_the_node_keeps_trying(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = World(tmp_path, "1.0.0")
    Path(world.config.hub.token_file or "").write_text("another-token-of-some-length")
    world.poll(3)
    assert "RefusedError" in world.node.poller.last_error
    assert world.node.poller.schedule.failures == 3
    [told] = caplog.messages
    assert "`skerry nodes token`" in told
    assert str(world.config.hub.token_file) in told


@pytest.mark.parametrize(
    ("content", "got"),
    [
        pytest.param(None, "no such file", id="missing"),
        pytest.param("", "0 characters", id="empty"),
        pytest.param("short\n", "5 characters", id="short"),
        pytest.param("x" * 257, "257 characters", id="long"),
    ],
)
def test_a_useless_token_file_is_named_and_read_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | None, got: str
) -> None:
    caplog.set_level(logging.INFO)
    world = World(tmp_path, "1.0.0")
    file = Path(world.config.hub.token_file or "")
    file.unlink() if content is None else file.write_text(content)
    world.poll(3)
    error = world.node.poller.last_error
    assert error.startswith(f"InvalidInputError: {file}")
    assert f"got {got}" in error
    assert "`skerry nodes token`" in error
    assert len(caplog.messages) == 1
    file.write_text(TOKEN + "\n")
    assert not world.node.poller.regained.is_set()
    world.poll()
    assert world.node.poller.last_error == ""
    assert world.node.poller.regained.is_set()
    assert [message for message in caplog.messages if "answers again after 3 failed polls" in message]
    close(world.node)


def test_another_profile_of_the_same_release_is_installed(world: World) -> None:
    world.poll()
    world.hub.publish(make_release("1.0.0", profile="cpu-int8"))
    world.restart()
    updater = replace(world.node.updater, profile="cpu-int8")
    world.node.poller.updater = updater
    world.poll()
    served = world.node.table.get(MODEL)
    assert (served.version, served.manifest.profile) == ("1.0.0", "cpu-int8")


def test_a_refused_release_leaves_no_blobs(world: World) -> None:
    world.poll()
    before = sorted(path.name for path in (world.config.state / "blobs" / "sha256").iterdir())
    world.hub.publish(make_release("2.0.0", wrong_goldens=True))
    world.hub.order("2.0.0")
    world.poll()
    assert last_error(world.node) == "GoldenMismatchError"
    assert sorted(path.name for path in (world.config.state / "blobs" / "sha256").iterdir()) == before
