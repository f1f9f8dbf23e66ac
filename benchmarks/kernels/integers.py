"""The integer flavour of a float case: the same shape with 8-bit values, so that both can be compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels.cases import Case
from compiler.wasm.compile import WasmModule
from compiler.wasm.options import WasmOptions
from compiler.wasm.specs import Conv2d, QConv2d, QGemm, QPool, QResidual, Quant
from edge_bundle.tensor import DType

LOW, HIGH = 0, 255
X = Quant(float(np.float32(0.0235)), 3, DType.UINT8)
OTHER, SUM = Quant(float(np.float32(0.0371)), 130, DType.UINT8), Quant(float(np.float32(0.0613)), 101, DType.UINT8)


def compile_integer(case: Case, options: WasmOptions) -> WasmModule:
    """A module of this layer alone, uint8 activations, int8 weights with a scale for each output channel."""
    rng = np.random.default_rng(0)
    constants = _constants(rng, case)
    op, spec = _spec(rng, case)
    return case.one_node(op, spec, DType.UINT8, constants, options)


def _constants(rng: np.random.Generator, case: Case) -> dict[str, NDArray[np.int8] | NDArray[np.int32]]:
    if not case.weights:
        return {}
    weights = rng.integers(-127, 128, case.weights).astype(np.int8)
    return {"w": weights, "bias": rng.integers(-2000, 2000, case.output[-1]).astype(np.int32)}


def _spec(rng: np.random.Generator, case: Case) -> tuple[str, object]:
    """Scales are such that results fill the range."""
    columns = case.output[-1]
    depth = int(np.prod(case.weights)) // columns if case.weights else 1
    scales = rng.uniform(0.002, 0.006, columns).astype(np.float32)
    y = Quant(float(np.float32(X.scale * 0.004 * 70 * np.sqrt(depth))), 120, DType.UINT8)
    if case.op == "skerry.global_pool":
        return "skerry.qpool", QPool(pool=None, x=X, y=X)
    if case.op == "skerry.gemm":
        return "skerry.qgemm", QGemm(x=X, w_scales=scales, y=y, low=LOW, high=HIGH)
    if not isinstance(case.spec, Conv2d):
        raise TypeError(f"{case.name}: expected a convolution, got {type(case.spec).__name__}")
    after = QResidual(other=OTHER, y=SUM, low=LOW, high=HIGH) if case.residual else None
    spec = QConv2d(conv=case.spec, x=X, w_scales=scales, y=y, low=LOW, high=HIGH, residual=after)
    return "skerry.qconv2d", spec
