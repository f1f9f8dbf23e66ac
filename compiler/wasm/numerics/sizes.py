"""Sizes that kernels count in."""

FLOAT_BYTES = 4
"""A float32."""

INDEX_BYTES = 8
"""An int64: what ONNX's indices are."""

VECTOR_BYTES = 16
"""A v128."""

FLOAT_LANES = VECTOR_BYTES // FLOAT_BYTES
"""float32 in a v128."""
