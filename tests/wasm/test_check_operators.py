"""Rules of the internal operators: a pass that breaks one is told which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest

from compiler.ir.graph import IrGraph, Node, ValueType, constant_type
from compiler.wasm.check_operators import check_operators
from compiler.wasm.specs import Conv2d, Gemm, GlobalPool, PoolKind, QBinary, QConv2d, QGemm, QPool, QTable, Quant
from edge_bundle.errors import CompileError
from edge_bundle.tensor import DType

Change: TypeAlias = Callable[[IrGraph], IrGraph]
U8 = Quant(0.1, 3, DType.UINT8)
S8 = Quant(0.1, 3, DType.INT8)
IMAGE = (1, 5, 6, 4)


def one(op: str, spec: Any, out: tuple[DType, tuple[int, ...]], *reads: Any) -> IrGraph:
    """A graph of one operator; arrays are constants, pairs of dtype and shape are inputs, ``""`` is left out."""
    types, constants, names = {"y": ValueType(*out)}, {}, []
    for index, read in enumerate(reads):
        name = f"i{index}" if isinstance(read, np.ndarray | tuple) else ""
        names.append(name)
        if isinstance(read, np.ndarray):
            constants[name], types[name] = read, constant_type(read)
        elif name:
            types[name] = ValueType(*read)
    node = Node(op=op, name="one", inputs=tuple(names), outputs=("y",), attrs={"spec": spec})
    inputs = tuple(name for name in names if name and name not in constants)
    return IrGraph(inputs=inputs, outputs=("y",), nodes=(node,), types=types, constants=constants, opset=17)


def zeros(dtype: str, *shape: int) -> Any:
    """A constant."""
    return np.zeros(shape, dtype=dtype)


CONV = Conv2d(kernel=(3, 3), pads=(1, 1, 1, 1))
SCALES = np.ones(8, dtype=np.float32)
QCONV = QConv2d(conv=CONV, x=U8, w_scales=SCALES, y=S8, low=-5, high=7)
FLOAT = one(
    "skerry.conv2d", CONV, (DType.FP32, (1, 5, 6, 8)), (DType.FP32, IMAGE), zeros("f4", 8, 4, 3, 3), zeros("f4", 8)
)
INTEGER = one(
    "skerry.qconv2d", QCONV, (DType.INT8, (1, 5, 6, 8)), (DType.UINT8, IMAGE), zeros("i1", 8, 4, 3, 3), "", ""
)
PRODUCT = one("skerry.gemm", Gemm(), (DType.FP32, (2, 8)), (DType.FP32, (2, 3)), zeros("f4", 3, 8), zeros("f4", 8), "")
QPRODUCT = one(
    "skerry.qgemm", QGemm(x=U8, w_scales=SCALES, y=None, low=0, high=0), (DType.FP32, (2, 8)), (DType.UINT8, (2, 3)),
    zeros("i1", 3, 8), zeros("i4", 8),
)  # fmt: skip
SUM = one(
    "skerry.qadd",
    QBinary(a=U8, b=S8, y=U8, low=0, high=255),
    (DType.UINT8, (3,)),
    (DType.UINT8, (3,)),
    (DType.INT8, (3,)),
)
TABLE = one("skerry.qtable", QTable(table=zeros("u1", 256), y=DType.UINT8), (DType.UINT8, (3,)), (DType.INT8, (3,)))
POOL = one("skerry.global_pool", GlobalPool(kind=PoolKind.MAX), (DType.FP32, (1, 1, 1, 4)), (DType.FP32, IMAGE))
QPOOL = one("skerry.qpool", QPool(pool=None, x=U8, y=S8), (DType.INT8, (1, 1, 1, 4)), (DType.UINT8, IMAGE))


def typed(name: str, dtype: DType, *shape: int) -> Change:
    """Another type for a value."""
    return lambda graph: replace(graph, types={**graph.types, name: ValueType(dtype, shape)})


def specified(**changes: Any) -> Change:
    """Another spec."""

    def change(graph: IrGraph) -> IrGraph:
        node = graph.nodes[0]
        spec = replace(node.attrs["spec"], **changes)
        return replace(graph, nodes=(replace(node, attrs={"spec": spec}),))

    return change


def unknown(name: str) -> Change:
    """A constant becomes an input."""
    return lambda graph: replace(graph, constants={k: v for k, v in graph.constants.items() if k != name})


GOOD = {"conv2d": FLOAT, "qconv2d": INTEGER, "gemm": PRODUCT, "qgemm": QPRODUCT, "qadd": SUM, "qtable": TABLE,
        "global_pool": POOL, "qpool": QPOOL}  # fmt: skip
BROKEN = {
    "result of another size": (FLOAT, typed("y", DType.FP32, 1, 4, 6, 8), "result: expected"),
    "result of another dtype": (FLOAT, typed("y", DType.INT32, 1, 5, 6, 8), "result: expected"),
    "weights of another kernel": (FLOAT, specified(kernel=(3, 1)), "weights: expected"),
    "channels that groups do not divide": (FLOAT, specified(groups=3), "channels over groups"),
    "bias of another size": (FLOAT, typed("i2", DType.FP32, 7), "bias: expected"),
    "an image of three dimensions": (FLOAT, typed("i0", DType.FP32, 5, 6, 4), "expected an image and weights of rank 4"),
    "integer image of another dtype": (INTEGER, typed("i0", DType.INT8, *IMAGE), "image: expected"),
    "unknown integer weights": (INTEGER, unknown("i1"), "known weights"),
    "too few scales": (INTEGER, specified(w_scales=SCALES[:1]), "weight scales"),
    "limits beyond the dtype": (INTEGER, specified(high=200), "limits: expected"),
    "limits in the wrong order": (INTEGER, specified(low=8), "limits: expected"),
    "a zero point beyond the dtype": (INTEGER, specified(y=replace(S8, zero_point=300)), "zero point"),
    "matrices that do not fit": (PRODUCT, typed("i1", DType.FP32, 4, 8), "right: expected"),
    "integers that should be floats": (QPRODUCT, typed("y", DType.UINT8, 2, 8), "result: expected"),
    "operands of two shapes": (SUM, typed("i1", DType.INT8, 1), "right: expected"),
    "half a table": (TABLE, specified(table=np.zeros(128, np.uint8)), "table: expected"),
    "a table of another dtype": (TABLE, specified(table=np.zeros(256, np.int8)), "table: expected"),
    "positions that are left": (POOL, typed("y", DType.FP32, 1, 2, 1, 4), "positions: expected"),
    "channels that are lost": (QPOOL, typed("y", DType.INT8, 1, 1, 1, 3), "rows and channels"),
}  # fmt: skip


@pytest.mark.parametrize("graph", GOOD.values(), ids=GOOD.keys())
def test_good_ones_pass(graph: IrGraph) -> None:
    check_operators(graph, stage="test")


@pytest.mark.parametrize(("graph", "change", "sentence"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_ones_are_named(graph: IrGraph, change: Change, sentence: str) -> None:
    with pytest.raises(CompileError, match=sentence) as found:
        check_operators(change(graph), stage="test")
    assert (found.value.stage, found.value.node) == ("test", "one")
    assert found.value.operator == graph.nodes[0].op
