"""Open Inference Protocol v2, binary tensor data extension: tensors as raw bytes after the JSON object.

Source: Triton "Binary Tensor Data Extension" (``extension_binary_data.md``). The header
``Inference-Header-Content-Length`` gives the length of the JSON; the data of each tensor with a ``binary_data_size``
follows in the order of the JSON, little-endian, row-major, without padding.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge_bundle.errors import FormatError
from edge_bundle.tensor import DType, Tensor

LENGTH_HEADER = "Inference-Header-Content-Length"
EXTENSION = "binary_tensor_data"
"""Name of the extension in the server metadata."""

_MAX_LENGTH_DIGITS = 12
"""Digits of a length; no body has 10^12 bytes, and ``int`` is not asked to read a long text."""


def parse_length(text: str | None, *, body_bytes: int) -> int | None:
    """The length of the JSON part, None without the header. Raises ``FormatError`` unless it is 1 to ``body_bytes``."""
    if text is None:
        return None
    if len(text) <= _MAX_LENGTH_DIGITS and text.isascii() and text.isdigit():
        length = int(text)
        if 1 <= length <= body_bytes:
            return length
    raise FormatError(what=LENGTH_HEADER, expected=f"1 to {body_bytes}, the length of the body", got=repr(text))


def binary_size(parameters: Mapping[str, object], *, tensor: str) -> int | None:
    """``binary_data_size`` of an input, None when it comes as JSON. Raises ``FormatError`` unless a size in bytes."""
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise FormatError(what=f"input {tensor!r}", expected="binary_data_size as a size in bytes", got=repr(size))
    return size


class BinaryTail:
    """The bytes after the JSON, handed out from front to back; all must be used up."""

    def __init__(self, data: memoryview | None) -> None:
        self._data = data
        self._offset = 0

    def take(self, size: int, dtype: DType, shape: tuple[int, ...], *, tensor: str) -> Tensor:
        """The next ``size`` bytes as a tensor. Raises ``FormatError`` when they are missing, or too few or too many."""
        what = f"input {tensor!r}"
        if self._data is None:
            expected = f"the header {LENGTH_HEADER} with binary_data_size"
            raise FormatError(what=what, expected=expected, got="no such header")
        left = len(self._data) - self._offset
        if size > left:
            raise FormatError(what=what, expected=f"{size} bytes of binary data", got=f"{left} left in the body")
        result = Tensor(dtype, shape, self._data[self._offset : self._offset + size])
        if result.nbytes != size:
            expected = f"binary_data_size {result.nbytes} for {dtype} {list(shape)}"
            raise FormatError(what=what, expected=expected, got=str(size))
        if dtype is DType.BOOL and not set(bytes(result.data)) <= {0, 1}:
            raise FormatError(what=what, expected="BOOL bytes 0 or 1", got="others")
        self._offset += size
        return result

    def finish(self) -> None:
        """Raises ``FormatError`` when bytes are left over."""
        left = 0 if self._data is None else len(self._data) - self._offset
        if left:
            raise FormatError(
                what="infer request", expected="binary data for the inputs alone", got=f"{left} bytes more"
            )
