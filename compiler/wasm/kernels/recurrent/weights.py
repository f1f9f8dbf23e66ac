"""Weights of a recurrent layer, laid out for its kernels: by numpy if they are constants, else by code in each run.

ONNX stores W as [directions, gates * hidden, inputs], R as [directions, gates * hidden, hidden], B as [directions,
2 * gates * hidden], P as [directions, 3 * hidden]. The kernels read matrices as [depth, gates * padded].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compiler.wasm.kernels.copy import copy_layout
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.recurrent.product import pack
from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES, VECTOR_BYTES
from wasm_emit.function import Function
from wasm_emit.instructions import f32x4, memory, v128


def packed_matrix(weights: NDArray[np.float32], hidden: int, gates: range) -> NDArray[np.float32]:
    """[gates * hidden, depth] -> the chosen gates, transposed, padded and packed."""
    chosen = weights.reshape(-1, hidden, weights.shape[-1])[gates.start : gates.stop]
    padded = np.zeros((weights.shape[-1], len(gates), -(-hidden // FLOAT_LANES) * FLOAT_LANES), np.float32)
    padded[:, :, :hidden] = chosen.transpose(2, 0, 1)
    return pack(padded.reshape(weights.shape[-1], -1))


def padded_rows(rows: NDArray[np.float32], hidden: int) -> NDArray[np.float32]:
    """[n * hidden] -> [n, padded]."""
    made = np.zeros((rows.size // hidden, -(-hidden // FLOAT_LANES) * FLOAT_LANES), np.float32)
    made[:, :hidden] = rows.reshape(-1, hidden)
    return made


def emit_matrix(fn: Function, target: int, source: int, hidden: int, depth: int, gates: range) -> None:
    """``packed_matrix`` without the packing, as code; what pads it is left undefined, and nothing depends on it."""
    padded = -(-hidden // FLOAT_LANES) * FLOAT_LANES
    to = Layout.of((depth, len(gates), padded), FLOAT_BYTES).part(2, 0, hidden)
    come = Layout.of((len(gates), hidden, depth), FLOAT_BYTES).permute((2, 0, 1))
    copy_layout(fn, target, to, source + gates.start * hidden * depth * FLOAT_BYTES, come, FLOAT_BYTES)


def emit_rows(fn: Function, target: int, source: int, hidden: int, count: int) -> None:
    """``padded_rows`` as code."""
    padded = -(-hidden // FLOAT_LANES) * FLOAT_LANES
    to = Layout.of((count, padded), FLOAT_BYTES).part(1, 0, hidden)
    copy_layout(fn, target, to, source, Layout.of((count, hidden), FLOAT_BYTES), FLOAT_BYTES)


def emit_sums(fn: Function, target: int, sources: Sequence[int], hidden: int) -> None:
    """One gate's bias: the sum of rows of ``hidden`` floats, or 0."""
    padded = -(-hidden // FLOAT_LANES) * FLOAT_LANES
    if not sources:
        fn.do(memory.fill(target, 0, padded * FLOAT_BYTES))
        return
    to = fn.new(target, "bias")
    come = [fn.new(source, "part") for source in sources]
    with fn.pointer_loop(to, padded // FLOAT_LANES, VECTOR_BYTES):
        total = v128.load(come[0])
        for other in come[1:]:
            total = f32x4.add(total, v128.load(other))
        fn.do(v128.store(to, total))
        for pointer in come:
            fn.advance(pointer, VECTOR_BYTES)
