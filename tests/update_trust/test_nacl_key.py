from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
import securesystemslib.signer._key as reference_module
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import KEY_FOR_TYPE_AND_SCHEME, Key, Signature, SSlibKey
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root, Timestamp
from tuf.api.serialization import DeserializationError

from edge_bundle.keys import SigningKey
from update_trust import nacl_key
from update_trust.nacl_key import NaclKey, NaclSigner

KEY = SigningKey.from_seed(b"k" * 32)
OTHER = SigningKey.from_seed(b"o" * 32)
EXPIRY = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)

# RFC 8032, section 7.1, tests 1 to 3.
RFC_8032 = [
    pytest.param(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        id="rfc8032-1",
    ),
    pytest.param(
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        id="rfc8032-2",
    ),
    pytest.param(
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        id="rfc8032-3",
    ),
]


def timestamp(version: int = 1) -> Metadata[Timestamp]:
    return Metadata(Timestamp(version=version, expires=EXPIRY))


@pytest.mark.parametrize(("seed", "message", "signature"), RFC_8032)
def test_signs_and_verifies_the_rfc_vectors(seed: str, message: str, signature: str) -> None:
    key = SigningKey.from_seed(bytes.fromhex(seed))
    made = NaclSigner(key).sign(bytes.fromhex(message))
    assert made.signature == signature
    NaclKey.of(key.public).verify_signature(made, bytes.fromhex(message))


@pytest.mark.parametrize("message", [b"", b"x", b"\x00" * 1000, "grüße".encode()])
def test_agrees_with_the_pure_python_reference(monkeypatch: pytest.MonkeyPatch, message: bytes) -> None:
    monkeypatch.setattr(reference_module, "CRYPTO_IMPORT_ERROR", "not used here")  # its fallback is pure Python
    ours = NaclKey.of(KEY.public)
    reference = SSlibKey(ours.keyid, ours.keytype, ours.scheme, dict(ours.keyval))
    good = NaclSigner(KEY).sign(message)
    wrong = Signature(good.keyid, NaclSigner(OTHER).sign(message).signature)
    keys: list[Key] = [ours, reference]
    for key in keys:
        key.verify_signature(good, message)
        with pytest.raises(UnverifiedSignatureError):
            key.verify_signature(wrong, message)
        with pytest.raises(UnverifiedSignatureError):
            key.verify_signature(good, message + b".")


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param("", id="empty"),
        pytest.param("zz" * 64, id="not-hex"),
        pytest.param("00" * 63, id="too-short"),
        pytest.param("00" * 65, id="too-long"),
        pytest.param("00" * 64, id="all-zero"),
        pytest.param("ff" * 64, id="scalar-out-of-range"),
    ],
)
def test_malformed_signature_is_refused(signature: str) -> None:
    with pytest.raises(UnverifiedSignatureError):
        NaclKey.of(KEY.public).verify_signature(Signature(KEY.public.keyid, signature), b"message")


def test_tuf_verification_goes_through_libsodium(monkeypatch: pytest.MonkeyPatch) -> None:
    nacl_key.register()
    assert KEY_FOR_TYPE_AND_SCHEME[("ed25519", "ed25519")] is NaclKey
    seen: list[str] = []
    original = NaclKey.verify_signature

    def spy(self: NaclKey, signature: Signature, data: bytes) -> None:
        seen.append(signature.keyid)
        original(self, signature, data)

    monkeypatch.setattr(NaclKey, "verify_signature", spy)
    root = Root(expires=EXPIRY)
    root.add_key(NaclKey.of(KEY.public), Timestamp.type)
    parsed: Metadata[Root] = Metadata.from_bytes(Metadata(root).to_bytes())  # keys now come from JSON
    assert all(type(key) is NaclKey for key in parsed.signed.keys.values())
    signed = timestamp()
    signed.sign(NaclSigner(KEY))
    parsed.signed.verify_delegate(Timestamp.type, signed.signed_bytes, signed.signatures)
    assert seen == [KEY.public.keyid]


def test_tuf_refuses_what_another_key_signed() -> None:
    nacl_key.register()
    root = Root(expires=EXPIRY)
    root.add_key(NaclKey.of(KEY.public), Timestamp.type)
    signed = timestamp()
    signed.sign(NaclSigner(OTHER))
    with pytest.raises(UnsignedMetadataError):
        root.verify_delegate(Timestamp.type, signed.signed_bytes, signed.signatures)


def _edit(change: dict[str, Any], *, keyid: str | None = None) -> bytes:
    root = Root(expires=EXPIRY)
    root.add_key(NaclKey.of(KEY.public), Timestamp.type)
    document = json.loads(Metadata(root).to_bytes())
    keys = document["signed"]["keys"]
    entry = keys.pop(KEY.public.keyid)
    entry.update(change)
    keys[keyid or KEY.public.keyid] = entry
    document["signed"]["roles"]["timestamp"]["keyids"] = list(keys)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_edit({}, keyid="0" * 64), id="one-key-under-a-second-keyid"),
        pytest.param(_edit({"keyval": {"public": "00" * 31}}), id="key-too-short"),
        pytest.param(_edit({"keyval": {"public": "not hex"}}), id="key-not-hex"),
        pytest.param(_edit({"keyval": {"public": 7}}), id="key-not-text"),
        pytest.param(_edit({"keyval": {}}), id="key-missing"),
    ],
)
def test_metadata_with_an_unsound_key_is_not_parsed(data: bytes) -> None:
    nacl_key.register()
    with pytest.raises(DeserializationError):
        Metadata.from_bytes(data)


def test_key_survives_a_round_trip() -> None:
    key = NaclKey.of(KEY.public)
    assert NaclKey.from_dict(key.keyid, key.to_dict()) == key


def test_signers_are_not_made_from_uris() -> None:
    with pytest.raises(ValueError, match="expected a SigningKey"):
        NaclSigner.from_priv_key_uri("file:secret", NaclKey.of(KEY.public))
