"""The op table: every operator that can be lowered, family by family."""

from __future__ import annotations

from compiler.wasm.ops import movement, pad
from compiler.wasm.ops.rule import Rules

TABLE: Rules = {**movement.RULES, **pad.RULES}
"""Operator (as in ``Node.op``) -> its rule."""
