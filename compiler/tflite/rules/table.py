"""Every ONNX operator that can be written."""

from __future__ import annotations

from compiler.tflite.rule import Rules
from compiler.tflite.rules import convolution, dense, elementwise, movement, normal, pooling, reduce, resize

TABLE: Rules = {
    **convolution.RULES,
    **dense.RULES,
    **elementwise.RULES,
    **movement.RULES,
    **normal.RULES,
    **pooling.RULES,
    **reduce.RULES,
    **resize.RULES,
}
