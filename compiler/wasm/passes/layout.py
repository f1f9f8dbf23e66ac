"""Pass ``layout``: images are held with channels last inside the model.

Requires: a checked graph; explicit weights (``products`` ran).
Ensures:
    1. float32 ``Conv`` with known weights, ``MaxPool``, ``AveragePool``, ``GlobalAveragePool``, ``GlobalMaxPool`` and
       ``ReduceMean`` over all positions, in one or two dimensions, are ``skerry.conv2d``, ``skerry.pool2d`` and
       ``skerry.global_pool`` over channels-last values;
    2. nodes that work in either layout (``carried.py``) and read a channels-last value give one;
    3. all other nodes, bodies and the graph's inputs and outputs see values as ONNX has them; where a value is needed
       in the other layout it is transposed once (a view where only sizes of 1 change places).
"""

from __future__ import annotations

from dataclasses import replace

from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.carried import ELEMENTWISE, RULES, Carried
from compiler.wasm.passes.draft import IMAGE, LINE, Draft, captured
from compiler.wasm.passes.relayout import Layouts
from compiler.wasm.passes.weight_tensor import is_weight, rearranged
from compiler.wasm.passes.windows import Windows, windows_of
from compiler.wasm.specs import Conv2d, GlobalPool, Pool2d, PoolKind
from edge_bundle.tensor import DType

NAME = "layout"

