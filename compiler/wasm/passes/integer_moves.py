"""Operators that only move values, on stored values; where scales differ these are requantized first."""

from __future__ import annotations

from dataclasses import replace

from compiler.ir.graph import Node, ValueType
from compiler.wasm.passes.draft import Draft
from compiler.wasm.passes.integer_elements import padding
from compiler.wasm.passes.quantization import StoredValue, Wanted, stored
from compiler.wasm.passes.tables import constant_stored, requantized

MOVES = frozenset({
    "Concat", "DepthToSpace", "Expand", "Gather", "GatherElements", "GatherND", "Pad", "Reshape", "Resize", "Slice",
    "SpaceToDepth", "Split", "Tile", "Transpose",
})  # fmt: skip
"""``Resize`` only where it takes the nearest element."""


def moved(draft: Draft, node: Node, want: Wanted, output: str) -> str | None:
    """The operator on stored values of the wanted quantization; ``want.value`` is one of its outputs."""
    if node.op == "Resize" and node.attrs.get("mode", "nearest") != "nearest":
        return None
    many = node.op == "Concat"
    inputs = list(node.inputs)
    for index in range(len(inputs) if many else 1):
        name = _input(draft, inputs[index], want, f"{output}@{index}")
        if name is None:
            return None
        inputs[index] = name
    if node.op == "Pad" and node.attrs.get("mode", "constant") == "constant":
        fill = padding(draft, node.input(2), want, f"{output}/fill")
        if fill is None:
            return None
        inputs = [*inputs[:2], fill, *inputs[3:]]
    _emit(draft, node, tuple(inputs), want, output)
    return output


def _input(draft: Draft, value: str, want: Wanted, name: str) -> str | None:
    real = draft.floats(value)
    if real is not None:
        return draft.new_constant(name, constant_stored(real, want))
    found: StoredValue | None = stored(draft, value)
    return None if found is None else requantized(draft, found, want, draft.fresh(name))


def _emit(draft: Draft, node: Node, inputs: tuple[str, ...], want: Wanted, output: str) -> None:
    """Only the wanted one of several outputs is named."""
    names = [output if name == want.value else draft.fresh(f"{name}@unused") if name else "" for name in node.outputs]
    for name, old in zip(names, node.outputs, strict=True):
        if name:
            draft.types[name] = ValueType(want.quant.dtype, draft.types[old].shape)
    draft.emit(replace(node, name=draft.node_name(output), inputs=inputs, outputs=tuple(names)))
