"""Rows of a run where code has static shapes: they are split over the batch sizes at hand. No numpy here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from edge_bundle.errors import EngineError
from edge_bundle.tensor import DYNAMIC, TensorSpec
from edge_runtime.engine import EngineSource


class Sized(Protocol):
    """Code for one batch size."""

    @property
    def batch(self) -> int:
        """Rows of one run."""
        ...


SizedT = TypeVar("SizedT", bound=Sized)


def is_open(spec: TensorSpec) -> bool:
    """Whether the tensor has as many rows as the caller likes."""
    return spec.shape[:1] == (DYNAMIC,)


def open_names(specs: Iterable[TensorSpec]) -> list[str]:
    """The tensors that have rows."""
    return [spec.name for spec in specs if is_open(spec)]


def check_batches(source: EngineSource, smallest: int) -> None:
    """Any number of rows can be served only if one row can, and if the outputs have rows at all.

    Raises ``EngineError``. ``smallest`` is the least batch size that there is code for.
    """
    dynamic = any(map(is_open, source.inputs))
    for spec in source.outputs:
        if dynamic != is_open(spec):
            expected = "an open batch size, as the inputs have" if dynamic else "a fixed shape, as the inputs have"
            detail = f"output {spec.name!r}: expected {expected}, got {list(spec.shape)}"
            raise EngineError(runtime=source.runtime, detail=detail)
    if dynamic and smallest != 1:
        detail = f"batch sizes: expected 1 among them, got {smallest} as the smallest"
        raise EngineError(runtime=source.runtime, detail=detail)


def common_rows(runtime: str, counts: Iterable[int]) -> int:
    """How many rows every input has. Raises ``EngineError`` where one has more than another."""
    found = sorted(set(counts))
    if len(found) != 1:
        got = ", ".join(map(str, found))
        raise EngineError(runtime=runtime, detail=f"inputs: expected as many rows in each, got {got}")
    return found[0]


def split_rows(programs: Sequence[SizedT], rows: int) -> Iterator[tuple[SizedT, int]]:
    """Which program takes rows, from where on. The largest come first, and the last takes one, so that none is left."""
    start = 0
    for program in programs:
        while rows - start >= program.batch:
            yield program, start
            start += program.batch
