"""The op table: every operator that can be lowered, family by family."""

from __future__ import annotations

from compiler.wasm.ops import conv, elementwise, matmul, movement, pad, pool2d
from compiler.wasm.ops.rule import Rules

TABLE: Rules = {
    **conv.RULES,
    **elementwise.RULES,
    **matmul.RULES,
    **movement.RULES,
    **pad.RULES,
    **pool2d.RULES,
}
"""Operator (as in ``Node.op``) -> its rule."""
