"""Operators that only move values."""

from __future__ import annotations

import numpy as np

from compiler.ir.graph import Node
from compiler.tflite.kernel import ALL_INPUTS, Integers, Kernel
from compiler.tflite.model import OptionValue
from compiler.tflite.qdq import QdqGraph
from compiler.tflite.rule import Rule, Rules
from compiler.tflite.rules.elementwise import ordered, result_order
from compiler.tflite.schema import member
from compiler.tflite.site import Site
from edge_bundle.tensor import DType


def _reshape(site: Site) -> None:
    site.give(site.draft.reshaped(site.read(0), site.made.shape))


def _transpose(site: Site) -> None:
    """Nothing is moved: the tensor holds the result in another order."""
    rank = site.type_of(0).rank
    moved = tuple(site.node.attrs.get("perm", tuple(reversed(range(rank)))))
    order = site.order(0)
    site.give(site.read(0, order), tuple(moved.index(axis) for axis in order))


def _concat(site: Site) -> None:
    """Integers are brought to the scale of the result first."""
    order = result_order(site)
    axis = order.index(int(site.node.attrs["axis"]) % site.made.rank)
    places = [site.read(index, order) for index in range(len(site.node.inputs))]
    if site.quant is not None:
        places = [site.draft.requantized(place, site.quant) for place in places]
    options: dict[str, OptionValue] = {"axis": axis, "fusedActivationFunction": site.fused()}
    made = site.emit("CONCATENATION", places, ordered(site.made.shape, order), options, "ConcatenationOptions")
    site.give(made, order)


def _slice(site: Site) -> None:
    rank, shape = site.type_of(0).rank, site.type_of(0).shape
    starts, ends = (site.known(index, "bounds").tolist() for index in (1, 2))
    axes = site.known(3, "axes").tolist() if site.given(3) else list(range(len(starts)))
    steps = site.known(4, "steps").tolist() if site.given(4) else [1] * len(starts)
    if min(steps) < 1:
        raise site.refuse("steps below 1")
    begin, stop, stride = [0] * rank, list(shape), [1] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = int(axis) % rank
        begin[place], stop[place], stride[place] = *slice(start, end, step).indices(shape[place])[:2], int(step)
    order = site.order(0)
    source, out = site.read(0, order), ordered(site.made.shape, order)
    first_places = site.draft.integers("begin", ordered(tuple(begin), order))
    if max(steps) == 1:
        inputs = (source, first_places, site.draft.integers("size", out))
        site.give(site.emit("SLICE", inputs, out, {}, "SliceOptions"), order)
        return
    ends_place = site.draft.integers("end", ordered(tuple(stop), order))
    steps_place = site.draft.integers("steps", ordered(tuple(stride), order))
    strided = (source, first_places, ends_place, steps_place)
    site.give(site.emit("STRIDED_SLICE", strided, out, {}, "StridedSliceOptions"), order)


def _pad(site: Site) -> None:
    rank, mode = site.type_of(0).rank, str(site.node.attrs.get("mode", "constant"))
    amounts = site.known(1, "pads").tolist()
    axes = [int(axis) % rank for axis in site.known(3, "axes").tolist()] if site.given(3) else list(range(rank))
    sides = np.zeros((rank, 2), np.int32)
    sides[axes] = np.array(amounts, np.int32).reshape(2, -1).T
    if sides.min() < 0:
        raise site.refuse("pads below 0")
    order = site.order(0)
    source, out = site.read(0, order), ordered(site.made.shape, order)
    pads = site.draft.constant("pads", sides[list(order)])
    if mode == "reflect":
        options: dict[str, OptionValue] = {"mode": member("MirrorPadMode", "REFLECT")}
        site.give(site.emit("MIRROR_PAD", (source, pads), out, options, "MirrorPadOptions"), order)
        return
    if mode != "constant":
        raise site.refuse(f"expected mode constant or reflect, got {mode!r}")
    value = site.known(2, "values") if site.given(2) else np.zeros(1, np.float32)
    if not np.any(value):
        site.give(site.emit("PAD", (source, pads), out, {}, "PadOptions"), order)
        return
    if site.integer:
        raise site.refuse("stored integers with values other than 0 around them")
    held = site.draft.constant("value", value.reshape(()).astype(site.made.dtype.numpy_name))
    site.give(site.emit("PADV2", (source, pads, held), out, {}, "PadV2Options"), order)


