"""Keys: RFC 8032 vectors, files with their modes, secrets that stay secret, and the trust policy."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from edge_bundle.errors import ConflictError, FormatError, InvalidInputError, NotFoundError
from edge_bundle.keys import PublicKey, SigningKey, TrustPolicy
from tests.edge_bundle.samples import ALICE, BOB

SEED = bytes(range(32))
SEED_TEXT = base64.b64encode(SEED).decode()


# RFC 8032 section 7.1, tests 1 to 3: seed, public key, message, signature.
@pytest.mark.parametrize(
    ("seed", "public", "message", "signature"),
    [
        pytest.param(
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            id="test_1",
        ),
        pytest.param(
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            id="test_2",
        ),
    ],
)
def test_rfc_8032_vectors(seed: str, public: str, message: str, signature: str) -> None:
    key = SigningKey.from_seed(bytes.fromhex(seed))
    assert key.public.raw.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    assert key.public.verify(bytes.fromhex(message), bytes.fromhex(signature))


@pytest.mark.parametrize(
    ("message", "signature"),
    [
        pytest.param(b"other", ALICE.sign(b"message"), id="other_message"),
        pytest.param(b"message", BOB.sign(b"message"), id="other_key"),
        pytest.param(b"message", ALICE.sign(b"message")[:-1], id="short"),
        pytest.param(b"message", b"", id="empty"),
        pytest.param(b"message", bytes(64), id="zeros"),
    ],
)
def test_signatures_that_are_none(message: bytes, signature: bytes) -> None:
    assert not ALICE.public.verify(message, signature)


def test_small_order_public_key_verifies_nothing() -> None:
    # With the identity point as key, the all-identity signature would hold for every message.
    identity = PublicKey(b"\x01" + bytes(31))
    assert not identity.verify(b"any message", b"\x01" + bytes(63))


def test_files_round_trip_with_their_modes(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "alice.key")
    key.public.save(tmp_path / "alice.pub")
    assert SigningKey.load(tmp_path / "alice.key").public == PublicKey.load(tmp_path / "alice.pub")
    assert stat.S_IMODE((tmp_path / "alice.key").stat().st_mode) == 0o600
    assert PublicKey.from_text(key.public.to_text()) == key.public


def test_saving_never_overwrites(tmp_path: Path) -> None:
    ALICE.save(tmp_path / "alice.key")
    before = (tmp_path / "alice.key").read_bytes()
    with pytest.raises(ConflictError, match="an existing key"):
        BOB.save(tmp_path / "alice.key")
    assert (tmp_path / "alice.key").read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_private_keys_open_to_others_are_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "alice.key"
    ALICE.save(path)
    path.chmod(mode)
    with pytest.raises(InvalidInputError, match=f"only its owner can read .mode 0600., got mode {mode:04o}") as caught:
        SigningKey.load(path)
    assert caught.value.advice == f"chmod 600 {path}"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"skerry-public-key-1 {SEED_TEXT}", id="public_for_private"),
        pytest.param(f"{SEED_TEXT}", id="no_label"),
        pytest.param(f"skerry-secret-key-1 {SEED_TEXT} extra", id="extra_word"),
        pytest.param(f"skerry-secret-key-1 {SEED_TEXT[:-4]}", id="short_key"),
        pytest.param(f"skerry-secret-key-1 *{SEED_TEXT[1:]}", id="not_base64"),
        pytest.param(f"skerry-secret-key-1 {SEED_TEXT}{' ' * 2000}", id="huge_file"),
        pytest.param("", id="empty"),
        pytest.param("\xff\xfe", id="binary"),
    ],
)
def test_malformed_key_files_are_refused_without_quoting_them(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.key"
    path.write_text(content, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(InvalidInputError) as caught:
        SigningKey.load(path)
    assert str(path) in str(caught.value)
    assert SEED_TEXT[:16] not in f"{caught.value} {caught.value.advice}"


def test_private_key_given_as_public_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "oops.pub"
    SigningKey.from_seed(SEED).save(path)
    with pytest.raises(InvalidInputError, match="expected 'skerry-public-key-1' and a base64 key") as caught:
        PublicKey.load(path)
    assert SEED_TEXT[:16] not in str(caught.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nobody\.key"):
        SigningKey.load(tmp_path / "nobody.key")
    with pytest.raises(InvalidInputError, match="readable key file"):
        PublicKey.load(tmp_path)
    with pytest.raises(NotFoundError, match="directory"):
        ALICE.save(tmp_path / "absent" / "alice.key")


def test_repr_hides_the_secret() -> None:
    key = SigningKey.from_seed(SEED)
    shown = f"{key!r} {key} {vars(key)}"
    assert "secret hidden" in repr(key)
    for secret in (SEED.hex(), SEED_TEXT, repr(SEED)):
        assert secret not in shown


@pytest.mark.parametrize(
    ("keys", "threshold", "message"),
    [
        pytest.param((ALICE.public, ALICE.public), 2, "distinct keys, got 1 repeated", id="one_key_twice"),
        pytest.param((ALICE.public,), 2, "threshold: expected 1 to 1", id="threshold_above_keys"),
        pytest.param((ALICE.public,), 0, "threshold: expected 1 to 1", id="threshold_zero"),
        pytest.param((), 1, "threshold: expected 1 to 0", id="no_keys"),
    ],
)
def test_impossible_policies_are_refused(keys: tuple[PublicKey, ...], threshold: int, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        TrustPolicy(keys, threshold)


def test_public_keys_have_32_bytes() -> None:
    with pytest.raises(FormatError, match="32 bytes"):
        PublicKey(b"short")
    with pytest.raises(FormatError, match="32 bytes"):
        SigningKey.from_seed(b"short")
    with pytest.raises(FormatError, match="base64"):
        PublicKey.from_text("no base64 at all")
