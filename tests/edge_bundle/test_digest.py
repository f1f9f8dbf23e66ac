"""Digests: well-formedness, bounds while streaming, mismatches by name."""

from __future__ import annotations

import hashlib
import io

import pytest

from edge_bundle.digest import Sha256Writer, check_digest, hex_of, parse_digest, sha256_digest, sha256_stream
from edge_bundle.errors import DigestMismatchError, FormatError, LimitExceededError
from edge_bundle.version import Version

DATA = b"skerry" * 1000
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


def test_memory_and_stream_agree() -> None:
    assert sha256_digest(DATA) == DIGEST
    assert sha256_stream(io.BytesIO(DATA), max_bytes=len(DATA)) == (DIGEST, len(DATA))
    assert hex_of(DIGEST) == hashlib.sha256(DATA).hexdigest()


def test_stream_stops_at_its_bound() -> None:
    with pytest.raises(LimitExceededError, match="at most 5999 bytes"):
        sha256_stream(io.BytesIO(DATA), max_bytes=len(DATA) - 1)


def test_writer_passes_on_only_what_is_within_the_bound() -> None:
    target = io.BytesIO()
    writer = Sha256Writer(target, max_bytes=8)
    writer.write(b"12345678")
    with pytest.raises(LimitExceededError):
        writer.write(b"9")
    assert (target.getvalue(), writer.size, writer.digest) == (b"12345678", 8, sha256_digest(b"12345678"))


def test_flipped_byte_is_named() -> None:
    with pytest.raises(DigestMismatchError, match="weights: expected sha256:") as caught:
        check_digest(b"S" + DATA[1:], DIGEST, subject="weights")
    assert caught.value.expected == DIGEST


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DIGEST.upper(), id="upper_case"),
        pytest.param(DIGEST[:-1], id="short"),
        pytest.param(DIGEST + "\n", id="newline"),
        pytest.param("sha512:" + "0" * 64, id="other_algorithm"),
        pytest.param("sha256:../../../../etc/passwd", id="dotdot_path"),
        pytest.param("", id="empty"),
    ],
)
def test_malformed_digests_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match="64 lower-case hex digits"):
        parse_digest(text, what="digest")


def test_versions_order_as_numbers() -> None:
    texts = ["0.9.10", "1.0.0", "1.2.9", "1.2.10", "10.0.0"]
    assert [str(v) for v in sorted(map(Version.parse, reversed(texts)))] == texts


@pytest.mark.parametrize(
    "text",
    ["1.0", "1.0.0.0", "01.0.0", "1.0.0-rc1", "v1.0.0", "1.0.0\n", "1.0.٣", "", "1.0.1000000000", "-1.0.0"],
)
def test_malformed_versions_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match="three numbers"):
        Version.parse(text)