def _gather(site: Site) -> None:
    axis = int(site.node.attrs.get("axis", 0)) % site.type_of(0).rank
    array = site.graph.constant(site.node.input(1))
    if array is None:
        indices = site.read(1)
    else:
        wrapped = np.where(array < 0, array + site.type_of(0).shape[axis], array)
        indices = site.draft.constant(f"{site.node.output}/indices", np.asarray(wrapped, np.int32))
    options: dict[str, OptionValue] = {"axis": axis, "batchDims": 0}
    site.give(site.emit("GATHER", (site.read(0), indices), site.made.shape, options, "GatherOptions"))


def _expand(site: Site) -> None:
    sizes = site.draft.integers("shape", site.made.shape)
    source = site.draft.reshaped(
        site.read(0), (*(1,) * (site.made.rank - site.type_of(0).rank), *site.type_of(0).shape)
    )
    site.give(site.emit("BROADCAST_TO", (source, sizes), site.made.shape, {}, "BroadcastToOptions"))


def _tile(site: Site) -> None:
    counts = site.draft.integers("counts", site.known(1, "repeats").tolist())
    site.give(site.emit("TILE", (site.read(0), counts), site.made.shape, {}, "TileOptions"))


def _depth_to_space(site: Site) -> None:
    if site.node.attrs.get("mode", "DCR") != "DCR":
        raise site.refuse("expected mode DCR, got CRD")
    _blocks(site, "DEPTH_TO_SPACE", "DepthToSpaceOptions")


def _space_to_depth(site: Site) -> None:
    _blocks(site, "SPACE_TO_DEPTH", "SpaceToDepthOptions")


def _blocks(site: Site, op: str, table: str) -> None:
    order = (0, 2, 3, 1)
    options: dict[str, OptionValue] = {"blockSize": int(site.node.attrs["blocksize"])}
    site.give(site.emit(op, (site.read(0, order),), ordered(site.made.shape, order), options, table), order)


def _plain_pad(graph: QdqGraph, node: Node) -> bool:
    """Zeros around, or the values themselves."""
    value = graph.floats(node.input(2)) if node.input(2) else np.zeros(1)
    return node.attrs.get("mode", "constant") == "reflect" or (value is not None and not value.any())


_SAME = Kernel(integers=Integers.SAME)

RULES: Rules = {
    **dict.fromkeys(
        ("Flatten", "Reshape", "Squeeze", "Unsqueeze"), Rule(lower=_reshape, tflite=("RESHAPE",), kernel=_SAME)
    ),
    "Transpose": Rule(lower=_transpose, tflite=("TRANSPOSE",), kernel=_SAME),
    "Concat": Rule(
        lower=_concat,
        tflite=("CONCATENATION",),
        kernel=Kernel(integers=Integers.ANY, activations=ALL_INPUTS),
    ),
    "Slice": Rule(
        lower=_slice, tflite=("SLICE", "STRIDED_SLICE"), kernel=_SAME, note="known bounds, steps of at least 1"
    ),
    "Pad": Rule(
        lower=_pad,
        tflite=("PAD", "PADV2", "MIRROR_PAD"),
        kernel=Kernel(integers=Integers.SAME, accepts=_plain_pad),
        note="modes constant and reflect, known pads of at least 0",
    ),
    "Gather": Rule(lower=_gather, tflite=("GATHER",), kernel=_SAME),
    "Expand": Rule(lower=_expand, tflite=("BROADCAST_TO",)),
    "Tile": Rule(lower=_tile, tflite=("TILE",), note="known repeats"),
    "DepthToSpace": Rule(
        lower=_depth_to_space,
        tflite=("DEPTH_TO_SPACE",),
        kernel=Kernel(integers=Integers.SAME, stored=(DType.INT8,)),
        note="mode DCR",
    ),
    "SpaceToDepth": Rule(
        lower=_space_to_depth, tflite=("SPACE_TO_DEPTH",), kernel=Kernel(integers=Integers.SAME, stored=(DType.INT8,))
    ),
}
