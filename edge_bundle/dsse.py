"""DSSE v1.0 envelopes (github.com/secure-systems-lab/dsse): sign bytes, verify k of n before anything is parsed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from edge_bundle.canonical import decode, dumps
from edge_bundle.errors import FormatError, SignatureError
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.limits import MAX_ENVELOPE_BYTES, MAX_SIGNATURES

IN_TOTO_PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One signature (base64) and the id of the key that is said to have made it."""

    keyid: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    sig: Annotated[str, msgspec.Meta(max_length=128)]


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """A payload (base64) under signatures."""

    payload: str
    payload_type: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    signatures: Annotated[tuple[Signature, ...], msgspec.Meta(min_length=1, max_length=MAX_SIGNATURES)]


@dataclass(frozen=True, slots=True)
class VerifiedPayload:
    """A payload whose signatures met the policy; ``keyids`` are the distinct trusted keys that signed, sorted."""

    payload_type: str
    payload: bytes
    keyids: tuple[str, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-Authentication Encoding (DSSE v1.0 protocol, "Signature Definition"): what is really signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload_type: str, payload: bytes, keys: Sequence[SigningKey]) -> bytes:
    """An envelope signed by each key, as canonical JSON; signatures sorted by key id, so equal input, equal bytes."""
    message = pae(payload_type, payload)
    signatures = sorted((key.public.keyid, base64.b64encode(key.sign(message)).decode()) for key in keys)
    return dumps(
        Envelope(
            payload=base64.b64encode(payload).decode(),
            payload_type=payload_type,
            signatures=tuple(Signature(keyid=keyid, sig=sig) for keyid, sig in signatures),
        )
    )


def verify_envelope(data: bytes, policy: TrustPolicy, *, subject: str) -> VerifiedPayload:
    """Check the signatures against the policy; the payload itself is not looked into.

    Distinct trusted keys are counted, so a second signature by one key adds nothing. Raises ``SignatureError`` (with
    the ids of unknown signers), or ``FormatError`` / ``LimitExceededError`` for a malformed envelope.
    """
    envelope = decode(data, Envelope, what=f"{subject}: envelope", max_bytes=MAX_ENVELOPE_BYTES)
    payload = _unbase64(envelope.payload, what=f"{subject}: payload")
    message = pae(envelope.payload_type, payload)
    valid: set[str] = set()
    unknown: set[str] = set()
    for signature in envelope.signatures:
        key = policy.find(signature.keyid)
        if key is None:
            unknown.add(signature.keyid)
        elif key.verify(message, _unbase64(signature.sig, what=f"{subject}: signature")):
            valid.add(key.keyid)
    if len(valid) < policy.threshold:
        raise SignatureError(
            subject=subject, threshold=policy.threshold, valid=len(valid), unknown_keyids=tuple(sorted(unknown))
        )
    return VerifiedPayload(envelope.payload_type, payload, tuple(sorted(valid)))


def _unbase64(text: str, *, what: str) -> bytes:
    # DSSE v1.0: "either standard or URL-safe encoding"; verifiers take both.
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(what=what, expected="base64", got=f"an error: {error}") from None
