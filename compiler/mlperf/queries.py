"""Queries that lie ready in memory before the clock starts, as MLPerf has samples loaded untimed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from edge_bundle.tensor import DYNAMIC, Tensor, TensorSpec

Sample: TypeAlias = Mapping[str, Tensor]
"""The inputs of a batch of one."""

MAX_PREPARED = 1024
"""Most distinct queries of a run: the usual size of MLPerf's performance sample set."""

MAX_PREPARED_BYTES = 256 << 20
"""Most bytes that they hold together."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """All samples, and where they are from. ``batchable``: every input has an open dimension 0."""

    rows: Sequence[Sample] = field(repr=False)
    source: str
    batchable: bool


def is_batchable(inputs: Sequence[TensorSpec]) -> bool:
    """Whether several samples fit in one run."""
    return all(spec.shape[:1] == (DYNAMIC,) for spec in inputs)


def prepare(samples: Samples, size: int, *, seed: int) -> tuple[Sample, ...]:
    """Distinct batches of ``size`` samples that follow each other, from random places.

    LoadGen takes the samples of a query of several next to each other too, so that no copying is part of the query.
    """
    rows = samples.rows
    starts = list(range(len(rows)))
    random.Random(seed).shuffle(starts)  # noqa: S311 - an order, not a secret
    row_bytes = sum(tensor.nbytes for tensor in rows[0].values())
    most = max(1, min(MAX_PREPARED, MAX_PREPARED_BYTES // max(1, row_bytes * size)))
    return tuple(_batch(rows, start, size) for start in starts[:most])


def _batch(rows: Sequence[Sample], start: int, size: int) -> Sample:
    """``size`` rows from ``start`` on, from the front again after the last."""
    if size == 1:
        return rows[start]
    chosen = [rows[(start + offset) % len(rows)] for offset in range(size)]
    return {name: _joined([row[name] for row in chosen]) for name in chosen[0]}


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    first = tensors[0]
    rows = sum(tensor.shape[0] for tensor in tensors)
    return Tensor(first.dtype, (rows, *first.shape[1:]), b"".join(tensor.data for tensor in tensors))
