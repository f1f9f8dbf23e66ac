"""zstd blobs: round trip, and every way to lie about sizes."""

from __future__ import annotations

import os

import pytest
import zstandard

from edge_bundle.blobs import compress, decompress
from edge_bundle.errors import FormatError, LimitExceededError
from edge_bundle.limits import RATIO_FLOOR_BYTES

MIB = 1 << 20


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"abc" * 1000, os.urandom(4096), bytes(RATIO_FLOOR_BYTES)],
    ids=["empty", "one", "text", "noise", "zeros"],
)
def test_round_trip(data: bytes) -> None:
    packed = compress(data)
    assert packed == compress(data)
    assert decompress(packed, max_bytes=len(data)) == data


def streamed(data: bytes) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(data) + packer.flush()


def with_stated_size(data: bytes, size: int) -> bytes:
    """A frame whose header states another content size (RFC 8878 section 3.1.1.1: four-byte field, one segment)."""
    frame = zstandard.ZstdCompressor(write_content_size=True).compress(data)
    assert frame[4] >> 6 == 2, "expected a four-byte content size"
    return frame[:5] + size.to_bytes(4, "little") + frame[9:]


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        pytest.param(b"", "no zstd magic", id="empty_file"),
        pytest.param(b"PK\x03\x04rest", "no zstd magic", id="another_format"),
        pytest.param(compress(os.urandom(1000))[:-100], "got", id="truncated_blob"),
        pytest.param(compress(b"a" * 100) + b"extra", "unused data", id="trailing_data"),
        pytest.param(compress(b"a") + compress(b"b"), "unused data", id="two_frames"),
        pytest.param(compress(b"") + b"extra", "got", id="data_after_an_empty_frame"),
        pytest.param(streamed(b"a" * 1000), "no content size", id="unstated_size"),
        pytest.param(b"\x50\x2a\x4d\x18\x04\0\0\0abcd", "no zstd magic", id="skippable_frame"),
        pytest.param(with_stated_size(b"ab" * MIB, MIB), "got", id="states_less_than_it_holds"),
        pytest.param(with_stated_size(b"ab" * MIB, 3 * MIB), "got", id="states_more_than_it_holds"),
    ],
)
def test_malformed_blobs_are_refused(packed: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        decompress(packed, max_bytes=16 * MIB, max_ratio=1_000_000)


def test_zip_bomb_is_refused_by_ratio() -> None:
    bomb = compress(bytes(64 * MIB))
    assert len(bomb) < 64 * 1024
    with pytest.raises(LimitExceededError, match="at most 200 times its packed size"):
        decompress(bomb, max_bytes=1024 * MIB)


def test_zip_bomb_is_refused_by_size() -> None:
    with pytest.raises(LimitExceededError, match=f"at most {MIB} bytes, got {2 * MIB}"):
        decompress(compress(bytes(2 * MIB)), max_bytes=MIB, max_ratio=1_000_000)


def test_huge_length_is_refused_before_allocating() -> None:
    with pytest.raises(LimitExceededError, match="got 4294967295"):
        decompress(with_stated_size(b"ab" * MIB, 2**32 - 1), max_bytes=16 * MIB)
