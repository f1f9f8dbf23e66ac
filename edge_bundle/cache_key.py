"""The cache key ``skerry-cache-1``: which requests are the same request.

Agent, CDN worker and any other implementation compute the same key from the same bytes; golden vectors are in
``tests/data/cache_key_vectors.json`` and the format is written down in ``docs/bundle-format.md``.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence

from edge_bundle.errors import FormatError
from edge_bundle.manifest import NumericClass
from edge_bundle.tensor import DType, Tensor

CACHE_FORMAT = "skerry-cache-1"
PORTABLE_PREFIX = f"{NumericClass.PORTABLE_EXACT.value}:"
"""Marks the scope of answers that are bit-equal wherever their variant runs."""

MAX_HEADS = 4096
"""Headers of inputs remembered per variant: a contract's largest ``max_batch``, so that each batch size has one."""


def cache_scope(numeric_class: NumericClass, variant_digest: str) -> str:
    """The scope of a variant's answers: its digest, marked if any host gives the same bits.

    The digest belongs there in every class: two ``portable-exact`` variants of one release (float32 and int8) share
    model and contract, and answer differently. Sharing between hosts loses nothing, for the digest is the same on all.
    """
    prefix = PORTABLE_PREFIX if numeric_class is NumericClass.PORTABLE_EXACT else ""
    return f"{prefix}{variant_digest}"


def cache_key(
    *, model_digest: str, scope: str, contract_digest: str, hook_digest: str, inputs: Sequence[tuple[str, Tensor]]
) -> str:
    """64 hex digits of SHA-256 over length-prefixed fields.

    ``inputs`` come in contract order, as they were received (before clipping). ``hook_digest`` is empty without a hook.
    Raises ``FormatError`` for an empty tensor name or data that is not as long as dtype and shape say.
    """
    keys = CacheKeys(
        model_digest=model_digest,
        scope=scope,
        contract_digest=contract_digest,
        hook_digest=hook_digest,
        input_count=len(inputs),
    )
    return keys.key(inputs)


class CacheKeys:
    """``cache_key`` for many requests of one variant: what does not change is hashed once."""

    def __init__(
        self, *, model_digest: str, scope: str, contract_digest: str, hook_digest: str, input_count: int
    ) -> None:
        fields = [CACHE_FORMAT, model_digest, scope, contract_digest, hook_digest, str(input_count)]
        self._prefix = hashlib.sha256(b"".join(map(_field, fields)))
        self._heads: dict[tuple[str, DType, tuple[int, ...]], tuple[bytes, int]] = {}

    def key(self, inputs: Iterable[tuple[str, Tensor]]) -> str:
        """The key of one request; as many inputs as ``input_count``, otherwise as for ``cache_key``."""
        hasher = self._prefix.copy()
        for name, tensor in inputs:
            head, size = self._heads.get((name, tensor.dtype, tensor.shape)) or self._new_head(name, tensor)
            data = tensor.data
            got = data.nbytes if type(data) is memoryview else len(data)
            if got != size:
                raise FormatError(what=f"cache key, input {name!r}", expected=f"{size} bytes", got=str(got))
            hasher.update(head)
            hasher.update(data)
        return hasher.hexdigest()

    def _new_head(self, name: str, tensor: Tensor) -> tuple[bytes, int]:
        if not name:
            raise FormatError(what="cache key", expected="a name for every input", got="an empty one")
        size = tensor.nbytes
        shape = ",".join(map(str, tensor.shape))
        head = _field(name) + _field(tensor.dtype.value) + _field(shape) + struct.pack("<Q", size)
        if len(self._heads) < MAX_HEADS:
            self._heads[name, tensor.dtype, tensor.shape] = head, size
        return head, size


def _field(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data