_POOLS = {"MaxPool": PoolKind.MAX, "AveragePool": PoolKind.AVERAGE}
_GLOBAL = {"GlobalMaxPool": PoolKind.MAX, "GlobalAveragePool": PoolKind.AVERAGE, "ReduceMean": PoolKind.AVERAGE}


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Choose a layout for every value, in order."""
    draft = Draft(graph)
    layouts = Layouts(draft)
    for node in graph.nodes:
        if not (_native(draft, layouts, node) or _carry(draft, layouts, node)):
            for name in (*node.inputs, *captured(node)):
                if name:
                    layouts.first(name)
            draft.emit(node)
            layouts.note_made(node.outputs)
    for name in graph.outputs:
        layouts.first(name)
    return draft.finish()


def _native(draft: Draft, layouts: Layouts, node: Node) -> bool:
    """Rule 1."""
    kind = draft.types[node.input(0)] if node.input(0) else None
    if kind is None or kind.dtype is not DType.FP32 or kind.rank not in (LINE, IMAGE) or 0 in kind.shape:
        return False
    if not node.output or 0 in draft.types[node.output].shape:
        return False
    if node.op == "Conv":
        return _conv(draft, layouts, node)
    if node.op in _POOLS:
        return _pool(draft, layouts, node)
    if node.op in _GLOBAL:
        return _global_pool(draft, layouts, node)
    return False


def _conv(draft: Draft, layouts: Layouts, node: Node) -> bool:
    weight, bias = node.input(1), node.input(2)
    if not is_weight(draft, weight) or (bias and not is_weight(draft, bias)):
        return False
    shape = draft.types[weight].shape
    windows = _windows(draft, node, shape[2:])
    if windows is None:
        return False
    if len(shape) == LINE:
        flat = (shape[0], shape[1], 1, shape[2])
        weight = rearranged(draft, weight, lambda a: a.reshape(flat), draft.fresh(f"{weight}@2d"))
    spec = Conv2d(
        kernel=windows.kernel, strides=windows.strides, dilations=windows.dilations, pads=windows.pads,
        groups=int(node.attrs.get("group", 1)),
    )  # fmt: skip
    _emit_native(draft, layouts, node, "skerry.conv2d", spec, (weight, bias, ""))
    return True


def _pool(draft: Draft, layouts: Layouts, node: Node) -> bool:
    average = node.op == "AveragePool"
    if any(node.outputs[1:]) or node.attrs.get("storage_order", 0) or (average and node.attrs.get("ceil_mode", 0)):
        return False
    windows = _windows(draft, node, node.attrs["kernel_shape"])
    if windows is None:
        return False
    spec = Pool2d(
        kind=_POOLS[node.op], kernel=windows.kernel, strides=windows.strides, dilations=windows.dilations,
        pads=windows.pads, count_include_pad=bool(node.attrs.get("count_include_pad", 0)),
    )  # fmt: skip
    _emit_native(draft, layouts, node, "skerry.pool2d", spec, ())
    return True


def _windows(draft: Draft, node: Node, kernel: tuple[int, ...]) -> Windows | None:
    return windows_of(node, kernel, draft.types[node.input(0)].shape[2:], draft.types[node.output].shape[2:])


def _global_pool(draft: Draft, layouts: Layouts, node: Node) -> bool:
    rank = draft.types[node.input(0)].rank
    if node.op == "ReduceMean":
        axes = draft.constant(node.input(1)) if node.input(1) else node.attrs.get("axes")
        spatial = axes is not None and sorted(int(axis) % rank for axis in axes) == list(range(2, rank))
        if not spatial or not layouts.has_last(node.input(0)):
            return False
    if node.op == "ReduceMean" and not node.attrs.get("keepdims", 1):
        return _flat_mean(draft, layouts, node)
    _emit_native(draft, layouts, node, "skerry.global_pool", GlobalPool(kind=_GLOBAL[node.op]), ())
    return True


def _flat_mean(draft: Draft, layouts: Layouts, node: Node) -> bool:
    """A mean that drops its dimensions is a global pool and a view of it."""
    source = layouts.last(node.input(0))
    wide = draft.types[source].shape
    image = _image(draft, source)
    pooled = draft.fresh(f"{node.output}@pool")
    draft.types[pooled] = ValueType(DType.FP32, (wide[0], 1, 1, wide[-1]))
    spec = GlobalPool(kind=PoolKind.AVERAGE)
    draft.emit(Node(op="skerry.global_pool", name=node.name, inputs=(image,), outputs=(pooled,), attrs={"spec": spec}))
    draft.reshaped(pooled, draft.types[node.output].shape, node.output)
    layouts.note_made(node.outputs)
    return True


def _image(draft: Draft, value: str) -> str:
    """A channels-last value as [N, H, W, C]: lines [N, L, C] get a height of 1."""
    shape = draft.types[value].shape
    if len(shape) == IMAGE:
        return value
    return draft.reshaped(value, (shape[0], 1, *shape[1:]), draft.fresh(f"{value}@image"))


def _emit_native(
    draft: Draft, layouts: Layouts, node: Node, op: str, spec: object, more_inputs: tuple[str, ...]
) -> None:
    source = _image(draft, layouts.last(node.input(0)))
    result = layouts.new_last(node.output)
    made = Node(op=op, name=node.name, inputs=(source, *more_inputs), outputs=(result,), attrs={"spec": spec})
    shape = draft.types[result].shape
    if len(shape) == IMAGE:
        draft.emit(made)
        return
    image = draft.fresh(f"{result}@image")
    draft.types[image] = ValueType(DType.FP32, (shape[0], 1, *shape[1:]))
    draft.emit(replace(made, outputs=(image,)))
    draft.reshaped(image, shape, result)


def _carry(draft: Draft, layouts: Layouts, node: Node) -> bool:
    """Rule 2."""
    rule = RULES.get(node.op)
    if rule is None or not node.input(0):
        return False
    rank = draft.types[node.output if node.op in ELEMENTWISE else node.input(0)].rank
    reads = node.inputs if node.op in ELEMENTWISE or node.op == "Concat" else node.inputs[:1]
    ranks = {
        draft.types[name].rank for name in reads if name and draft.constant(name) is None and layouts.has_last(name)
    }
    if ranks != {rank}:
        return False
    found = rule(draft, layouts, node)
    if found is None:
        return False
    _emit_carried(draft, layouts, node, found)
    return True


def _emit_carried(draft: Draft, layouts: Layouts, node: Node, found: Carried) -> None:
    if found.flat:
        draft.emit(replace(node, inputs=found.inputs, attrs=found.attrs))
        layouts.note_made(node.outputs)
        return
    outputs = tuple(layouts.new_last(name) if name else "" for name in node.outputs)
    draft.emit(replace(node, inputs=found.inputs, outputs=outputs, attrs=found.attrs))
