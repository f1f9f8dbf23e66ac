"""Which batch sizes get code of their own, for runtimes whose code has static shapes."""

from __future__ import annotations

from compiler.request import CompileRequest
from edge_bundle.contract import Contract
from edge_bundle.errors import InvalidInputError
from edge_bundle.tensor import DYNAMIC

DEFAULT_BATCHES = (1, 8)
"""One row answers a single caller soonest; eight share what a layer loads once."""


def batch_sizes(contract: Contract, request: CompileRequest) -> tuple[int, ...]:
    """Ascending, with 1 among them, so that any number of rows can be put together; just 1 where no size is open.

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
        return (1,)
    chosen = request.batches or tuple(size for size in DEFAULT_BATCHES if size <= most)
    return tuple(sorted({1, *chosen}))
