"""Which batch sizes get code of their own, for runtimes whose code has static shapes."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.request import CompileRequest
from edge_bundle.contract import Contract
from edge_bundle.errors import InvalidInputError
from edge_bundle.tensor import DYNAMIC

OFFERED_BATCH = 8
"""Eight rows share what a dense layer loads once: 0.44 to 0.63 of the time of eight single runs (autoencoder)."""


@dataclass(frozen=True, kw_only=True)
class Batches:
    """``wanted`` sizes get code; ``offered`` ones where it is likely to pay (for the runtime to judge)."""

    wanted: tuple[int, ...] = (1,)
    offered: tuple[int, ...] = ()


def batch_sizes(contract: Contract, request: CompileRequest) -> Batches:
    """The request's sizes, and 1, so that any number of rows can be put together; just 1 where no size is open.

    Raises:
        InvalidInputError: a size that was asked for is larger than the contract takes, or below 1.

    """
    most = contract.limits.max_batch
    for size in request.batches:
        if not 1 <= size <= most:
            raise InvalidInputError(
                file=str(request.contract_path),
                key="limits.max_batch",
                expected=f"batch sizes from 1 to {most}, as the contract limits them",
                got=str(size),
                advice="ask for smaller batches, or raise the contract's limit",
            )
    if not any(rule.shape[:1] == (DYNAMIC,) for rule in contract.inputs):
        return Batches()
    if request.batches:
        return Batches(wanted=tuple(sorted({1, *request.batches})))
    return Batches(offered=(OFFERED_BATCH,) if most >= OFFERED_BATCH else ())
