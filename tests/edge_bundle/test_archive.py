"""Archives: deterministic, readable by ``tarfile``, and shut to every known trick."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from edge_bundle.archive import pack, scan, unpack
from edge_bundle.errors import FormatError, LimitExceededError
from tests.edge_bundle.hostile_archives import GOOD, HOSTILE_ARCHIVES

FILES = {"model.onnx": b"weights" * 300, "data/model.bin": b"\0" * 512, ".hidden": b"", "a b+c=d@e,f": b"1"}


def test_round_trip_is_deterministic_in_any_order() -> None:
    data = pack(FILES)
    assert data == pack(dict(reversed(FILES.items())))
    assert unpack(data) == FILES


def test_other_tools_read_it_with_zero_times_and_fixed_modes() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(FILES))) as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == sorted(FILES)
    assert {(m.mtime, m.mode, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0o644, 0, 0, "", "")}


def test_names_split_between_prefix_and_name_come_back_whole() -> None:
    name = f"{'d' * 120}/{'n' * 90}"
    assert unpack(pack({name: b"1"})) == {name: b"1"}


@pytest.mark.parametrize(("data", "message"), [pytest.param(*case, id=name) for name, case in HOSTILE_ARCHIVES.items()])
def test_hostile_archives_are_refused(data: bytes, message: str) -> None:
    with pytest.raises((FormatError, LimitExceededError), match=message):
        unpack(data)


@pytest.mark.parametrize("name", ["../evil", "/evil", "", "a/", "a\0b", "é"])
def test_writer_refuses_what_the_reader_would(name: str) -> None:
    with pytest.raises(FormatError, match="safe relative names"):
        pack({name: b""})


@pytest.mark.parametrize(
    "name",
    [pytest.param("n" * 101, id="no_slash_to_split_at"), pytest.param("n/" * 60 + "n" * 120, id="long_last_name")],
)
def test_names_that_ustar_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(FormatError, match="safe relative names"):
        pack({name: b""})


def test_names_have_a_limit() -> None:
    with pytest.raises(LimitExceededError, match="at most 255 bytes"):
        pack({"n" * 256: b""})


def test_too_many_files_are_refused() -> None:
    with pytest.raises(LimitExceededError, match="at most 2 files, got 3"):
        unpack(pack({"a": b"", "b": b"", "c": b""}), max_files=2)


def test_sum_of_sizes_is_bounded() -> None:
    with pytest.raises(LimitExceededError, match="at most 3 bytes, got 4"):
        unpack(pack({"a": b"12", "b": b"34"}), max_bytes=3)


def test_scan_reads_headers_only_and_may_skip_directories(tmp_path: Path) -> None:
    path = tmp_path / "made_by_tar.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        folder = tarfile.TarInfo("blobs")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        info = tarfile.TarInfo("blobs/a")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    with path.open("rb") as file:
        (member,) = scan(file, max_bytes=10, max_files=10, skip_directories=True)
        file.seek(member.offset)
        assert (member.name, file.read(member.size)) == ("blobs/a", b"abc")


def test_good_archive_is_good() -> None:
    assert unpack(GOOD) == {"model.onnx": b"weights"}
