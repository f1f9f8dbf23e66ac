"""What a variant for Qualcomm's NPU is made of: an index, and for each batch size an ONNX wrapper with its context."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bundle.errors import FormatError

INDEX_FILE = "context.json"
"""The entrypoint."""

INDEX_SCHEMA = 1

MAX_CONTEXTS = 64
"""Batch sizes in one variant; each is a whole copy of the weights."""

MAX_INDEX_BYTES = 64 << 10
"""Size of the index in bytes; an entry has about 30."""

BatchSize = Annotated[int, msgspec.Meta(ge=1, le=4096)]


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One batch size (1 for a model of fixed shapes) and the file that has its context."""

    batch: BatchSize
    file: Annotated[str, msgspec.Meta(pattern=r"^b[1-9][0-9]{0,3}\.onnx$(?!\n)")]


class ContextIndex(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``htp_arch``, ``soc_model`` and ``sdk_version`` are held against what the toolchain wrote into each wrapper.

    ``soc_model`` is QNN's number of the chip, ``sdk_version`` the version of Qualcomm's SDK that compiled.
    """

    schema: Annotated[int, msgspec.Meta(ge=INDEX_SCHEMA, le=INDEX_SCHEMA)] = INDEX_SCHEMA
    htp_arch: Annotated[str, msgspec.Meta(pattern=r"^v[0-9]{2,3}$(?!\n)")]
    soc: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{2,16}$(?!\n)")]
    soc_model: Annotated[int, msgspec.Meta(ge=1, le=1 << 16)]
    sdk_version: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]+){1,3}$(?!\n)")]
    contexts: Annotated[tuple[Context, ...], msgspec.Meta(min_length=1, max_length=MAX_CONTEXTS)]

    @property
    def compiled_for(self) -> str:
        """Architecture and chip in words."""
        return f"HTP {self.htp_arch} ({self.soc})"


def context_file(batch: int) -> str:
    """The name of the wrapper of one batch size."""
    return f"b{batch}.onnx"


def write_index(index: ContextIndex) -> bytes:
    """The index as JSON."""
    return msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n"


def read_index(data: bytes) -> ContextIndex:
    """The index, checked. Raises ``FormatError``."""
    if len(data) > MAX_INDEX_BYTES:
        raise FormatError(what=INDEX_FILE, expected=f"at most {MAX_INDEX_BYTES} bytes", got=f"{len(data)}")
    try:
        index = msgspec.json.decode(data, type=ContextIndex)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(what=INDEX_FILE, expected="an index of contexts", got=str(error)) from error
    batches = [context.batch for context in index.contexts]
    if batches != sorted(set(batches)):
        raise FormatError(what=INDEX_FILE, expected="batch sizes in order, each once", got=str(batches))
    for context in index.contexts:
        if context.file != context_file(context.batch):
            raise FormatError(what=INDEX_FILE, expected=context_file(context.batch), got=context.file)
    return index
