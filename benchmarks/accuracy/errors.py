"""The largest error of a function over bit patterns of float32, spread evenly over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx  # noqa: TID251 - a model of one node
from numpy.typing import NDArray
from onnx import helper  # noqa: TID251

from benchmarks.accuracy.functions import Reference
from compiler.wasm.compile import compile_module
from compiler.wasm_tools.instance import Instance

ELEMENTS = 1 << 18
"""Inputs of one run: 1 MiB."""

_PATTERNS = 1 << 32


@dataclass(frozen=True)
class Worst:
    """The largest error in units in the last place of the float32 next to the true result, and where it is."""

    ulp: float
    at: float
    inputs: int


def worst_error(operator: str, reference: Reference, *, step: int) -> Worst:
    """Try every ``step``-th bit pattern; those without a finite true result are left out.

    Raises ``ValueError`` where the function is infinite or NaN although the true result is within float32's range.
    """
    module = compile_module(_model(operator))
    instance = Instance(module.standalone(), module.info)
    worst, count = Worst(0.0, 0.0, 0), 0
    for x in _inputs(step):
        got = instance.run({"x": x})["y"]
        with np.errstate(all="ignore"):
            true = reference(x.astype(np.float64))
            held = np.isfinite(x) & np.isfinite(true.astype(np.float32))
        count += int(held.sum())
        if not np.isfinite(got[held]).all():
            raise ValueError(f"{operator}: expected finite results, got {got[held][~np.isfinite(got[held])][0]}")
        errors = np.zeros(x.shape)
        errors[held] = _ulps(got[held], true[held])
        place = int(errors.argmax())
        if errors[place] > worst.ulp:
            worst = Worst(float(errors[place]), float(x[place]), 0)
    return Worst(worst.ulp, worst.at, count)


def _ulps(got: NDArray[np.float32], true: NDArray[np.float64]) -> NDArray[np.float64]:
    unit = np.spacing(np.abs(true.astype(np.float32))).astype(np.float64)
    return np.asarray(np.abs(got.astype(np.float64) - true) / unit)


def _inputs(step: int) -> Iterator[NDArray[np.float32]]:
    """Blocks of ``ELEMENTS``; the last one is filled up with the first patterns."""
    patterns = np.arange(0, _PATTERNS, step, dtype=np.uint64).astype(np.uint32)
    for start in range(0, len(patterns), ELEMENTS):
        yield np.resize(patterns[start : start + ELEMENTS], ELEMENTS).view(np.float32)


def _model(operator: str) -> bytes:
    def info(name: str) -> Any:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [ELEMENTS])

    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"])], "function", [info("x")], [info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    return bytes(model.SerializeToString())
