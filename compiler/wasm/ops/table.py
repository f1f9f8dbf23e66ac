"""The op table: every operator that can be lowered, family by family."""

from __future__ import annotations

from compiler.wasm.ops import (
    argpool,
    conv,
    convolve,
    elementwise,
    gather,
    matmul,
    matrices,
    movement,
    pad,
    pool2d,
    pooling,
    products,
    quantized,
    running,
    scatter,
)
from compiler.wasm.ops.rule import Rules

TABLE: Rules = {
    **argpool.RULES,
    **conv.RULES,
    **convolve.RULES,
    **elementwise.RULES,
    **gather.RULES,
    **matmul.RULES,
    **matrices.RULES,
    **movement.RULES,
    **pad.RULES,
    **pool2d.RULES,
    **pooling.RULES,
    **products.RULES,
    **quantized.RULES,
    **running.RULES,
    **scatter.RULES,
}
"""Operator (as in ``Node.op``) -> its rule."""
