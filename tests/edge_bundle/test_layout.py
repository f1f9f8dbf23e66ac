"""Layouts on disk: atomic, checked at every read, the same as a directory and as a tar."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from edge_bundle.digest import sha256_digest
from edge_bundle.errors import (
    AlreadyClosedError,
    ConflictError,
    DigestMismatchError,
    FormatError,
    LimitExceededError,
    NotFoundError,
)
from edge_bundle.layout import Layout
from tests.edge_bundle.samples import sample_release

DATA = b"some blob"
DIGEST = sha256_digest(DATA)
ABSENT = "sha256:" + "0" * 64


def blob_path(root: Path, digest: str = DIGEST) -> Path:
    return root / "blobs" / "sha256" / digest.removeprefix("sha256:")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    Layout.create(root).write(DATA, "text/plain")
    return root


def test_written_blobs_come_back(root: Path) -> None:
    layout = Layout.open(root)
    assert (layout.has(DIGEST), layout.has(ABSENT)) == (True, False)
    assert layout.read(DIGEST, max_bytes=len(DATA)) == DATA
    described = layout.write(DATA, "text/plain", {"a": "b"})
    assert (described.digest, described.size, described.annotations) == (DIGEST, len(DATA), {"a": "b"})


def test_discarded_blobs_are_gone(root: Path) -> None:
    layout = Layout.open(root)
    layout.discard(DIGEST)
    layout.discard(DIGEST)
    assert not layout.has(DIGEST)


def test_no_half_written_file_is_left(root: Path) -> None:
    assert [p.name for p in root.rglob(".*")] == []


def test_flipped_byte_on_disk_is_found(root: Path) -> None:
    blob_path(root).write_bytes(b"Some blob")
    with pytest.raises(DigestMismatchError, match=DIGEST):
        Layout.open(root).read(DIGEST, max_bytes=100)


def test_oversized_blob_is_not_read(root: Path) -> None:
    with pytest.raises(LimitExceededError, match="at most 8 bytes, got 9"):
        Layout.open(root).read(DIGEST, max_bytes=8)


def test_absent_blob_is_named(root: Path) -> None:
    with pytest.raises(NotFoundError, match="0000"):
        Layout.open(root).read(ABSENT, max_bytes=8)


def test_dotdot_digest_never_becomes_a_path(root: Path) -> None:
    with pytest.raises(FormatError):
        Layout.open(root).read("sha256:../../oci-layout", max_bytes=100)


def test_symlink_in_place_of_a_blob_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(DATA)
    blob_path(root).unlink()
    blob_path(root).symlink_to(tmp_path / "secret")
    with pytest.raises(FormatError, match="a plain file"):
        Layout.open(root).read(DIGEST, max_bytes=100)


def test_fifo_in_place_of_a_blob_does_not_block(root: Path) -> None:
    blob_path(root).unlink()
    os.mkfifo(blob_path(root))
    with pytest.raises(FormatError, match="a plain file"):
        Layout.open(root).read(DIGEST, max_bytes=100)


def test_creating_over_something_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="a new or empty directory"):
        Layout.create(root)
    (tmp_path / "empty").mkdir()
    Layout.create(tmp_path / "empty")


def test_opening_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="absent"):
        Layout.open(tmp_path / "absent")
    with pytest.raises(FormatError, match="OCI image layout"):
        Layout.open(tmp_path)
    (tmp_path / "file").write_bytes(b"no tar" * 1000)
    with pytest.raises(FormatError, match="archive"):
        Layout.open(tmp_path / "file")


def test_tar_holds_the_same_and_is_deterministic(tmp_path: Path) -> None:
    release = sample_release(tmp_path / "a")
    again = sample_release(tmp_path / "b")
    release.layout.export_tar(tmp_path / "a.tar")
    again.layout.export_tar(tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with Layout.open(tmp_path / "a.tar") as tar:
        assert tar.index == release.index
        assert tar.has(release.refs.bundle_digest)
        assert tar.read(release.refs.bundle_digest, max_bytes=10_000)
        with pytest.raises(LimitExceededError):
            tar.read(release.refs.bundle_digest, max_bytes=1)
        with pytest.raises(NotFoundError):
            tar.read(ABSENT, max_bytes=1)
        tar.export_tar(tmp_path / "c.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "c.tar").read_bytes()


def test_tar_is_read_only_and_says_when_it_is_closed(tmp_path: Path) -> None:
    release = sample_release(tmp_path / "a")
    release.layout.export_tar(tmp_path / "a.tar")
    tar = Layout.open(tmp_path / "a.tar")
    with pytest.raises(ConflictError, match="only reading"):
        tar.write(DATA, "text/plain")
    with pytest.raises(ConflictError, match="only reading"):
        tar.discard(DIGEST)
    tar.close()
    tar.close()
    with pytest.raises(AlreadyClosedError, match="already closed"):
        _ = tar.index


def test_failed_export_leaves_the_old_file(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "bundle.tar"
    target.write_bytes(b"old")
    blob_path(root, "not-a-digest*").write_bytes(b"")
    with pytest.raises(FormatError, match="unsafe name"):
        Layout.open(root).export_tar(target)
    assert target.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "bundle.tar"]


def test_tar_made_by_another_tool_with_directories(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("blobs", "index.json", "oci-layout"):
            tar.add(root / name, arcname=name)
    with Layout.open(path) as layout:
        assert layout.has(DIGEST)


def test_link_in_a_bundle_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("index.json")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info, io.BytesIO())
    with pytest.raises(FormatError, match="a symbolic link"):
        Layout.open(tmp_path / "evil.tar")
