"""What TFLite's kernels of an operator ask for."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from compiler.ir.graph import Node
from compiler.tflite.qdq import STORED, QdqGraph
from edge_bundle.tensor import DType

ALL_INPUTS = 1 << 16
"""More inputs than any node has."""

Accepts: TypeAlias = Callable[[QdqGraph, Node], bool]


class Integers(enum.Enum):
    """What an operator's integer kernel asks of the quantization of its result.

    ``ANY``: nothing. ``SAME``: that of its first input. ``FIXED``: constants of the kernel (``Kernel.fixed``).
    ``NONE``: there is no such kernel.
    """

    ANY = "any"
    SAME = "that of the input"
    FIXED = "fixed"
    NONE = "-"


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """``activations`` is how many leading inputs are activations, not weights or parameters; ``stored`` their dtypes.

    ``fuses``: the TFLite operator has built-in activations. ``fixed`` gives scale and zero point by dtype. ``accepts``
    says whether a node has an integer form.
    """

    integers: Integers = Integers.NONE
    activations: int = 1
    stored: tuple[DType, ...] = STORED
    fuses: bool = False
    fixed: Mapping[DType, tuple[float, int]] | None = None
    accepts: Accepts | None = None
