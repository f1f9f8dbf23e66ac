"""Convolutions: ``CONV_2D``, ``DEPTHWISE_CONV_2D`` and ``TRANSPOSE_CONV``, images with channels last."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.model import Tensor
from compiler.tflite.qdq import QdqGraph
from compiler.tflite.rule import Rule, Rules
from compiler.tflite.schema import member
from compiler.tflite.site import Site
from compiler.tflite.values import last
from compiler.tflite.weights import bias, integer_weights, weights
from compiler.tflite.windows import LINE, image_shape, missing_pads, padding_of, windows_at
from compiler.wasm.passes.windows import Windows


def _conv(site: Site) -> None:
    shape = site.type_of(1).shape
    site.known(1, "weights")
    windows = windows_at(site, shape[2:])
    rank = site.type_of(0).rank
    source = site.draft.reshaped(site.read(0, last(rank)), image_shape(site.type_of(0).shape))
    out = image_shape(site.made.shape)
    source, padding = _padded(site, source, windows, out)
    groups = int(site.node.attrs.get("group", 1))
    depthwise = groups > 1 and groups == site.type_of(0).shape[1]
    axis = 3 if depthwise else 0
    held = weights(site, _depthwise_weights if depthwise else _weights, axis)
    options: dict[str, Any] = {
        "padding": member("Padding", padding),
        "strideH": windows.strides[0], "strideW": windows.strides[1],
        "dilationHFactor": windows.dilations[0], "dilationWFactor": windows.dilations[1],
        "fusedActivationFunction": site.fused(),
    }  # fmt: skip
    inputs = (source, held, bias(site, shape[0]))
    if depthwise:
        options["depthMultiplier"] = shape[0] // groups
        made = site.emit("DEPTHWISE_CONV_2D", inputs, out, options, "DepthwiseConv2DOptions")
    else:
        made = site.emit("CONV_2D", inputs, out, options, "Conv2DOptions")
    site.give(made, last(rank))


def _weights(array: NDArray[Any]) -> NDArray[Any]:
    """[out, in, H, W] as [out, H, W, in]."""
    image = array[:, :, None, :] if array.ndim == LINE else array
    return image.transpose(0, 2, 3, 1)


def _depthwise_weights(array: NDArray[Any]) -> NDArray[Any]:
    """[out, 1, H, W] as [1, H, W, out]."""
    image = array[:, :, None, :] if array.ndim == LINE else array
    return image.transpose(1, 2, 3, 0)


def _padded(site: Site, source: int, windows: Windows, out: tuple[int, ...]) -> tuple[int, str]:
    """The input, with a ``PAD`` in front where neither ``SAME`` nor ``VALID`` pads as the node does."""
    tensor = site.draft.tensors[source]
    size = tensor.shape[1:3]
    padding = padding_of(windows, size, out[1:3])
    if padding is not None:
        return source, padding
    return padded(site, source, missing_pads(windows, size, out[1:3])), "VALID"


def padded(site: Site, source: int, pads: tuple[tuple[int, int], tuple[int, int]]) -> int:
    """An image with zeros around it (the zero point, of integers)."""
    if not any(map(any, pads)):
        return source
    tensor = site.draft.tensors[source]
    sides = np.array([(0, 0), *pads, (0, 0)], np.int32)
    shape = tuple(size + int(side.sum()) for size, side in zip(tensor.shape, sides, strict=True))
    like = Tensor(name=f"{site.node.output}/padded", dtype=tensor.dtype, shape=shape, quant=tensor.quant)
    return site.draft.add("PAD", (source, site.draft.constant("pads", sides)), like, {}, "PadOptions")


def _transposed_conv(site: Site) -> None:
    """What ONNX crops by its pads, TFLite leaves to a ``SLICE``, but where that is what ``SAME`` does."""
    shape = site.type_of(1).shape
    site.known(1, "weights")
    if int(site.node.attrs.get("group", 1)) != 1 or any(step != 1 for step in site.node.attrs.get("dilations", ())):
        raise site.refuse("groups and dilations")
    rank, kernel = site.type_of(0).rank, shape[2:]
    source = site.draft.reshaped(site.read(0, last(rank)), image_shape(site.type_of(0).shape))
    out = image_shape(site.made.shape)
    strides, before = _strides_and_crops(site, kernel)
    size, full = site.draft.tensors[source].shape, list(out)
    whole = tuple(stride * one for stride, one in zip(strides, size[1:3], strict=True))
    reach = (1, *kernel) if rank == LINE else tuple(kernel)
    same = whole == out[1:3] and all(
        k >= s and crop == (k - s) // 2 for k, s, crop in zip(reach, strides, before, strict=True)
    )
    if not same:
        full[1:3] = [
            max((one - 1) * s + k, crop + made)
            for one, s, k, crop, made in zip(size[1:3], strides, reach, before, out[1:3], strict=True)
        ]
        if any(
            one > (n - 1) * s + k + s - 1 for one, n, s, k in zip(full[1:3], size[1:3], strides, reach, strict=True)
        ):
            raise site.refuse("output padding of a stride or more")
    inputs = (
        site.draft.integers("output shape", full),
        weights(site, _transposed_weights, 0), source, bias(site, shape[1]),
    )  # fmt: skip
    options = {
        "padding": member("Padding", "SAME" if same else "VALID"), "strideH": strides[0], "strideW": strides[1],
    }  # fmt: skip
    made = site.emit("TRANSPOSE_CONV", inputs, tuple(full), options, "TransposeConvOptions")
    if tuple(full) != out:
        begin = site.draft.integers("begin", (0, *before, 0))
        made = site.emit("SLICE", (made, begin, site.draft.integers("size", out)), out, {}, "SliceOptions")
    site.give(made, last(rank))


def _transposed_weights(array: NDArray[Any]) -> NDArray[Any]:
    """[in, out, H, W] as [out, H, W, in]."""
    image = array[:, :, None, :] if array.ndim == LINE else array
    return image.transpose(1, 2, 3, 0)


def _strides_and_crops(site: Site, kernel: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Strides, and the crops in front, of height and width."""
    rank = len(kernel)
    if rank not in (1, 2):
        raise site.refuse(f"expected one or two spatial dimensions, got {rank}")
    strides = tuple(site.node.attrs.get("strides") or (1,) * rank)
    size, out = site.type_of(0).shape[2:], site.made.shape[2:]
    mode, extra = site.node.attrs.get("auto_pad", "NOTSET"), site.node.attrs.get("output_padding") or (0,) * rank
    crops = list(site.node.attrs.get("pads") or (0,) * rank)[:rank]
    if mode in ("SAME_UPPER", "SAME_LOWER") or site.node.attrs.get("output_shape"):
        totals = [s * (n - 1) + e + k - o for s, n, e, k, o in zip(strides, size, extra, kernel, out, strict=True)]
        crops = [total // 2 if mode == "SAME_UPPER" else total - total // 2 for total in totals]
    if min(crops) < 0:
        raise site.refuse("pads below 0")
    return ((1, strides[0]), (0, crops[0])) if rank == 1 else ((strides[0], strides[1]), (crops[0], crops[1]))


def _plain_transposed(graph: QdqGraph, node: Node) -> bool:
    return int(node.attrs.get("group", 1)) == 1 and integer_weights(1)(graph, node)


RULES: Rules = {
    "Conv": Rule(
        lower=_conv,
        tflite=("CONV_2D", "DEPTHWISE_CONV_2D", "PAD"),
        kernel=Kernel(integers=Integers.ANY, fuses=True, accepts=integer_weights(0)),
        note="one or two spatial dimensions, known weights",
    ),
    "ConvTranspose": Rule(
        lower=_transposed_conv,
        tflite=("TRANSPOSE_CONV", "SLICE"),
        kernel=Kernel(integers=Integers.ANY, accepts=_plain_transposed),
        note="one or two spatial dimensions, known weights, no groups, no dilations",
    ),
}
