"""How TFLite pads windows: ``SAME`` or ``VALID``; all else is a ``PAD`` in front."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir.same_pads import same_pads
from compiler.tflite.site import Site
from compiler.wasm.passes.windows import Windows, windows_of

LINE, IMAGE = 3, 4
"""Ranks: [N, C, L] and [N, C, H, W]."""


def windows_at(site: Site, kernel: Sequence[int]) -> Windows:
    """The windows of a convolution or pool. Raises ``UnsupportedOperatorError`` for other than 1 or 2 dimensions."""
    spatial, out = site.type_of(0).shape[2:], site.made.shape[2:]
    found = windows_of(site.node, kernel, spatial, out)
    if found is None:
        raise site.refuse(
            f"expected one or two spatial dimensions and pads of at least 0, got {len(kernel)} dimensions"
        )
    return found


def image_shape(shape: Sequence[int]) -> tuple[int, int, int, int]:
    """[N, C, H, W] or [N, C, L] as [N, H, W, C]."""
    if len(shape) == LINE:
        return shape[0], 1, shape[2], shape[1]
    return shape[0], shape[2], shape[3], shape[1]


def padding_of(windows: Windows, size: Sequence[int], out: Sequence[int]) -> str | None:
    """``SAME`` or ``VALID`` where TFLite then pads as wanted: by ``size`` and ``out``, both [height, width]."""
    steps = zip(size, out, windows.kernel, windows.strides, windows.dilations, strict=True)
    sides = [same_pads(one, made, kernel, stride, step, upper=True) for one, made, kernel, stride, step in steps]
    pads = (sides[0][0], sides[1][0], sides[0][1], sides[1][1])
    same = tuple(-(-one // stride) for one, stride in zip(size, windows.strides, strict=True)) == tuple(out)
    if not any(windows.pads) and _valid(windows, size, out):
        return "VALID"
    return "SAME" if same and pads == windows.pads else None


def missing_pads(windows: Windows, size: Sequence[int], out: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pads of height and width with which ``VALID`` gives ``out``; behind, as many as the last window needs."""
    found = []
    for axis in range(2):
        reach = (windows.kernel[axis] - 1) * windows.dilations[axis] + 1
        before = windows.pads[axis]
        behind = (out[axis] - 1) * windows.strides[axis] + reach - size[axis] - before
        found.append((before, max(behind, 0)))
    return found[0], found[1]


def _valid(windows: Windows, size: Sequence[int], out: Sequence[int]) -> bool:
    reaches = ((kernel - 1) * step + 1 for kernel, step in zip(windows.kernel, windows.dilations, strict=True))
    made = [(one - reach) // stride + 1 for one, reach, stride in zip(size, reaches, windows.strides, strict=True)]
    return made == list(out)
