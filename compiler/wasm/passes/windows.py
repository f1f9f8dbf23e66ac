"""Windows of convolutions and pools: kernel, strides, dilations and explicit pads, always in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.ir.graph import Node
from compiler.ir.same_pads import same_pads


@dataclass(frozen=True, kw_only=True)
class Windows:
    """``pads`` are top, left, bottom, right; for one spatial dimension the height is 1."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]


def windows_of(node: Node, kernel: Sequence[int], spatial: Sequence[int], out: Sequence[int]) -> Windows | None:
    """The windows of a node over ``spatial`` sizes that gives ``out`` sizes; ``None`` for three dimensions and more."""
    rank = len(kernel)
    if rank not in (1, 2):
        return None
    strides = tuple(node.attrs.get("strides") or (1,) * rank)
    dilations = tuple(node.attrs.get("dilations") or (1,) * rank)
    pads = tuple(node.attrs.get("pads") or (0,) * (2 * rank))
    mode = node.attrs.get("auto_pad", "NOTSET")
    if mode == "VALID":
        pads = (0,) * (2 * rank)
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        sides = [
            same_pads(size, o, k, s, d, upper=mode == "SAME_UPPER")
            for size, o, k, s, d in zip(spatial, out, kernel, strides, dilations, strict=True)
        ]
        pads = (*(begin for begin, _ in sides), *(end for _, end in sides))
    if min(pads) < 0:
        return None
    if rank == 1:
        return Windows(
            kernel=(1, kernel[0]), strides=(1, strides[0]), dilations=(1, dilations[0]), pads=(0, pads[0], 0, pads[1])
        )
    return Windows(
        kernel=(kernel[0], kernel[1]),
        strides=(strides[0], strides[1]),
        dilations=(dilations[0], dilations[1]),
        pads=(pads[0], pads[1], pads[2], pads[3]),
    )
