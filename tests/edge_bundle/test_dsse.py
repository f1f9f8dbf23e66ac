"""DSSE: the specification's vector, k of n over distinct keys, and hostile envelopes."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from securesystemslib.dsse import Envelope as OtherEnvelope

from edge_bundle.dsse import pae, sign_envelope, verify_envelope
from edge_bundle.errors import FormatError, LimitExceededError, SignatureError, SkerryError
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.limits import MAX_SIGNATURES
from tests.edge_bundle.samples import ALICE, BOB, MALLORY, POLICY

TYPE, PAYLOAD = "application/example", b'{"hello":"world"}'
CAROL = SigningKey.from_seed(b"c" * 32)


def envelope(keys: Sequence[SigningKey] = (ALICE, BOB), **changes: Any) -> bytes:
    document = json.loads(sign_envelope(TYPE, PAYLOAD, keys)) | changes
    return json.dumps(document).encode()


def signatures(*pairs: tuple[str, bytes]) -> list[dict[str, str]]:
    return [{"keyid": keyid, "sig": base64.b64encode(sig).decode()} for keyid, sig in pairs]


def test_pae_of_the_specification() -> None:
    # github.com/secure-systems-lab/dsse, protocol.md and implementation/signing_spec.py
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("é", b"") == "DSSEv1 2 é 0 ".encode()


def test_another_implementation_reads_the_same_envelope() -> None:
    other = OtherEnvelope.from_dict(json.loads(envelope()))
    assert (other.payload_type, other.payload, other.pae()) == (TYPE, PAYLOAD, pae(TYPE, PAYLOAD))
    assert all(len(bytes.fromhex(signature.signature)) == 64 for signature in other.signatures.values())


def test_signed_by_both() -> None:
    verified = verify_envelope(envelope(), POLICY, subject="proof")
    assert (verified.payload_type, verified.payload) == (TYPE, PAYLOAD)
    assert verified.keyids == tuple(sorted((ALICE.public.keyid, BOB.public.keyid)))


def test_equal_input_gives_equal_bytes_in_any_key_order() -> None:
    assert sign_envelope(TYPE, PAYLOAD, (ALICE, BOB)) == sign_envelope(TYPE, PAYLOAD, (BOB, ALICE))


@pytest.mark.parametrize("pair", [(ALICE, BOB), (BOB, CAROL), (CAROL, ALICE)])
def test_any_two_of_three(pair: tuple[SigningKey, SigningKey]) -> None:
    policy = TrustPolicy((ALICE.public, BOB.public, CAROL.public), threshold=2)
    assert len(verify_envelope(envelope(pair), policy, subject="proof").keyids) == 2


def test_url_safe_base64_is_read() -> None:
    payload = bytes(range(256))
    document = json.loads(sign_envelope(TYPE, payload, (ALICE, BOB)))
    document["payload"] = document["payload"].replace("+", "-").replace("/", "_")
    assert verify_envelope(json.dumps(document).encode(), POLICY, subject="proof").payload == payload


ALICE_SIG = ALICE.sign(pae(TYPE, PAYLOAD))
TOO_FEW: dict[str, tuple[bytes, int, tuple[str, ...]]] = {
    "one_signature_of_two": (envelope((ALICE,)), 1, ()),
    "threshold_by_one_key_twice": (envelope((ALICE, ALICE)), 1, ()),
    "threshold_by_one_signature_under_two_ids": (
        envelope(signatures=signatures((ALICE.public.keyid, ALICE_SIG), (BOB.public.keyid, ALICE_SIG))), 1, ()
    ),
    "threshold_by_one_key_under_an_invented_id": (
        envelope(signatures=signatures((ALICE.public.keyid, ALICE_SIG), ("invented", ALICE_SIG))), 1, ("invented",)
    ),
    "unknown_signer": (envelope((MALLORY,)), 0, (MALLORY.public.keyid,)),
    "unknown_signer_beside_a_known_one": (envelope((ALICE, MALLORY)), 1, (MALLORY.public.keyid,)),
    "payload_changed": (envelope(payload=base64.b64encode(b"{}").decode()), 0, ()),
    "payload_type_changed": (envelope(payloadType="application/other"), 0, ()),
    "signature_over_the_payload_alone": (
        envelope(signatures=signatures((ALICE.public.keyid, ALICE.sign(PAYLOAD)), (BOB.public.keyid, BOB.sign(PAYLOAD)))),
        0,
        (),
    ),
    "empty_signatures_by_known_keys": (
        envelope(signatures=signatures((ALICE.public.keyid, b""), (BOB.public.keyid, b""))), 0, ()
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "valid", "unknown"), [pytest.param(*case, id=name) for name, case in TOO_FEW.items()])
def test_too_few_signatures(data: bytes, valid: int, unknown: tuple[str, ...]) -> None:
    with pytest.raises(SignatureError) as caught:
        verify_envelope(data, POLICY, subject="proof")
    assert (caught.value.threshold, caught.value.valid, caught.value.unknown_keyids) == (2, valid, unknown)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(envelope(signatures=[]), FormatError, id="no_signatures"),
        pytest.param(envelope((ALICE,) * (MAX_SIGNATURES + 1)), FormatError, id="too_many_signatures"),
        pytest.param(envelope(payload="***"), FormatError, id="payload_not_base64"),
        pytest.param(envelope(payload="é"), FormatError, id="payload_not_ascii"),
        pytest.param(
            envelope(signatures=[{"keyid": ALICE.public.keyid, "sig": "*"}]), FormatError, id="signature_not_base64"
        ),
        pytest.param(envelope(extra=1), FormatError, id="unknown_field"),
        pytest.param(envelope()[:-1], FormatError, id="truncated"),
        pytest.param(b'{"signatures":' + b"[" * 100, LimitExceededError, id="deep_json"),
        pytest.param(b" " * (5 << 20), LimitExceededError, id="huge_length"),
    ],
)
def test_malformed_envelopes_are_refused(data: bytes, error: type[SkerryError]) -> None:
    with pytest.raises(error):
        verify_envelope(data, POLICY, subject="proof")
