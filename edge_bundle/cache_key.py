"""The cache key ``skerry-cache-1``: which requests are the same request.

Agent, CDN worker and any other implementation compute the same key from the same bytes; golden vectors are in
``tests/data/cache_key_vectors.json`` and the format is written down in ``docs/bundle-format.md``.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from edge_bundle.errors import FormatError
from edge_bundle.tensor import Tensor

CACHE_FORMAT = "skerry-cache-1"
PORTABLE_SCOPE = "portable-exact"
"""Scope of answers that are bit-equal everywhere; any other scope is the digest of the variant that made the answer."""


def cache_key(
    *, model_digest: str, scope: str, contract_digest: str, hook_digest: str, inputs: Sequence[tuple[str, Tensor]]
) -> str:
    """64 hex digits of SHA-256 over length-prefixed fields.

    ``inputs`` come in contract order, as they were received (before clipping). ``hook_digest`` is empty without a hook.
    Raises ``FormatError`` for an empty tensor name or data that is not as long as dtype and shape say.
    """
    hasher = hashlib.sha256()
    fields = [CACHE_FORMAT, model_digest, scope, contract_digest, hook_digest, str(len(inputs))]
    hasher.update(b"".join(map(_field, fields)))
    for name, tensor in inputs:
        size = memoryview(tensor.data).nbytes
        _check(name, tensor, size)
        shape = ",".join(map(str, tensor.shape))
        hasher.update(_field(name) + _field(tensor.dtype.value) + _field(shape) + struct.pack("<Q", size))
        hasher.update(tensor.data)
    return hasher.hexdigest()


def _field(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data


def _check(name: str, tensor: Tensor, size: int) -> None:
    if not name:
        raise FormatError(what="cache key", expected="a name for every input", got="an empty one")
    if size != tensor.nbytes:
        raise FormatError(what=f"cache key, input {name!r}", expected=f"{tensor.nbytes} bytes", got=str(size))
