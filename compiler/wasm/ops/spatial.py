"""Windows over spatial axes: kernel, strides, dilations and pads of a node, ``auto_pad`` and ``ceil_mode`` resolved."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir.graph import Node, ValueType
from compiler.ir.same_pads import same_pads
from compiler.wasm.kernels.prepared import Prepared
from compiler.wasm.ops.rule import refuse


@dataclass(frozen=True, kw_only=True)
class Window:
    """Per spatial axis: output index ``o`` and tap ``k`` meet the input at ``o * stride + k * dilation - begin``.

    ``begin`` and ``end`` are the pads as the node has them; with ``ceil_mode`` windows may reach beyond ``end``.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    sizes: tuple[int, ...]
    outputs: tuple[int, ...]

    def extents(self) -> tuple[int, ...]:
        """Elements per axis that the windows reach over, counted from the front pad: at least pad and input."""
        return tuple(
            max((out - 1) * stride + (tap - 1) * dilation + 1, before + size)
            for out, stride, tap, dilation, before, size in zip(
                self.outputs, self.strides, self.kernel, self.dilations, self.begin, self.sizes, strict=True
            )
        )

    def bordered(self, key: str, value: str, kind: ValueType, *, fill: float = 0.0) -> Prepared:
        """The input [N, C, spatial..] with as much border as the windows need."""
        shape = (*kind.shape[:2], *self.extents())
        return Prepared(key=key, value=value, kind=kind, shape=shape, before=(0, 0, *self.begin), fill=fill)


def window_of(node: Node, kernel: tuple[int, ...], sizes: tuple[int, ...], outputs: tuple[int, ...]) -> Window:
    """The window of a convolution or pooling node from ``sizes`` to ``outputs`` (spatial shapes)."""
    rank = len(kernel)
    strides, dilations = ints(node, "strides", rank), ints(node, "dilations", rank)
    mode = str(node.attrs.get("auto_pad", "NOTSET"))
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        sides = [
            same_pads(*axis, upper=mode == "SAME_UPPER")
            for axis in zip(sizes, outputs, kernel, strides, dilations, strict=True)
        ]
        begin, end = tuple(front for front, _ in sides), tuple(behind for _, behind in sides)
    elif mode in ("NOTSET", "VALID"):
        pads = ints(node, "pads", 2 * rank, 0) if mode == "NOTSET" else (0,) * (2 * rank)
        begin, end = pads[:rank], pads[rank:]
    else:
        raise refuse(node, f"expected auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER, got {mode!r}")
    if min((*begin, *end, 0)) < 0:
        raise refuse(node, f"expected pads of at least 0, got {[*begin, *end]}")
    if 0 in (*sizes, *outputs):
        raise refuse(node, "a spatial dimension has no elements")
    return Window(
        kernel=kernel, strides=strides, dilations=dilations, begin=begin, end=end, sizes=sizes, outputs=outputs
    )


def ints(node: Node, name: str, count: int, default: int = 1) -> tuple[int, ...]:
    """An attribute with one number per axis."""
    values = tuple(int(value) for value in node.attrs.get(name, (default,) * count))
    if len(values) != count:
        raise refuse(node, f"expected {count} numbers in {name}, got {list(values)}")
    return values
