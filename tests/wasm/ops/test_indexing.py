"""Reading and writing by indices that are data, running sums, the k best: against ONNX Runtime and numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto  # noqa: TID251

from edge_bundle.errors import EngineError
from tests.wasm.ops.one_node import Array, Case, Fixed, counting, floats, integers, ints, scalar, table

INT64, INT32, UINT8 = TensorProto.INT64, TensorProto.INT32, TensorProto.UINT8


def at(*values: int, shape: tuple[int, ...] | None = None, dtype: type = np.int64) -> Array:
    return np.array(values, dtype).reshape(shape or (len(values),))


@table(
    Case(name="rows", op="Gather", inputs=[floats(5, 3), at(4, 0, -1, 2)]),
    Case(name="columns", op="Gather", inputs=[floats(2, 5, 3), at(1, -5, 4)], attrs={"axis": 1}),
    Case(name="last axis, int32", op="Gather", inputs=[floats(3, 4), at(3, 0, dtype=np.int32)], attrs={"axis": -1}),
    Case(name="a scalar index", op="Gather", inputs=[floats(5, 3), np.array(2, np.int64)]),
    Case(name="a matrix of indices", op="Gather", inputs=[floats(5, 200), at(0, 4, 4, 1, shape=(2, 2))]),
    Case(name="bytes", op="Gather", inputs=[counting(7, dtype=np.uint8), at(6, -7)], outputs=[UINT8]),
    Case(
        name="elements", op="GatherElements", inputs=[floats(3, 4), at(0, 2, -1, 1, 1, 0, shape=(2, 3))],
        attrs={"axis": 0},
    ),
    Case(
        name="elements, last axis", op="GatherElements", inputs=[floats(2, 3, 5), integers(-5, 5, (2, 3, 4), np.int64)],
        attrs={"axis": 2},
    ),
    Case(name="nd", op="GatherND", inputs=[floats(3, 4, 5), at(0, 1, 2, -1, shape=(2, 2))]),
    Case(name="nd, whole indices", op="GatherND", inputs=[floats(3, 4), at(0, 1, 2, 3, -3, -4, shape=(3, 2))]),
    Case(
        name="nd, batches", op="GatherND", inputs=[floats(2, 4, 3), at(1, 3, shape=(2, 1))], attrs={"batch_dims": 1}
    ),
)  # fmt: skip
def test_gather(case: Case) -> None:
    case.check()


def scatter(name: str, reduction: str, dtype: type = np.float32, onnx_type: int = 1) -> Case:
    picks = at(0, -1, 0, 2, 2, 1, shape=(2, 3))
    updates: Array = (floats(2, 3, seed=2) * 9).astype(dtype)
    return Case(
        name=name, op="ScatterElements", inputs=[(floats(3, 4) * 9).astype(dtype), picks, updates],
        attrs={"axis": 0, "reduction": reduction}, outputs=[onnx_type], opset=18,
    )  # fmt: skip


def scatter_nd(name: str, reduction: str, depth: int) -> Case:
    picks = at(0, 1, 1, 2, 1, 0, shape=(6 // depth, depth))
    updates = floats(6 // depth, *(3, 4, 2)[depth:], seed=2)
    return Case(
        name=name, op="ScatterND", inputs=[floats(3, 4, 2), picks, updates], attrs={"reduction": reduction}, opset=18
    )


@table(
    Case(name="last axis", op="ScatterElements", inputs=[floats(2, 5), at(4, 0, 1, -2, shape=(2, 2)), floats(2, 2)],
         attrs={"axis": 1}),
    scatter("add", "add"),
    scatter("multiply", "mul"),
    scatter("largest", "max"),
    scatter("least int32", "min", np.int32, INT32),
    scatter("add int64", "add", np.int64, INT64),
    scatter_nd("nd rows", "none", 1),
    scatter_nd("nd rows, add", "add", 1),
    scatter_nd("nd pairs", "none", 2),
    scatter_nd("nd elements, max", "max", 3),
)  # fmt: skip
def test_scatter(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("index", [5, -6, 1 << 31, (1 << 32) + 1, -(1 << 62)])
@pytest.mark.parametrize("op", ["Gather", "GatherElements", "GatherND", "ScatterElements", "ScatterND"])
def test_an_index_outside_traps(op: str, index: int) -> None:
    picks = at(0, index, shape=(2, 1) if op.endswith("ND") else (2,))
    inputs = [floats(5), picks, *([floats(2)] if op.startswith("Scatter") else [])]
    case = Case(name="", op=op, inputs=inputs)
    with pytest.raises(EngineError, match="unreachable"):
        case.run()


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 70), st.data())
@settings(deadline=None, max_examples=30)
def test_any_gather(outer: int, size: int, inner: int, data: st.DataObject) -> None:
    picks = np.array(data.draw(st.lists(st.integers(-size, size - 1), min_size=1, max_size=6)), np.int64)
    x = counting(outer, size, inner)
    (y,) = Case(name="", op="Gather", inputs=[x, picks], attrs={"axis": 1}).run()
    np.testing.assert_array_equal(y, x.take(picks, axis=1))


@table(
    Case(name="sum", op="CumSum", inputs=[floats(3, 5), scalar(1)]),
    Case(name="sum from the end", op="CumSum", inputs=[floats(3, 5), scalar(0)], attrs={"reverse": 1}),
    Case(name="sum of those before", op="CumSum", inputs=[floats(2, 3, 4), scalar(-2)], attrs={"exclusive": 1}),
    Case(name="sum of those after", op="CumSum", inputs=[floats(7), scalar(0)], attrs={"exclusive": 1, "reverse": 1}),
    Case(name="sum of int64", op="CumSum", inputs=[counting(6, dtype=np.int64), scalar(0)], outputs=[INT64]),
)
def test_running(case: Case) -> None:
    case.check()


def top(name: str, x: Array, k: int, dtype: int = 1, **attrs: int) -> Case:
    return Case(name=name, op="TopK", inputs=[x, ints(k)], attrs=attrs, outputs=[dtype, INT64])


@table(
    top("largest", floats(3, 9), 4),
    top("least", floats(3, 9), 4, largest=0),
    top("all", floats(2, 6), 6),
    top("one", floats(2, 6), 1),
    top("first axis", floats(5, 3), 2, axis=0),
    top("middle axis", floats(2, 7, 3), 3, axis=1),
    top("equal ones keep their order", np.array([[1, 3, 3, 2, 3, 1]], np.float32), 4),
    top("int32", integers(-9, 9, (2, 12), np.int32), 5, INT32),
)
def test_top_k(case: Case) -> None:
    case.check()


@table(
    Case(name="last axis", op="OneHot", inputs=[at(0, 2, -1, 7), scalar(4), Fixed(np.array([0.5, 2.0], np.float32))]),
    Case(
        name="first axis", op="OneHot", inputs=[at(0, 1, 1, 2, shape=(2, 2)), scalar(3), np.array([0, 1], np.float32)],
        attrs={"axis": 0},
    ),
    Case(
        name="middle axis", op="OneHot", inputs=[at(3, 1, 1, 2, shape=(2, 2)), scalar(4), np.array([5, 6], np.int64)],
        attrs={"axis": 1}, outputs=[INT64],
    ),
)  # fmt: skip
def test_one_hot(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("count", [1, 4, 9])
def test_top_k_takes_nan_for_the_greatest(largest: int, count: int) -> None:
    """ONNX leaves it open, ONNX Runtime's answers depend on where the NaN lies; numpy sorts it behind all others."""
    x = np.array([3, np.nan, -np.inf, 7, -np.nan, np.inf, -2, 7, 0], np.float32)
    made = Case(
        name="nan", op="TopK", inputs=[x, ints(count)], attrs={"largest": largest}, outputs=[TensorProto.FLOAT, INT64]
    )
    values, indices = made.run()
    order = np.array([1, 4, 5, 3, 7, 0, 8, 6, 2]) if largest else np.argsort(x, kind="stable")
    np.testing.assert_array_equal(indices, order[:count])
    np.testing.assert_array_equal(values, x[order[:count]])
