"""Coming back: damaged disks, forged slots, full disks. The last good release is served, or nothing is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_agent.disk import RealDisk
from edge_agent.slots import Phase, Slot, stage
from edge_agent.store import Store
from edge_bundle import canonical
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import FormatError, RuntimeMissingError, UnavailableError
from edge_bundle.walk import VerifiedVariant
from tests.sim.memory_hub import FakeClock
from tests.sim.node import close, hub_with, make_config, make_node, served_version
from tests.sim.releases import MALLORY, MODEL, PROFILE, make_release


class Box:
    """A node that has run 1.0.0 and then 2.0.0, switched off."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.hub = hub_with(self.clock, "1.0.0")
        self.config = make_config(folder, self.hub.tuf.root)
        self.node = make_node(self.config, self.hub, self.clock)
        asyncio.run(self.node.poller.tick())
        self.hub.publish(make_release("2.0.0"))
        self.hub.order("2.0.0")
        asyncio.run(self.node.poller.tick())
        close(self.node)

    def boot(self) -> str | None:
        self.node = make_node(self.config, self.hub, self.clock)
        asyncio.run(self.node.updater.restore())
        return served_version(self.node)

    def poll(self) -> str | None:
        asyncio.run(self.node.poller.tick())
        return served_version(self.node)

    @property
    def store(self) -> Store:
        return Store(self.config.state, RealDisk())

    def damage(self, version: str, digest: str | None = None) -> None:
        blobs = make_release(version).blobs
        others = make_release("1.0.0" if version == "2.0.0" else "2.0.0").blobs
        own = [d for d in blobs if d not in others]
        chosen = digest or max(own, key=lambda d: len(blobs[d]))
        path = self.store.blob_path(chosen)
        path.write_bytes(self.hub.flipped(path.read_bytes()))


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def events(box: Box) -> list[str]:
    return [event.kind for event in box.node.recorder.take_events()]


def test_the_current_release_comes_back(box: Box) -> None:
    assert box.boot() == "2.0.0"
    assert events(box) == []
    close(box.node)


def test_what_a_killed_refresh_left_is_removed_at_the_start(box: Box) -> None:
    scratch = box.config.state / "tuf" / "scratch"
    RealDisk().append(scratch / "root_history" / "1.root.json", b"half")
    assert box.boot() == "2.0.0"
    assert not scratch.exists()
    close(box.node)


def test_a_flipped_bit_on_disk_falls_back_to_previous_and_heals_with_the_next_poll(box: Box) -> None:
    box.damage("2.0.0")
    before = len(box.hub.transfers)
    assert box.boot() == "1.0.0"
    assert events(box) == ["rollback"]
    assert box.node.store.slots(MODEL).floor == "2.0.0"
    assert box.poll() == "2.0.0"
    assert len(box.hub.transfers) == before + 1, "only the damaged blob is fetched again"
    close(box.node)


@pytest.mark.parametrize("which", range(9))
def test_every_blob_of_the_current_release_is_checked(box: Box, which: int) -> None:
    release = make_release("2.0.0")
    digest = sorted(release.blobs)[which]
    box.damage("2.0.0", digest)
    served = box.boot()
    assert served == ("1.0.0" if digest not in make_release("1.0.0").blobs else None)
    assert box.poll() == "2.0.0"
    close(box.node)


def test_a_missing_blob_falls_back_too(box: Box) -> None:
    box.store.blob_path(make_release("2.0.0").index_digest).unlink()
    assert box.boot() == "1.0.0"
    assert box.poll() == "2.0.0"
    close(box.node)


def test_both_releases_damaged_serve_nothing_until_the_hub_helps(box: Box) -> None:
    box.damage("1.0.0")
    box.damage("2.0.0")
    assert box.boot() is None
    assert box.node.store.slots(MODEL).phase is Phase.EMPTY
    assert box.poll() == "2.0.0"
    close(box.node)


def test_signatures_are_checked_again_from_disk(box: Box) -> None:
    """An attacker with the disk, but without the owners' keys, plants a release with right digests everywhere."""
    forged = make_release("2.0.1", signers=(MALLORY,))
    store = box.store
    for digest, data in forged.blobs.items():
        RealDisk().write(store.blob_path(digest), data)
    slots = store.slots(MODEL)
    assert slots.current is not None
    planted = Slot(
        version="2.0.1",
        bundle_digest=forged.bundle_digest,
        variant_digest=sha256_digest(b"any"),
        profile=PROFILE,
        index_digest=forged.index_digest,
        blobs=tuple(forged.blobs),
    )
    store.commit(MODEL, type(slots)(current=planted, previous=slots.previous, floor="2.0.1"))
    assert box.boot() == "1.0.0"
    close(box.node)


def test_a_slot_that_names_another_release_is_refused(box: Box) -> None:
    store = box.store
    slots = store.slots(MODEL)
    store.commit("other-model", slots)
    assert box.boot() == "2.0.0"
    assert box.node.table.names() == (MODEL,)
    close(box.node)


def test_what_was_staged_is_dropped(box: Box) -> None:
    store = box.store
    slots = store.slots(MODEL)
    assert slots.previous is not None
    store.commit(MODEL, stage(slots, slots.previous))
    assert box.boot() == "2.0.0"
    assert box.node.store.slots(MODEL).staged is None
    close(box.node)


def test_a_runtime_that_vanished_is_no_crash(box: Box) -> None:
    def missing(_variant: VerifiedVariant) -> None:
        raise RuntimeMissingError(runtime="onnxruntime", extra="onnxruntime")

    node = make_node(box.config, box.hub, box.clock, prove=missing)  # type: ignore[arg-type]
    asyncio.run(node.updater.restore())
    assert node.table.names() == ()


def test_a_full_disk_does_not_keep_the_previous_release_from_serving(box: Box) -> None:
    def full(operation: str) -> None:
        if "slots.json" in operation:
            raise OSError(28, "No space left on device")

    box.damage("2.0.0")
    node = make_node(box.config, box.hub, box.clock, disk=RealDisk(full))
    asyncio.run(node.updater.restore())
    assert served_version(node) == "1.0.0"
    asyncio.run(node.poller.tick())
    assert served_version(node) == "1.0.0"
    assert box.hub.outcomes[-1].error == "UnavailableError"
    close(node)
    assert box.boot() == "2.0.0", "the blob was healed; only the slots could not be written"
    close(box.node)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"{", id="torn"),
        pytest.param(b'{"schema":1,"models":{"Digits!":{}}}', id="bad-name"),
        pytest.param(b'{"schema":1,"model":{}}', id="unknown-key"),
        pytest.param(b'{"schema":2,"models":{}}', id="newer-schema"),
    ],
)
def test_slots_that_nobody_can_read_are_an_error_that_names_the_file(tmp_path: Path, raw: bytes) -> None:
    RealDisk().write(tmp_path / "slots.json", raw)
    with pytest.raises(FormatError, match=r"slots\.json"):
        Store(tmp_path, RealDisk())


def test_slots_are_canonical_json(box: Box) -> None:
    raw = (box.config.state / "slots.json").read_bytes()
    assert canonical.dumps(canonical.decode(raw, dict, what="slots.json")) == raw


def test_an_unreadable_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "slots.json").mkdir()
    with pytest.raises(UnavailableError, match=r"slots\.json"):
        Store(tmp_path, RealDisk())
