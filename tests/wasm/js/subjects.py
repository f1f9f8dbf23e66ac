"""What bit-equality is tested on: the digits example of this repository, and the real models where they are at hand."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.wasm.models import MODELS, Precision, find_model, fused, graph, inputs, quantized
from compiler.wasm.compile import WasmModule, compile_module
from compiler.wasm.options import WasmOptions
from edge_bundle.tensor import Tensor
from edge_runtime.arrays import to_tensor

DIGITS = Path(__file__).parent.parent.parent.parent / "examples" / "digits"

ROWS = 6
"""Natural inputs of each model; after them come inputs with extreme values."""

EXTREMES = (np.nan, -np.nan, np.inf, -np.inf, -0.0, 1e-40, 3e38)
"""Each takes the place of every fifth value: NaN of either sign, infinities, negative zero, a subnormal, a huge one."""

SUBJECTS = [
    ("digits", Precision.FP32),
    ("digits", Precision.INT8),
    *((model.name, precision) for model in MODELS for precision in model.precisions),
]


@functools.cache
def subject(name: str, precision: Precision) -> WasmModule:
    """The compiled module; skips the test where the model is not at hand."""
    if name == "digits":
        float_graph = fused((DIGITS / "digits.onnx").read_bytes())
        found = float_graph if precision is Precision.FP32 else quantized(float_graph, _digits("calibration"))
        return compile_module(found.model, WasmOptions())
    model = find_model(name)
    if not model.path().is_file():
        pytest.skip(f"there is no {model.path()}")
    return compile_module(graph(name, precision), model.options())


@functools.cache
def subject_rows(name: str) -> Sequence[dict[str, Tensor]]:
    """Natural inputs, then the first of them with extreme values in it."""
    if name == "digits":
        images = _digits("evaluation")["image"]
        natural: Sequence[dict[str, NDArray[Any]]] = [{"image": images[i : i + 1]} for i in range(ROWS)]
    else:
        natural = inputs(name)[:ROWS]
    extreme = [_spoilt(natural[0], value) for value in EXTREMES]
    return [{key: to_tensor(array) for key, array in row.items()} for row in (*natural, *extreme)]


def _spoilt(row: dict[str, NDArray[Any]], value: float) -> dict[str, NDArray[Any]]:
    copies = {key: array.copy() for key, array in row.items()}
    next(iter(copies.values())).reshape(-1)[3::5] = np.float32(value)
    return copies


def _digits(name: str) -> dict[str, NDArray[Any]]:
    with np.load(DIGITS / f"{name}.npz") as found:
        return {"image": found["image"]}
