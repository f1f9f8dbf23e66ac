"""Run an engine over a data set, one sample at a time, as the agent does for a request with a batch of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset, row_shape
from compiler.measuring.variant_source import reference_source
from edge_bundle.contract import Contract, TensorRule
from edge_bundle.errors import EngineError
from edge_bundle.tensor import Tensor
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.engine import Engine
from edge_runtime.factory import open_engine

MAX_SCORE = 2.0**500
"""Largest output that is scored: squares of such, and sums of them, are still float64."""


def tensors(dataset: Dataset, index: int) -> dict[str, Tensor]:
    """The inputs of one sample."""
    return {name: to_tensor(array) for name, array in dataset.row(index).items()}


def score(
    engine: Engine,
    dataset: Dataset,
    output: TensorRule,
    *,
    runtime: str = "",
    on_sample: Callable[[], None] = lambda: None,
) -> NDArray[Any]:
    """One output of every sample, shape [samples, ...]: its own shape without a batch dimension.

    ``runtime`` is named in errors, else its version.

    Raises:
        EngineError: a run fails, or a number is not finite, or beyond ``MAX_SCORE``.

    """
    rows = []
    for index in range(dataset.samples):
        row = to_array(engine.run(tensors(dataset, index))[output.name]).reshape(row_shape(output))
        if not np.isfinite(row).all() or (np.abs(row.astype(np.float64)) > MAX_SCORE).any():
            got = f"NaN, infinity or beyond {MAX_SCORE:.0e}"
            raise EngineError(
                runtime=runtime or engine.runtime_version,
                detail=f"sample {index}, output {output.name!r}: expected finite scores, got {got}",
                advice="look at this sample of the evaluation set: the model gives no number for it",
            )
        rows.append(row)
        on_sample()
    return np.stack(rows)


def reference_scores(
    model: bytes, contract: Contract, dataset: Dataset, *, on_sample: Callable[[], None] = lambda: None
) -> NDArray[Any]:
    """Outputs of the imported model in fp32 under ONNX Runtime on one thread: the yardstick of agreement."""
    source = reference_source(model, contract)
    with open_engine(source) as engine:
        return score(engine, dataset, contract.scored, runtime=source.runtime, on_sample=on_sample)
