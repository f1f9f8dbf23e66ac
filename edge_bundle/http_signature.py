"""HTTP message signatures between node and hub: a subset of RFC 9421 with RFC 9530 ``Content-Digest``.

Covered: ``@method``, ``@path`` and ``content-digest``; parameters ``created``, ``keyid`` and ``alg`` in this order.
There is no nonce: the endpoints are idempotent (a poll or a batch sent twice counts once), so a replay inside the
clock window changes nothing. Paths have no query, because ``@path`` would not cover it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping

from edge_bundle.errors import FormatError, RefusedError
from edge_bundle.keys import PublicKey, SigningKey

CLOCK_WINDOW_S = 300
"""Seconds that ``created`` may differ from the verifier's clock, both ways (Kerberos, RFC 4120, uses the same)."""

ALGORITHM = "ed25519"
"""RFC 9421 section 3.3.6."""

MAX_SIGNATURE_INPUT_BYTES = 512
"""Ours has about 170."""

_LABEL = "sig1"
_COMPONENTS = '("@method" "@path" "content-digest")'
_KEYID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
_INPUT = re.compile(
    rf'{_LABEL}=(?P<params>{re.escape(_COMPONENTS)};created=(?P<created>[0-9]{{1,12}});keyid="(?P<keyid>{_KEYID})";'
    rf'alg="(?P<alg>[a-z0-9-]{{1,40}})")',
    re.ASCII,
)
_DIGEST = re.compile(r"sha-256=:[A-Za-z0-9+/]{43}=:", re.ASCII)
_SIGNATURE = re.compile(rf"{_LABEL}=:(?P<sig>[A-Za-z0-9+/=]{{88}}):", re.ASCII)


def sign_request(key: SigningKey, node_id: str, method: str, path: str, body: bytes, created: float) -> dict[str, str]:
    """The three headers that sign a request; ``created`` in Unix seconds.

    ``node_id`` becomes the ``keyid`` parameter: the id under which the verifier finds the public key. At enrolment,
    when there is no node id yet, it is the key's own ``keyid``. Raises ``FormatError`` for a path with a query.
    """
    if not path.startswith("/") or "?" in path or "#" in path:
        raise FormatError(what="signed request", expected="an absolute path without query", got=repr(path[:80]))
    if not re.fullmatch(_KEYID, node_id, re.ASCII):
        raise FormatError(what="signed request", expected="a node id or key id", got=repr(node_id[:80]))
    digest = content_digest(body)
    params = f'{_COMPONENTS};created={int(created)};keyid="{node_id}";alg="{ALGORITHM}"'
    signature = base64.b64encode(key.sign(_base(method, path, digest, params))).decode()
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{_LABEL}={params}",
        "Signature": f"{_LABEL}=:{signature}:",
    }


def verify_request(
    headers: Mapping[str, str],
    method: str,
    path: str,
    body: bytes,
    lookup: Callable[[str], PublicKey | None],
    now: float,
) -> str:
    """The ``keyid`` (node id) whose key signed this request; ``RefusedError`` when anything is off.

    ``lookup`` gives the public key of a node id, ``None`` for a stranger; ``now`` is the verifier's Unix time.
    """
    keyid = verify_head(headers, method, path, lookup, now)
    check_body(headers, body)
    return keyid


def verify_head(
    headers: Mapping[str, str], method: str, path: str, lookup: Callable[[str], PublicKey | None], now: float
) -> str:
    """``verify_request`` as far as the head of a request goes, so that a stranger's body need not even be read.

    What it returns holds once ``check_body`` has found the body to be the one whose digest was signed.
    """
    given = _one(headers, "signature-input")
    found = _INPUT.fullmatch(given) if len(given) <= MAX_SIGNATURE_INPUT_BYTES else None
    signature = _SIGNATURE.fullmatch(_one(headers, "signature"))
    if not found or not signature:
        raise _refused(f"expected the signature {_LABEL} over {_COMPONENTS}, got another form")
    if found["alg"] != ALGORITHM:
        raise _refused(f"expected alg {ALGORITHM}, got {found['alg']}")
    _check_clock(int(found["created"]), now)
    digest = _one(headers, "content-digest")
    if not _DIGEST.fullmatch(digest):
        raise _refused("expected the Content-Digest sha-256 alone, got another form")
    key = lookup(found["keyid"])
    if key is None:
        raise _refused(f"unknown node {found['keyid']}", advice="enrol the node with a one-time token")
    if not key.verify(_base(method, path, digest, found["params"]), _decode(signature["sig"])):
        raise _refused("the signature does not hold")
    return found["keyid"]


def check_body(headers: Mapping[str, str], body: bytes) -> None:
    """Raise ``RefusedError`` unless this is the body that the Content-Digest header promises."""
    # A header may hold any bytes; they come as surrogates.
    promised = _one(headers, "content-digest").encode(errors="replace")
    if not hmac.compare_digest(promised, content_digest(body).encode()):
        raise _refused("the body differs from its Content-Digest")


def content_digest(body: bytes) -> str:
    """``Content-Digest`` of RFC 9530 section 2, SHA-256."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def _base(method: str, path: str, digest: str, params: str) -> bytes:
    # RFC 9421 section 2.5: one line per component, no newline after the last.
    return (
        f'"@method": {method.upper()}\n"@path": {path}\n"content-digest": {digest}\n"@signature-params": {params}'
    ).encode()


def _check_clock(created: int, now: float) -> None:
    if abs(now - created) > CLOCK_WINDOW_S:
        raise _refused(
            f"created {created - now:+.0f} s from this clock, expected within {CLOCK_WINDOW_S} s",
            advice="set the clock of the node (or of the hub) by NTP",
        )


def _one(headers: Mapping[str, str], name: str) -> str:
    values = [value for key, value in headers.items() if key.lower() == name]
    if len(values) != 1:
        raise _refused(f"expected one {name} header, got {len(values)}")
    return values[0]


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _refused("the signature is not base64") from None


def _refused(detail: str, advice: str = "") -> RefusedError:
    return RefusedError(what="signed request", detail=detail, advice=advice)
