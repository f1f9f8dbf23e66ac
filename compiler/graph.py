"""The compiler's IR between passes: one self-contained ONNX model and a summary of it. Imports no ONNX library."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_bundle.tensor import TensorSpec


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One ONNX model as bytes, and what ``importer/summary.py`` found in it.

    ``inputs`` and ``outputs`` keep the model's order; ``-1`` marks a dimension that the model leaves open (any
    dimension, not only the batch, until the import pass has bound them). ``op_counts`` is sorted by operator name.
    """

    model: bytes = field(repr=False)
    ir_version: int
    opset: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    op_counts: Mapping[str, int]
    parameters: int

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of the model bytes."""
        return f"sha256:{hashlib.sha256(self.model).hexdigest()}"

    @property
    def quantized(self) -> bool:
        """Whether the graph is in QDQ form."""
        return "DequantizeLinear" in self.op_counts
