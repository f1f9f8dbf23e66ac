"""The op table: every operator that can be lowered, family by family."""

from __future__ import annotations

from compiler.wasm.ops import (
    argpool,
    cast,
    compare,
    control,
    conv,
    convolve,
    elementwise,
    functions,
    gather,
    matmul,
    matrices,
    movement,
    pad,
    pool2d,
    pooling,
    power,
    products,
    qlinear,
    quantized,
    reduce,
    running,
    scatter,
    transposed,
)
from compiler.wasm.ops.rule import Rules

TABLE: Rules = {
    **argpool.RULES,
    **cast.RULES,
    **compare.RULES,
    **control.RULES,
    **conv.RULES,
    **convolve.RULES,
    **elementwise.RULES,
    **functions.RULES,
    **gather.RULES,
    **matmul.RULES,
    **matrices.RULES,
    **movement.RULES,
    **pad.RULES,
    **pool2d.RULES,
    **pooling.RULES,
    **power.RULES,
    **products.RULES,
    **qlinear.RULES,
    **quantized.RULES,
    **reduce.RULES,
    **running.RULES,
    **scatter.RULES,
    **transposed.RULES,
}
"""Operator (as in ``Node.op``) -> its rule."""
