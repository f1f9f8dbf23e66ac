"""Choices of one compile to WebAssembly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class WasmOptions:
    """What is fixed, and what is allowed.

    ``batch`` binds dimension 0 of inputs where it is open, ``dims`` binds symbolic dimensions by name, ``bind`` turns
    inputs into constants. ``relaxed`` allows relaxed SIMD (int8 dot products of 7-bit activations). ``winograd`` allows
    F(4x4, 3x3) for float convolutions: faster; the error is up to 2.3e-6 of the largest output (512 channels), instead
    of 1.2e-6.
    """

    batch: int = 1
    dims: Mapping[str, int] = field(default_factory=dict)
    bind: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    relaxed: bool = False
    winograd: bool = True
