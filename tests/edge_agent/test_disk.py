"""The real disk: order of system calls, modes, bounds; and the identity that lives on it."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from edge_agent.disk import RealDisk
from edge_agent.identity import Enrolment, IdentityStore
from edge_bundle.errors import InvalidInputError, LimitExceededError, UnavailableError
from tests.sim.memory_hub import FakeClock
from tests.sim.node import close, hub_with, make_config, make_node


def test_a_write_is_durable_before_it_is_visible(tmp_path: Path) -> None:
    operations: list[str] = []
    RealDisk(operations.append).write(tmp_path / "a" / "file", b"data")
    assert operations == [
        "create directory a",
        "create file.tmp",
        "write file.tmp",
        "fsync file.tmp",
        "rename file.tmp to file",
        "fsync directory a",
    ]
    assert (tmp_path / "a" / "file").read_bytes() == b"data"


def test_a_finished_download_is_durable_before_it_is_a_blob(tmp_path: Path) -> None:
    operations: list[str] = []
    disk = RealDisk(operations.append)
    (tmp_path / "blobs").mkdir()
    disk.append(tmp_path / "partial", b"one")
    disk.append(tmp_path / "partial", b"two")
    disk.rename(tmp_path / "partial", tmp_path / "blobs" / "blob")
    assert operations == ["append partial"] * 2 + ["fsync partial", "rename partial to blob", "fsync directory blobs"]
    assert (tmp_path / "blobs" / "blob").read_bytes() == b"onetwo"


def test_every_blob_is_durable_before_the_slots_name_it(tmp_path: Path) -> None:
    clock = FakeClock()
    hub = hub_with(clock, "1.0.0")
    operations: list[str] = []
    node = make_node(make_config(tmp_path, hub.tuf.root), hub, clock, disk=RealDisk(operations.append))
    asyncio.run(node.poller.tick())
    close(node)
    commit = operations.index("rename slots.json.tmp to slots.json")
    last_blob = max(i for i, name in enumerate(operations) if name == "fsync directory sha256")
    assert last_blob < commit


def test_files_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        RealDisk().write(tmp_path / "identity" / "node.seed", b"x")
        RealDisk().append(tmp_path / "partial" / "x", b"x")
    finally:
        os.umask(old)
    for path, mode in (("identity/node.seed", 0o600), ("identity", 0o700), ("partial/x", 0o600), ("partial", 0o700)):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == mode


def test_reads_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert RealDisk().read(tmp_path / "file", max_bytes=5) == b"12345"
    with pytest.raises(LimitExceededError):
        RealDisk().read(tmp_path / "file", max_bytes=4)
    assert RealDisk().read(tmp_path / "missing", max_bytes=4) is None


def test_a_fresh_folder_is_empty_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "scratch"
    for _ in range(2):
        RealDisk().fresh_folder(folder)
        assert not list(folder.iterdir())
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_bytes(b"x")
    for _ in range(2):
        RealDisk().remove_folder(folder)
        assert not folder.exists()


def test_removing_twice_is_fine(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    RealDisk().remove(tmp_path / "file")
    RealDisk().remove(tmp_path / "file")


@pytest.mark.parametrize("failing", ["create", "write", "fsync file", "rename", "fsync directory"])
def test_a_full_disk_keeps_the_old_content(tmp_path: Path, failing: str) -> None:
    def full(operation: str) -> None:
        if operation.startswith(failing):
            raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(UnavailableError, match="No space left on device"):
        RealDisk(full).write(path, b"new")
    assert path.read_bytes() == (b"new" if failing == "fsync directory" else b"old")
    RealDisk().write(path, b"newer")
    assert path.read_bytes() == b"newer"


def test_the_node_key_is_made_once(tmp_path: Path) -> None:
    identities = IdentityStore(tmp_path, RealDisk())
    first, second = identities.load(os.urandom), identities.load(os.urandom)
    assert first.key.public == second.key.public
    assert first.boot_id != second.boot_id


def test_a_cut_key_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    RealDisk().write(tmp_path / "identity" / "node.seed", b"short")
    with pytest.raises(InvalidInputError, match=r"node\.seed"):
        IdentityStore(tmp_path, RealDisk()).load(os.urandom)


def test_an_enrolment_is_with_one_hub(tmp_path: Path) -> None:
    identities = IdentityStore(tmp_path, RealDisk())
    enrolment = Enrolment(node_id="node-1", hub_url="http://one")
    assert identities.enrolment("http://one") is None
    identities.enrolled(enrolment)
    assert identities.enrolment("http://one") == enrolment
    assert identities.enrolment("http://other") is None
