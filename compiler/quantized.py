"""What the quantize pass gives: the graph in QDQ form, and what became of every layer."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.graph import Graph
from compiler.scheme import Scheme


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer (a node with weights) of the float graph.

    ``precision`` is what it computes in: ``int8``, ``a16w8``, ``w8``, ``w4`` or ``float``. ``method`` says how the
    range of its output was found, ``sqnr_db`` how much of the output's power the rounding error of the whole graph up
    to here leaves (``None`` where it was not measured), ``alone_db`` what quantizing this layer alone leaves of the
    output (where accuracy control asked), ``reason`` why the layer is kept where ``kept``.
    """

    name: str
    operator: str
    precision: str
    method: str = ""
    sqnr_db: float | None = None
    alone_db: float | None = None
    kept: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """One scheme's graph, for ``profiles``. ``notes`` are whole sentences on what was tried.

    ``judge`` says whose arithmetic the mix of precisions was held against the contract by: of the one profile that it
    is for, or, where it is empty, ONNX Runtime's.
    """

    scheme: Scheme
    graph: Graph
    layers: tuple[Layer, ...] = ()
    notes: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    judge: str = ""
