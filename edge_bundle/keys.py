"""Ed25519 keys (RFC 8032) through PyNaCl, their files, and the policy that says whose signatures count."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import nacl.signing
from nacl.exceptions import BadSignatureError

from edge_bundle.errors import ConflictError, FormatError, InvalidInputError, NotFoundError
from edge_bundle.limits import MAX_KEY_FILE_BYTES

KEY_BYTES = 32
SIGNATURE_BYTES = 64
PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644
_SECRET_LABEL = "skerry-secret-key-1"  # noqa: S105 - the first word of the file, not a secret
_PUBLIC_LABEL = "skerry-public-key-1"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key; ``raw`` holds its 32 bytes."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES:
            raise FormatError(what="public key", expected=f"{KEY_BYTES} bytes", got=f"{len(self.raw)}")

    @property
    def keyid(self) -> str:
        """SHA-256 of the raw key, 64 hex digits."""
        return hashlib.sha256(self.raw).hexdigest()

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over the message; a malformed signature is simply not one."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            nacl.signing.VerifyKey(self.raw).verify(message, signature)
        except BadSignatureError:
            return False
        return True

    def to_text(self) -> str:
        """Standard base64, 44 characters."""
        return base64.b64encode(self.raw).decode()

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """From standard base64; ``FormatError`` for anything but 32 bytes of it."""
        return cls(_unbase64(text, what="public key"))

    @classmethod
    def load(cls, path: str | Path) -> PublicKey:
        """From a ``NAME.pub`` file. Raises ``NotFoundError`` or ``InvalidInputError``."""
        return cls(_parse_file(Path(path), _read(Path(path)), _PUBLIC_LABEL))

    def save(self, path: str | Path) -> None:
        """To a new ``NAME.pub`` file; ``ConflictError`` when it exists."""
        _write_new(Path(path), f"{_PUBLIC_LABEL} {self.to_text()}\n", PUBLIC_MODE)


class SigningKey:
    """An Ed25519 private key. Its ``repr`` shows the key id only."""

    def __init__(self, key: nacl.signing.SigningKey) -> None:
        self._key = key
        self.public = PublicKey(bytes(key.verify_key))

    def __repr__(self) -> str:
        return f"SigningKey(keyid={self.public.keyid[:12]}..., secret hidden)"

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the operating system's randomness."""
        return cls(nacl.signing.SigningKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key that RFC 8032 section 5.1.5 derives from a 32-byte seed."""
        if len(seed) != KEY_BYTES:
            raise FormatError(what="key seed", expected=f"{KEY_BYTES} bytes", got=f"{len(seed)}")
        return cls(nacl.signing.SigningKey(seed))

    @classmethod
    def load(cls, path: str | Path) -> SigningKey:
        """From a ``NAME.key`` file that nobody else can read.

        Raises ``NotFoundError``, or ``InvalidInputError`` when the file is malformed or open to group or others.
        """
        path = Path(path)
        text = _read(path, private=True)
        return cls.from_seed(_parse_file(path, text, _SECRET_LABEL))

    def save(self, path: str | Path) -> None:
        """To a new ``NAME.key`` file of mode 0600; ``ConflictError`` when it exists."""
        seed = base64.b64encode(bytes(self._key)).decode()
        _write_new(Path(path), f"{_SECRET_LABEL} {seed}\n", PRIVATE_MODE)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature; Ed25519 is deterministic, so equal messages give equal signatures."""
        return self._key.sign(message).signature


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Whose signatures count, and how many distinct keys must have signed (k of n)."""

    keys: tuple[PublicKey, ...]
    threshold: int

    def __post_init__(self) -> None:
        distinct = len({key.raw for key in self.keys})
        if distinct != len(self.keys):
            raise _bad_policy("owner_keys", "distinct keys", f"{len(self.keys) - distinct} repeated")
        if not 1 <= self.threshold <= distinct:
            raise _bad_policy("threshold", f"1 to {distinct} (the number of keys)", str(self.threshold))

    def find(self, keyid: str) -> PublicKey | None:
        """The trusted key with this id."""
        return next((key for key in self.keys if key.keyid == keyid), None)


def _bad_policy(key: str, expected: str, got: str) -> InvalidInputError:
    return InvalidInputError(file="trust policy", key=key, expected=expected, got=got)


def _read(path: Path, *, private: bool = False) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_KEY_FILE_BYTES + 1)
            if private and mode & 0o077 and not data.startswith(_PUBLIC_LABEL.encode()):
                raise InvalidInputError(
                    file=str(path),
                    expected="a private key that only its owner can read (mode 0600)",
                    got=f"mode {mode:04o}",
                    advice=f"chmod 600 {path}",
                )
    except FileNotFoundError:
        raise NotFoundError(what="key file", name=str(path)) from None
    except (IsADirectoryError, PermissionError) as error:
        raise InvalidInputError(file=str(path), expected="a readable key file", got=str(error.strerror)) from None
    return data.decode("ascii", errors="replace")


def _parse_file(path: Path, text: str, label: str) -> bytes:
    # The content is never quoted in an error: a private key given in the wrong place must not reach a log.
    words = text.split()
    if len(text) > MAX_KEY_FILE_BYTES or len(words) != 2 or words[0] != label:  # noqa: PLR2004 - label and key
        kind = next((known for known in (_SECRET_LABEL, _PUBLIC_LABEL) if words[:1] == [known]), "something else")
        raise InvalidInputError(
            file=str(path), expected=f"'{label}' and a base64 key", got=kind, advice=_other_half(path, kind)
        )
    try:
        return _unbase64(words[1], what=str(path))
    except FormatError as error:
        raise InvalidInputError(file=str(path), expected=error.expected, got=error.got) from None


def _other_half(path: Path, kind: str) -> str:
    if kind == _PUBLIC_LABEL:
        return f"that is a public key; give {path.with_suffix('.key')}"
    if kind == _SECRET_LABEL:
        return f"that is a private key; give {path.with_suffix('.pub')}"
    return ""


def _unbase64(text: str, *, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError(what=what, expected="base64", got="something else") from None
    if len(raw) != KEY_BYTES:
        raise FormatError(what=what, expected=f"{KEY_BYTES} bytes in base64", got=f"{len(raw)} bytes")
    return raw


def _write_new(path: Path, text: str, mode: int) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise ConflictError(
            what=str(path), expected="no such file yet", got="an existing key", advice="move the old key away first"
        ) from None
    except FileNotFoundError:
        raise NotFoundError(what="directory", name=str(path.parent)) from None
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
