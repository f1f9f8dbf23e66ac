"""Pads that ``auto_pad`` SAME stands for."""

from __future__ import annotations


def same_pads(size: int, output: int, kernel: int, stride: int, dilation: int, *, upper: bool) -> tuple[int, int]:
    """Pads in front of and behind one dimension (Operators.md, Conv, ``auto_pad``).

    They make ``output`` windows of ``kernel`` taps fit, and are never below 0, as TFLite's are; ``upper`` puts an odd
    one behind. ONNX's convolutions that crop get pads of their own from the importer (``crop.py``).
    """
    total = max((output - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    front = same_front(total, upper=upper)
    return front, total - front


def same_front(total: int, *, upper: bool) -> int:
    """How many of ``total`` pads stand in front; where ``total`` is below 0, how many elements are cropped there.

    ONNX Runtime crops less in front than behind: measured with 1.31, as the operator's text leaves it open.
    """
    if total < 0:
        return int((total + (1 if upper else 2)) / 2)  # towards zero
    return (total if upper else total + 1) // 2
