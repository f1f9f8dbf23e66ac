"""Pools over windows, and over all positions."""

from __future__ import annotations

import numpy as np

from compiler.ir.graph import Node
from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.model import Tensor
from compiler.tflite.qdq import QdqGraph
from compiler.tflite.rule import Rule, Rules
from compiler.tflite.rules.convolution import padded
from compiler.tflite.schema import member
from compiler.tflite.site import Site
from compiler.tflite.values import last
from compiler.tflite.windows import image_shape, missing_pads, padding_of, windows_at
from compiler.wasm.passes.windows import Windows


def _max_pool(site: Site) -> None:
    if any(site.node.outputs[1:]):
        raise site.refuse("indices of the greatest")
    _pool(site, "MAX_POOL_2D")


def _average_pool(site: Site) -> None:
    _pool(site, "AVERAGE_POOL_2D")


def _pool(site: Site, op: str) -> None:
    windows = windows_at(site, site.node.attrs["kernel_shape"])
    if windows.dilations != (1, 1):
        raise site.refuse("dilations")
    rank = site.type_of(0).rank
    source = site.draft.reshaped(site.read(0, last(rank)), image_shape(site.type_of(0).shape))
    out = image_shape(site.made.shape)
    size = site.draft.tensors[source].shape[1:3]
    counts_pads = op == "AVERAGE_POOL_2D" and bool(site.node.attrs.get("count_include_pad", 0))
    padding = padding_of(windows, size, out[1:3])
    if padding is None or (padding == "SAME" and counts_pads and any(windows.pads)):
        source, padding = _around(site, op, source, windows, out), "VALID"
    options = {
        "padding": member("Padding", padding),
        "strideH": windows.strides[0], "strideW": windows.strides[1],
        "filterHeight": windows.kernel[0], "filterWidth": windows.kernel[1],
        "fusedActivationFunction": site.fused(),
    }  # fmt: skip
    site.give(site.emit(op, (source,), out, options, "Pool2DOptions"), last(rank))


def _around(site: Site, op: str, source: int, windows: Windows, out: tuple[int, ...]) -> int:
    """The input with pads that are less than anything (for the greatest), or zeros that are counted."""
    pads = missing_pads(windows, site.draft.tensors[source].shape[1:3], out[1:3])
    if op == "AVERAGE_POOL_2D":
        asked = ((windows.pads[0], windows.pads[2]), (windows.pads[1], windows.pads[3]))
        if not site.node.attrs.get("count_include_pad", 0) or any(
            wanted[1] > held[1] for wanted, held in zip(pads, asked, strict=True)
        ):
            raise site.refuse("pads other than VALID and SAME that are not counted")
        return padded(site, source, pads)
    tensor = site.draft.tensors[source]
    least = np.array(-np.inf if site.quant is None else site.quant.stored_range[0], tensor.dtype.numpy_name)
    sides = np.array([(0, 0), *pads, (0, 0)], np.int32)
    shape = tuple(size + int(side.sum()) for size, side in zip(tensor.shape, sides, strict=True))
    like = Tensor(name=f"{site.node.output}/padded", dtype=tensor.dtype, shape=shape, quant=tensor.quant)
    inputs = (source, site.draft.constant("pads", sides), site.draft.constant("least", least, tensor.quant))
    return site.draft.add("PADV2", inputs, like, {}, "PadV2Options")


def _global_average(site: Site) -> None:
    _global(site, "MEAN")


def _global_max(site: Site) -> None:
    _global(site, "REDUCE_MAX")


def _global(site: Site, op: str) -> None:
    rank = site.type_of(0).rank
    source = site.read(0, last(rank))
    shape = site.type_of(0).shape
    axes = site.draft.integers("axes", tuple(range(1, rank - 1)))
    out = (shape[0], *(1,) * (rank - 2), shape[1])
    site.give(site.emit(op, (source, axes), out, {"keepDims": True}, "ReducerOptions"), last(rank))


def _plain_pool(_graph: QdqGraph, node: Node) -> bool:
    return not any(node.outputs[1:])


_SAME = Kernel(integers=Integers.SAME, fuses=False, accepts=_plain_pool)

RULES: Rules = {
    "MaxPool": Rule(
        lower=_max_pool, tflite=("MAX_POOL_2D", "PADV2"), kernel=_SAME, note="one or two dimensions, no dilations"
    ),
    "AveragePool": Rule(
        lower=_average_pool,
        tflite=("AVERAGE_POOL_2D", "PAD"),
        kernel=_SAME,
        note="one or two dimensions, no dilations; pads that are not counted only as SAME has them",
    ),
    "GlobalAveragePool": Rule(lower=_global_average, tflite=("MEAN",), kernel=Kernel(integers=Integers.ANY)),
    "GlobalMaxPool": Rule(lower=_global_max, tflite=("REDUCE_MAX",), kernel=Kernel(integers=Integers.SAME)),
}
