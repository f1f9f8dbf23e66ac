"""Ed25519 for TUF on PyNaCl: a ``Key`` and a ``Signer`` for securesystemslib, which ships neither.

Without ``pyca/cryptography`` securesystemslib verifies Ed25519 in pure Python (milliseconds per signature, not constant
time) and cannot sign at all. ``register()`` puts libsodium in its place for every TUF key of this process.
"""

from __future__ import annotations

from typing import Any, Self

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import KEY_FOR_TYPE_AND_SCHEME, Key, SecretsHandler, Signature, Signer

from edge_bundle.keys import PublicKey, SigningKey

KEY_TYPE = "ed25519"
KEY_SCHEME = "ed25519"
"""TUF specification 1.0.34, section 4.2.1: ``keytype`` and ``scheme`` of RFC 8032 Ed25519 keys."""

SIGNATURE_BYTES = 64
"""RFC 8032, section 5.1.6."""


class NaclKey(Key):
    """The public half of an Ed25519 key, verified by libsodium.

    The keyid is always the SHA-256 of the 32 key bytes. TUF leaves keyids free, so one key listed under two keyids
    could fill a threshold of two by itself; here that is a ``ValueError`` while the metadata is parsed.
    """

    def __init__(
        self,
        keyid: str,
        keytype: str,
        scheme: str,
        keyval: dict[str, Any],
        unrecognized_fields: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(keyid, keytype, scheme, keyval, unrecognized_fields)
        public = keyval.get("public")
        if not isinstance(public, str):
            message = f"key {keyid}: expected a hex string in keyval.public, got {type(public).__name__}"
            raise TypeError(message)
        raw = bytes.fromhex(public)
        self._verify_key = VerifyKey(raw)
        expected = PublicKey(raw).keyid
        if keyid != expected:
            message = f"key {keyid}: expected the keyid {expected} (SHA-256 of the key)"
            raise ValueError(message)

    @classmethod
    def of(cls, public: PublicKey) -> Self:
        """The TUF form of one of our public keys."""
        return cls(public.keyid, KEY_TYPE, KEY_SCHEME, {"public": public.raw.hex()})

    @classmethod
    def from_dict(cls, keyid: str, key_dict: dict[str, Any]) -> Self:
        """Parse the key object of TUF metadata; consumes ``key_dict`` as the base class asks.

        Raises KeyError, TypeError, ValueError: the object is no Ed25519 key, or its keyid is not its hash.
        """
        keytype, scheme, keyval = cls._from_dict(key_dict)
        return cls(keyid, keytype, scheme, keyval, key_dict)

    def to_dict(self) -> dict[str, Any]:
        """The key object of TUF metadata."""
        return self._to_dict()

    def verify_signature(self, signature: Signature, data: bytes) -> None:
        """Check ``signature`` over ``data``.

        Raises UnverifiedSignatureError: it is not a signature by this key.
        VerificationError: it is not even hex of 64 bytes.
        """
        try:
            raw = bytes.fromhex(signature.signature)
        except ValueError as error:
            message = f"signature of key {self.keyid}: expected {SIGNATURE_BYTES} bytes in hex"
            raise VerificationError(message) from error
        if len(raw) != SIGNATURE_BYTES:
            message = f"signature of key {self.keyid}: expected {SIGNATURE_BYTES} bytes, got {len(raw)}"
            raise VerificationError(message)
        try:
            self._verify_key.verify(data, raw)
        except BadSignatureError as error:
            message = f"signature by key {self.keyid} does not match"
            raise UnverifiedSignatureError(message) from error


class NaclSigner(Signer):
    """Signs TUF metadata with one of our signing keys."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self._public = NaclKey.of(key.public)

    @property
    def public_key(self) -> NaclKey:
        """The public half, as TUF metadata lists it."""
        return self._public

    @classmethod
    def from_priv_key_uri(
        cls,
        priv_key_uri: str,
        public_key: Key,  # noqa: ARG003 - the signature is securesystemslib's
        secrets_handler: SecretsHandler | None = None,  # noqa: ARG003
    ) -> Signer:
        """Not offered: keys are loaded by ``edge_bundle.keys``, never by URI.

        Raises ValueError: always.
        """
        message = f"expected a SigningKey object, got the key URI scheme {priv_key_uri.partition(':')[0]!r}"
        raise ValueError(message)

    def sign(self, payload: bytes) -> Signature:
        """Ed25519 signature of ``payload``, in hex under the key's keyid."""
        return Signature(self._public.keyid, self._key.sign(payload).hex())


def register() -> None:
    """Have TUF metadata parse every Ed25519 key of this process as ``NaclKey``; calling again is harmless."""
    KEY_FOR_TYPE_AND_SCHEME[(KEY_TYPE, KEY_SCHEME)] = NaclKey
