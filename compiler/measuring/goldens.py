"""Golden vectors: which inputs a variant carries, with its own outputs for them.

The inputs are the first evaluation samples and two corners: every input at its lowest, and at its highest value.
The outputs are the variant's on the compiling host; the contract's ``golden`` tolerance covers other hosts.
"""

from __future__ import annotations

import numpy as np

from compiler.dataset import Dataset
from compiler.measuring.runner import tensors
from edge_bundle.contract import Contract, TensorRule
from edge_bundle.golden import GoldenVector
from edge_bundle.tensor import Tensor
from edge_runtime.arrays import to_tensor
from edge_runtime.engine import Engine

SAMPLES = 4
"""Evaluation samples among the golden vectors: enough to notice a wrong kernel, small beside the weights."""


def golden_inputs(contract: Contract, dataset: Dataset) -> list[dict[str, Tensor]]:
    """The inputs, deterministic for a contract and an evaluation set."""
    chosen = [tensors(dataset, index) for index in range(min(SAMPLES, dataset.samples))]
    corners = [
        {rule.name: to_tensor(_corner(rule, dataset, highest=highest)) for rule in contract.inputs}
        for highest in (False, True)
    ]
    return chosen + corners


def make_goldens(engine: Engine, inputs: list[dict[str, Tensor]]) -> tuple[GoldenVector, ...]:
    """The vectors, with outputs by ``engine``."""
    return tuple(GoldenVector(inputs=row, outputs=engine.run(row)) for row in inputs)


def _corner(rule: TensorRule, dataset: Dataset, *, highest: bool) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    array = dataset.arrays[rule.name]
    declared = rule.maximum if highest else rule.minimum
    found = array.max() if highest else array.min()
    value = found if declared is None else np.asarray(declared).astype(array.dtype)
    return np.full_like(dataset.row(0)[rule.name], value)
