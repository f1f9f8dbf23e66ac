"""What a module says of itself: the custom section ``skerry``, ABI version 1 (``docs/wasm.md``).

The compiler writes it, the engine reads it, and nothing in it is believed before the bytes of the module are verified.
"""

from __future__ import annotations

import enum
import math
from typing import Annotated

import msgspec

from edge_bundle.limits import MAX_JSON_BYTES
from edge_bundle.tensor import MAX_RANK, DType, TensorName, TensorSpec

ABI_VERSION = 1

SECTION = "skerry"
"""Name of the custom section that holds a ``ModuleInfo`` as canonical JSON."""

SEAL_SECTION = "skerry.seal"
"""Name of the custom section behind it: the SHA-256, 32 bytes, of everything in front (``seal.py``)."""

PAGE_BYTES = 64 << 10
"""One page of WebAssembly memory (core specification, section 4.2.8)."""

MAX_PAGES = 65536
"""A 32-bit memory has at most 4 GiB (core specification, section 3.2.5)."""

MAX_TENSORS = 64
"""Inputs, and outputs, of one module; the contract allows as many."""

MAX_STEPS = MAX_JSON_BYTES // 128
"""Steps of one module: 32,768. The section is JSON of 4 MiB at most, and a step takes some 100 bytes of it, names
included; real models have up to a few thousand."""

MAX_REGIONS = 16
"""Named regions of the memory map."""

_Size = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_FixedShape = Annotated[tuple[_Size, ...], msgspec.Meta(max_length=MAX_RANK)]
_Offset = Annotated[int, msgspec.Meta(ge=0, le=MAX_PAGES * PAGE_BYTES)]
_Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$(?!\n)")]
_Label = Annotated[str, msgspec.Meta(max_length=512)]


class Feature(enum.StrEnum):
    """Proposals beyond WebAssembly 2.0's scalar core that a module uses."""

    SIMD128 = "simd128"
    RELAXED_SIMD = "relaxed-simd"


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of everything in the section: unknown keys are an error."""


class TensorPlace(_Entry, frozen=True, kw_only=True):
    """An input or output: its spec, every dimension fixed, and its first byte in memory."""

    name: TensorName
    dtype: DType
    shape: _FixedShape
    offset: _Offset

    @property
    def spec(self) -> TensorSpec:
        """The name, dtype and shape alone."""
        return TensorSpec(name=self.name, dtype=self.dtype, shape=self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


class Weights(_Entry, frozen=True, kw_only=True):
    """Where the one data segment goes, how long it is, and the SHA-256 of its bytes."""

    offset: _Offset
    bytes: _Offset
    digest: _Digest


class Region(_Entry, frozen=True, kw_only=True):
    """A named part of memory: ``weights``, ``expanded`` (filled by ``init``), ``values`` or ``io``."""

    name: _Label
    offset: _Offset
    bytes: _Offset


class MemoryMap(_Entry, frozen=True, kw_only=True):
    """The whole memory in pages of 64 KiB (minimum and maximum are equal), and its regions in order."""

    pages: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGES)]
    regions: Annotated[tuple[Region, ...], msgspec.Meta(max_length=MAX_REGIONS)]


class StepInfo(_Entry, frozen=True, kw_only=True):
    """One step of ``run``: the node it stands for, its kernel, and its arithmetic operations for one run."""

    name: _Label
    op: _Label
    flops: Annotated[int, msgspec.Meta(ge=0)] = 0


class ModuleInfo(_Entry, frozen=True, kw_only=True):
    """The whole section. ``batch`` is the size of the leading dimension where the model's contract leaves it open."""

    abi: int
    features: Annotated[tuple[Feature, ...], msgspec.Meta(max_length=8)]
    source: _Digest
    batch: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    inputs: Annotated[tuple[TensorPlace, ...], msgspec.Meta(max_length=MAX_TENSORS)]
    outputs: Annotated[tuple[TensorPlace, ...], msgspec.Meta(min_length=1, max_length=MAX_TENSORS)]
    weights: Weights
    memory: MemoryMap
    steps: Annotated[tuple[StepInfo, ...], msgspec.Meta(max_length=MAX_STEPS)]


INFO_DECODER = msgspec.json.Decoder(ModuleInfo)
"""Made at import, since making it takes as long as opening a small model."""
