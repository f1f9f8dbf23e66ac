"""One entry of the operator table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from compiler.tflite.kernel import Kernel
from compiler.tflite.site import Site


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How one ONNX operator is written: ``lower`` appends operations through a ``Site``.

    ``tflite`` names the TFLite operators, ``note`` what is not covered; both go into docs/litert.md.
    """

    lower: Callable[[Site], None]
    tflite: tuple[str, ...]
    kernel: Kernel = field(default_factory=Kernel)
    note: str = ""


Rules: TypeAlias = Mapping[str, Rule]
