"""A few planes woven into one run, such as the colours of an image: NCHW to NHWC with two to four channels."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.wasm.numerics.sizes import VECTOR_BYTES
from wasm_emit.function import Function
from wasm_emit.instructions import shuffle, v128
from wasm_emit.types import Expr

PLANES = range(2, 5)
"""Numbers of planes that are woven; more make tiles (``transposed_tiles.py``)."""


def is_woven(sizes: Sequence[int], strides: Sequence[int], steps: Sequence[int], itemsize: int) -> bool:
    """Whether the last two axes are elements of a plane, and planes, and the target is dense along both.

    ``strides`` are the target's, ``steps`` the source's, in bytes.
    """
    if len(sizes) < 2 or sizes[-1] not in PLANES:  # noqa: PLR2004 - two axes
        return False
    dense = (strides[-1], strides[-2], steps[-2]) == (itemsize, sizes[-1] * itemsize, itemsize)
    return dense and VECTOR_BYTES % itemsize == 0 and sizes[-2] * itemsize >= VECTOR_BYTES


def weave(fn: Function, target: Expr, source: Expr, planes: int, plane_bytes: int, itemsize: int) -> None:
    """One vector of each plane, from ``source`` on ``plane_bytes`` apart, to as many vectors at ``target``."""
    loaded = [fn.new(v128.load(source + plane * plane_bytes), "plane") for plane in range(planes)]
    for index in range(planes):
        places = [index * VECTOR_BYTES + byte for byte in range(VECTOR_BYTES)]
        woven: Expr = loaded[0]
        for plane in range(1, planes):
            woven = shuffle(woven, loaded[plane], _lanes(places, plane, planes, itemsize))
        fn.do(v128.store(target, woven, offset=index * VECTOR_BYTES))


def _lanes(places: Sequence[int], plane: int, planes: int, itemsize: int) -> list[int]:
    """Bytes to take: those of ``plane`` from the second operand, what is in place from the first.

    The first operand of the first shuffle is plane 0 as it lies.
    """
    lanes = []
    for byte, place in enumerate(places):
        element, inner = divmod(place, itemsize)
        row, owner = divmod(element, planes)
        inside = row * itemsize + inner
        if owner == plane:
            lanes.append(VECTOR_BYTES + inside)
        else:
            lanes.append(inside if plane == 1 and owner == 0 else byte)
    return lanes
