"""Short ways to write models and to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper  # noqa: TID251 - models are made here

from compiler.importer.read_graph import read_graph
from compiler.ir.check import check_graph
from compiler.ir.graph import IrGraph
from tests.wasm.against_ort import graph, model, value

Arrays = dict[str, NDArray[Any]]
Shape = Sequence[int | str | None]


def node(op: str, inputs: str, outputs: str, **attrs: Any) -> NodeProto:
    """Names stand with spaces between, ``-`` leaves one out."""
    given, made = (["" if name == "-" else name for name in side.split()] for side in (inputs, outputs))
    return helper.make_node(op, given, made, **attrs)


def proto(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Shape],
    outputs: str,
    constants: Arrays | None = None,
    *,
    opset: int = 18,
    dtype: int = TensorProto.FLOAT,
) -> ModelProto:
    """A model; outputs have no declared shape."""
    given = [value(name, dtype, shape) for name, shape in inputs.items()]
    return model(graph(nodes, given, [value(name, dtype, None) for name in outputs.split()], constants), opset)


def read(made: ModelProto, **changes: Any) -> IrGraph:
    """The graph, held against the grammar."""
    options: dict[str, Any] = {"batch": 1, "dims": {}, "bind": {}, "stage": "test", **changes}
    found = read_graph(made.SerializeToString(), **options)
    check_graph(found, stage="test")
    return found


def ops(found: IrGraph) -> list[str]:
    """Operators in order, bodies included."""
    return [one.op for one in found.walk()]


def integers(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)
