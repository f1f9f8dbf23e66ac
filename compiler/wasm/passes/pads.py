"""Pass ``pads``: zeros put around an image become padding of the convolution or average pool that reads it.

Requires: a checked graph.
Ensures:
    1. a ``Pad`` of zeros around the last two (or one) dimensions that only a ``Conv`` with explicit pads reads is gone;
    2. the same in front of an ``AveragePool`` that counts padding or has none, when the window is larger than the pad.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.draft import LINE, Draft, scalar

NAME = "pads"


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Fold pads."""
    draft = Draft(graph)
    for node in graph.nodes:
        draft.emit(_folded(draft, node))
    return draft.finish()


def _folded(draft: Draft, node: Node) -> Node:
    pad = draft.maker(node.input(0)) if node.op in ("Conv", "AveragePool") else None
    if pad is None or pad.op != "Pad" or not draft.only_use(pad.output) or not _explicit(node):
        return node
    around = spatial_pads(draft, pad)
    if around is None or (pad.input(2) and scalar(draft.constant(pad.input(2))) != 0.0):
        return node
    rank = draft.types[node.input(0)].rank - 2
    own = tuple(node.attrs.get("pads", (0,) * (2 * rank)))
    attrs = dict(node.attrs) | {"pads": tuple(a + b for a, b in zip(own, around, strict=True))}
    if node.op == "AveragePool":
        windows = tuple(node.attrs["kernel_shape"]) * 2
        counts = node.attrs.get("count_include_pad", 0) or not any(own)
        if not counts or node.attrs.get("ceil_mode", 0) or not _inside(attrs["pads"], windows):
            return node
        attrs["count_include_pad"] = 1
    return replace(node, inputs=(pad.input(0), *node.inputs[1:]), attrs=attrs)


def _explicit(node: Node) -> bool:
    return bool(node.attrs.get("auto_pad", "NOTSET") == "NOTSET")


def _inside(pads: tuple[int, ...], windows: tuple[int, ...]) -> bool:
    return all(pad < size for pad, size in zip(pads, windows, strict=True))


def spatial_pads(draft: Draft, pad: Node) -> tuple[int, ...] | None:
    """Begins, then ends, of the dimensions behind the second, if the pad is constant and touches only these."""
    rank = draft.types[pad.input(0)].rank
    known = all_pads(draft, pad)
    if known is None or rank < LINE or pad.attrs.get("mode", "constant") != "constant":
        return None
    begins, ends = known
    if min((*begins, *ends)) < 0 or any((*begins[:2], *ends[:2])):
        return None
    return (*begins[2:], *ends[2:])


def all_pads(draft: Draft, pad: Node) -> tuple[list[int], list[int]] | None:
    """Begins and ends of every dimension, if the pad is constant."""
    rank = draft.types[pad.input(0)].rank
    amounts, axes = draft.constant(pad.input(1)), draft.constant(pad.input(3))
    if amounts is None or (pad.input(3) and axes is None):
        return None
    where = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    begins, ends = [0] * rank, [0] * rank
    for index, axis in enumerate(where):
        begins[axis], ends[axis] = int(amounts[index]), int(amounts[len(where) + index])
    return begins, ends
