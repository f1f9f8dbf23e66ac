"""Files from a command line that never end, or that nobody writes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edge_bundle.errors import InvalidInputError, LimitExceededError
from edge_bundle.regular_file import read_regular


def test_a_file_is_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", max_bytes=4) == b"1234"
    with pytest.raises(LimitExceededError, match="at most 3 bytes, got 4"):
        read_regular(tmp_path / "file", max_bytes=3)


def test_what_has_no_end_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name, kind in (("pipe", "a pipe"), ("zeros", "a device")):
        with pytest.raises(InvalidInputError, match=f"{name}: expected a regular file, got {kind}") as refusal:
            read_regular(tmp_path / name, max_bytes=10)
        assert refusal.value.advice


def test_what_is_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path, max_bytes=10)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match="No such device"):
            read_regular(tmp_path / "s", max_bytes=10)
