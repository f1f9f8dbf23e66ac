"""Tensors on their way to another process, as MessagePack takes them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from edge_bundle.tensor import DType, Tensor


class PackedTensor(msgspec.Struct, frozen=True, kw_only=True):
    """A ``Tensor`` whose bytes are one object."""

    dtype: DType
    shape: tuple[int, ...]
    data: bytes


def pack(row: Mapping[str, Tensor]) -> dict[str, PackedTensor]:
    """The tensors of one run, by name."""
    return {name: PackedTensor(dtype=t.dtype, shape=t.shape, data=bytes(t.data)) for name, t in row.items()}


def unpack(row: Mapping[str, PackedTensor]) -> dict[str, Tensor]:
    """What was packed."""
    return {name: Tensor(one.dtype, one.shape, one.data) for name, one in row.items()}
