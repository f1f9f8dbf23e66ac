"""Contracts and evaluation sets for the metrics' tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import Dataset
from compiler.metrics.judge import Judge, open_judge, open_measure
from edge_bundle.contract import Contract
from edge_bundle.contract_file import parse_contract
from tests.compiler.models import contract_text


def contract(accuracy: str, *, shape: tuple[int, ...] = (-1, 5)) -> Contract:
    """A contract that scores an output ``y`` of this shape."""
    text = contract_text(inputs={"x": (-1, 4)}, outputs={"y": shape}, accuracy=accuracy)
    return parse_contract(text, file="contract.toml")


def evaluation(samples: int, labels: NDArray[Any] | None = None, slices: tuple[str, ...] = ()) -> Dataset:
    """A set whose inputs count up."""
    x = np.arange(samples * 4, dtype=np.float32).reshape(samples, 4)
    return Dataset(
        digest="sha256:" + "0" * 64,
        samples=samples,
        arrays={"x": x},
        stacked=frozenset(),
        labels=labels,
        slices=slices,
    )


def judge(accuracy: str, dataset: Dataset, *, shape: tuple[int, ...] = (-1, 5), folder: Path = Path()) -> Judge:
    """The metric that ``accuracy`` asks for, over the set."""
    asked = contract(accuracy, shape=shape)
    measure = open_measure(asked, folder=folder, file="contract.toml")
    return open_judge(asked, measure, dataset, file="evaluation.npz")
