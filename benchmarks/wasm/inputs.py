"""Natural inputs of the real models, as ``examples/real_models`` makes them, one batch of one after another."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ort_rewrite import open_session, session_options
from examples.real_models.prepare import RECIPES

Inputs = dict[str, NDArray[Any]]

STATE = "state"
"""Recurrent state has no batch dimension in front: its rows are stacked as they are."""


def natural_data(name: str, folder: Path, model: bytes) -> tuple[Inputs, Inputs]:
    """Calibration and evaluation arrays by input name, one sample to a row; ``model`` is the float graph."""
    session = open_session(model, session_options(), stage="inputs")
    names = [value.name for value in session.get_outputs()]

    def run(row: Inputs) -> Inputs:
        return dict(zip(names, session.run(names, row), strict=True))

    data = RECIPES[name].data(folder, run)
    return data.calibration, data.evaluation


def batches_of_one(arrays: Inputs, *, without: Collection[str]) -> tuple[Inputs, ...]:
    """Each sample on its own; inputs named in ``without`` are left out."""
    kept = {name: array for name, array in arrays.items() if name not in without}
    count = len(next(iter(kept.values())))
    return tuple({name: _row(name, array, index) for name, array in kept.items()} for index in range(count))


def _row(name: str, array: NDArray[Any], index: int) -> NDArray[Any]:
    return np.ascontiguousarray(array[index] if name == STATE else array[index : index + 1])
