"""The TUF lock: what is kept, what is refused, and by which name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_agent.disk import RealDisk
from edge_agent.ports import Disk, HubPort
from edge_agent.trust import ReleaseTrust, TrustedTarget
from edge_bundle.errors import (
    DigestMismatchError,
    InvalidInputError,
    RefusedError,
    RollbackError,
    SkerryError,
    UnavailableError,
    UntrustedMetadataError,
)
from edge_bundle.messages import target_path
from tests.sim.memory_hub import FakeClock, MemoryHub
from tests.sim.memory_tuf import MemoryTuf
from tests.sim.node import hub_with, make_config, make_node
from tests.sim.releases import MODEL, make_release

PATH = target_path(MODEL, "1.0.0")


@dataclass
class Bench:
    """A hub and a node's metadata directory."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    disk: Disk = field(default_factory=RealDisk)

    def __post_init__(self) -> None:
        self.hub = hub_with(self.clock, "1.0.0")
        self.root = self.hub.tuf.root

    def locate(self, path: str = PATH, *, hub: HubPort | None = None) -> TrustedTarget:
        trust = ReleaseTrust(
            root=self.root,
            directory=self.folder,
            disk=self.disk,
            hub=hub or self.hub,
            clock=self.clock,
            timeout_s=0.2,
        )
        return asyncio.run(trust.locate(path))

    def replace(self, file: str, old: bytes, new: bytes) -> None:
        files = self.hub.tuf.files
        assert old in files[file]
        files[file] = files[file].replace(old, new)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "tuf")


def test_a_target_is_found_with_what_the_team_signed(bench: Bench) -> None:
    release = make_release("1.0.0")
    target = bench.locate()
    assert (target.digest, target.length) == (release.index_digest, len(release.index))
    assert (target.custom.model, target.custom.bundle_digest) == (MODEL, release.bundle_digest)
    target.check(release.index)
    for wrong in (release.index + b" ", release.index[:-1], b""):
        with pytest.raises(DigestMismatchError):
            target.check(wrong)


def test_verified_metadata_is_kept(bench: Bench) -> None:
    bench.locate()
    kept = {str(path.relative_to(bench.folder)) for path in bench.folder.rglob("*.json")}
    assert kept == {"snapshot.json", "targets.json", "team-digits.json", "timestamp.json", "root_history/1.root.json"}


def test_the_scratch_folder_goes_after_use_and_after_a_crash(bench: Bench) -> None:
    scratch = bench.folder / "scratch"
    scratch.mkdir(parents=True)
    (scratch / "timestamp.json").write_bytes(b"left by a process that was killed")
    bench.locate()
    assert not scratch.exists()
    with pytest.raises(UntrustedMetadataError):
        bench.locate("digits/9.9.9.json")
    assert not scratch.exists()


def test_a_full_disk_under_the_scratch_folder_is_told_as_such(bench: Bench) -> None:
    class FullFolder(RealDisk):
        def fresh_folder(self, path: Path) -> None:
            super().fresh_folder(path)
            (path / "root_history").write_bytes(b"")  # where a folder is needed: an OSError within ngclient

    bench.disk = FullFolder()
    with pytest.raises(UnavailableError, match="scratch"):
        bench.locate()
    assert not (bench.folder / "scratch").exists()


def test_a_rotated_root_is_followed_and_kept(bench: Bench) -> None:
    bench.locate()
    bench.hub.tuf.rotate_root()
    bench.locate()
    assert (bench.folder / "root_history" / "2.root.json").exists()
    bench.hub.tuf.files.pop("2.root.json")
    bench.locate()


def test_garbage_on_disk_is_replaced(bench: Bench) -> None:
    bench.locate()
    for name in ("timestamp.json", "snapshot.json", "targets.json", "root_history/1.root.json"):
        (bench.folder / name).write_bytes(b"\0" * 100)
    assert bench.locate().path == PATH


def test_what_was_verified_before_a_refusal_is_kept(bench: Bench) -> None:
    """A newer timestamp binds the node even if the snapshot behind it was withheld."""
    bench.locate()
    kept = dict(bench.hub.tuf.files)
    bench.hub.publish(make_release("2.0.0"))
    withheld = [name for name in bench.hub.tuf.files if name.endswith("snapshot.json") and name not in kept]
    held_back = {name: bench.hub.tuf.files.pop(name) for name in withheld}
    with pytest.raises(SkerryError):
        bench.locate()
    bench.hub.tuf.files, now = kept, {**bench.hub.tuf.files, **held_back}
    with pytest.raises(RollbackError, match="timestamp"):
        bench.locate()
    bench.hub.tuf.files = now
    assert bench.locate(target_path(MODEL, "2.0.0")).custom.version == "2.0.0"


PIN = MemoryTuf(FakeClock())


@pytest.mark.parametrize(
    "pinned",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\xff" * 20, id="binary"),
        pytest.param(b"kNM0ymHLkLF2wBOIBuYzeTNkRBEhiZIBwwLQU3y8gWQ=\n", id="public-key-of-an-owner"),
        pytest.param(b"{}", id="other-json"),
        pytest.param(PIN.files["timestamp.json"], id="timestamp"),
        pytest.param(PIN.root.replace(b'"version":1', b'"version":2'), id="edited"),
    ],
)
def test_a_pinned_file_that_is_no_root_stops_the_start(tmp_path: Path, pinned: bytes) -> None:
    clock = FakeClock()
    config = make_config(tmp_path, pinned)
    with pytest.raises(InvalidInputError, match="root metadata") as caught:
        make_node(config, hub_with(clock), clock)
    assert (caught.value.file, caught.value.key) == (config.trust.root, "trust.root")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        pytest.param("timestamp.json", b'"version":3', b'"version":9', id="edited-timestamp"),
        pytest.param("timestamp.json", b"{", b"[", id="not-json"),
        pytest.param("1.targets.json", b"digits/*.json", b"digits/?.json", id="edited-delegation"),
        pytest.param("3.team-digits.json", b'"length":', b'"length":1', id="edited-target"),
    ],
)
def test_edited_metadata_is_untrusted(bench: Bench, file: str, old: bytes, new: bytes) -> None:
    bench.replace(file, old, new)
    with pytest.raises(UntrustedMetadataError):
        bench.locate()


def test_metadata_of_another_repository_is_untrusted(bench: Bench) -> None:
    """A mirror that replaces everything cannot replace the pinned root."""
    bench.root = MemoryTuf(bench.clock, seed=90).root
    with pytest.raises(UntrustedMetadataError):
        bench.locate()


class SlowHub(MemoryHub):
    """Never finishes a metadata file."""

    async def metadata(self, file: str, *, max_bytes: int) -> bytes | None:
        await asyncio.sleep(60)
        return b""


class FloodHub(MemoryHub):
    """Sends more than any metadata file has."""

    async def metadata(self, file: str, *, max_bytes: int) -> bytes | None:
        return b" " * (max_bytes + 1)


class StrictHub(MemoryHub):
    """Refuses."""

    async def metadata(self, file: str, *, max_bytes: int) -> bytes | None:
        raise RefusedError(what="metadata", detail="not for you")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        pytest.param(SlowHub, UnavailableError, id="slow"),
        pytest.param(FloodHub, UntrustedMetadataError, id="flood"),
        pytest.param(StrictHub, RefusedError, id="refusing"),
    ],
)
def test_bad_servers(bench: Bench, kind: type[MemoryHub], error: type[SkerryError]) -> None:
    with pytest.raises(error):
        bench.locate(hub=kind(bench.clock))
