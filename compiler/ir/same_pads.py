"""Pads that ``auto_pad`` SAME stands for."""

from __future__ import annotations


def same_pads(size: int, output: int, kernel: int, stride: int, dilation: int, *, upper: bool) -> tuple[int, int]:
    """Pads in front of and behind one dimension (Operators.md, Conv, ``auto_pad``).

    They make ``output`` windows of ``kernel`` taps fit; ``upper`` puts an odd one behind.
    """
    total = max((output - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if upper else (large, small)
