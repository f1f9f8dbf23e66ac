"""Reductions, softmax, extremes and normalisations: tables against ONNX Runtime, random axes against numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from onnx import TensorProto  # noqa: TID251

from edge_bundle.errors import UnsupportedOperatorError
from tests.wasm.ops.one_node import Case, Fixed, floats, integers, ints, table

Array = NDArray[Any]

REDUCTIONS: Mapping[str, Callable[..., Array]] = {
    "ReduceSum": np.sum,
    "ReduceMean": np.mean,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
    "ReduceProd": np.prod,
    "ReduceL1": lambda x, **where: np.sum(np.abs(x), **where),
    "ReduceL2": lambda x, **where: np.sqrt(np.sum(x * x, **where)),
    "ReduceSumSquare": lambda x, **where: np.sum(x * x, **where),
    "ReduceLogSum": lambda x, **where: np.log(np.sum(x, **where)),
    "ReduceLogSumExp": lambda x, **where: np.log(np.sum(np.exp(x), **where)),
}


@settings(deadline=None, max_examples=80)
@given(data=st.data(), op=st.sampled_from(sorted(REDUCTIONS)), keepdims=st.booleans())
def test_over_any_axes(data: st.DataObject, op: str, keepdims: bool) -> None:
    shape = data.draw(hnp.array_shapes(max_dims=4, max_side=13))
    axes = data.draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=4))
    axes = list({axis % len(shape): axis for axis in axes}.values())
    x = np.random.default_rng(len(shape)).uniform(0.5, 1.5, shape).astype(np.float32)
    (got,) = Case(name=op, op=op, inputs=[x, ints(*axes)], attrs={"keepdims": int(keepdims)}, opset=18).run()
    wanted = REDUCTIONS[op](x.astype(np.float64), axis=tuple(axes), keepdims=keepdims)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), op=st.sampled_from(["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"]))
def test_integers(data: st.DataObject, op: str) -> None:
    """Sums and products wrap around at 32 and 64 bits."""
    dtypes = [np.int32, np.int64, np.int8, np.uint8] if op in ("ReduceMax", "ReduceMin") else [np.int32, np.int64]
    dtype = data.draw(st.sampled_from(dtypes))
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=9))
    axis = data.draw(st.integers(0, len(shape) - 1))
    low = 0 if dtype is np.uint8 else -100
    x = integers(low, 100, shape, dtype, seed=len(shape))
    code = {np.int32: TensorProto.INT32, np.int64: TensorProto.INT64, np.int8: TensorProto.INT8}.get(
        dtype, TensorProto.UINT8
    )
    (got,) = Case(name=op, op=op, inputs=[x, ints(axis)], attrs={"keepdims": 0}, outputs=[code], opset=18).run()
    wanted = (
        REDUCTIONS[op](x, axis=axis) if op in ("ReduceMax", "ReduceMin") else REDUCTIONS[op](x, axis=axis, dtype=dtype)
    )
    np.testing.assert_array_equal(got, wanted)


_HOLES = floats(4, 9)
_HOLES[0, 3], _HOLES[1, 8], _HOLES[2, 0] = np.nan, np.inf, -np.inf


@table(
    Case(name="log-sum-exp of large numbers", op="ReduceLogSumExp", inputs=[floats(3, 7) * 200, ints(1)], opset=18),
    Case(name="every axis", op="ReduceMean", inputs=[floats(3, 5, 7)], opset=18),
    Case(name="no axes on purpose", op="ReduceSum", inputs=[floats(3, 5)], attrs={"noop_with_empty_axes": 1}, opset=18),
    Case(name="sum over nothing", op="ReduceSum", inputs=[np.zeros((2, 0, 3), np.float32), ints(1)], opset=18),
    Case(name="long rows", op="ReduceMean", inputs=[floats(3, 1003), ints(1)], opset=18),
    Case(name="wide columns", op="ReduceMax", inputs=[floats(5, 131), ints(0)], opset=18),
    Case(name="between", op="ReduceL2", inputs=[floats(2, 5, 3, 7), ints(1, 2)], opset=18),
    Case(name="around", op="ReduceSum", inputs=[floats(6, 5, 9), ints(0, 2)], opset=18),
    Case(
        name="any", op="ReduceMax", inputs=[integers(0, 2, (5, 9), bool), ints(1)], outputs=[TensorProto.BOOL], opset=20,
    ),
    Case(
        name="all", op="ReduceMin", inputs=[integers(0, 2, (5, 9), bool), ints(0)], outputs=[TensorProto.BOOL], opset=20,
    ),
)  # fmt: skip
def test_reductions(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceLogSumExp"])
@pytest.mark.parametrize("axis", [0, 1])
def test_nan_and_infinity_propagate(op: str, axis: int) -> None:
    (got,) = Case(name=op, op=op, inputs=[_HOLES, ints(axis)], attrs={"keepdims": 0}, opset=18).run()
    np.testing.assert_allclose(got, REDUCTIONS[op](_HOLES, axis=axis), rtol=1e-5)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 1, 16), (1, 70, 1), (4, 3, 33)], ids=str)
def test_softmax(op: str, axis: int, shape: tuple[int, ...]) -> None:
    Case(name=op, op=op, inputs=[floats(*shape) * 8], attrs={"axis": axis}, rtol=1e-5).check()


@table(
    Case(name="masked", op="Softmax", inputs=[np.where(floats(5, 9) > 0, floats(5, 9), -np.inf).astype(np.float32)]),
    Case(name="far apart", op="Softmax", inputs=[np.array([[0, -80, -90, -103, -1000]], np.float32)]),
    Case(name="large", op="LogSoftmax", inputs=[floats(5, 9) * 1e4]),
)
def test_softmax_at_edges(case: Case) -> None:
    case.check()


def test_softmax_of_nan_and_infinity_is_nan_in_its_row() -> None:
    x = floats(4, 6)
    x[1, 2], x[2, 5] = np.nan, np.inf
    (got,) = Case(name="softmax", op="Softmax", inputs=[x]).run()
    assert np.isnan(got[1:3]).all()
    assert np.isfinite(got[[0, 3]]).all()


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_extremes(op: str, last: int, axis: int) -> None:
    x = integers(0, 4, (5, 6, 7), np.float32, seed=axis + 2)
    attrs = {"axis": axis, "select_last_index": last, "keepdims": last}
    Case(name=op, op=op, inputs=[x], attrs=attrs, outputs=[TensorProto.INT64]).check()


@table(
    Case(name="layer", op="LayerNormalization", inputs=[floats(3, 5, 7), floats(7, seed=1), floats(7, seed=2)]),
    Case(name="layer without bias", op="LayerNormalization", inputs=[floats(3, 5, 32), floats(32, seed=1)]),
    Case(
        name="layer over two axes", op="LayerNormalization", attrs={"axis": 1, "epsilon": 1e-3},
        inputs=[floats(3, 5, 7), floats(5, 7, seed=1), floats(5, 7, seed=2)],
    ),
    Case(
        name="layer with moments", op="LayerNormalization", outputs=[TensorProto.FLOAT] * 3,
        inputs=[floats(3, 50) + 100, floats(50, seed=1), floats(50, seed=2)], rtol=1e-4, atol=1e-4,
    ),
    Case(name="instance", op="InstanceNormalization", inputs=[floats(2, 3, 5, 5), floats(3, seed=1), floats(3, seed=2)]),
    Case(
        name="batch", op="BatchNormalization",
        inputs=[floats(2, 3, 5, 5), *(Fixed(np.abs(floats(3, seed=seed))) for seed in range(1, 5))],
    ),
    Case(
        name="batch of data", op="BatchNormalization",
        inputs=[floats(2, 3, 5, 5), *(np.abs(floats(3, seed=seed)) for seed in range(1, 5))],
    ),
    Case(name="L1", op="LpNormalization", inputs=[floats(3, 5, 7)], attrs={"axis": 1, "p": 1}),
    Case(name="L2", op="LpNormalization", inputs=[floats(3, 5, 7)]),
    Case(name="L2 of zeros", op="LpNormalization", inputs=[np.zeros((3, 5), np.float32)]),
    Case(name="local response", op="LRN", inputs=[floats(2, 7, 3, 3)], attrs={"size": 3}),
    Case(
        name="local response, steep", op="LRN", inputs=[floats(1, 9, 5, 5) * 9],
        attrs={"size": 5, "alpha": 0.01, "beta": 0.6, "bias": 2.0},
    ),
    Case(name="mean and variance", op="MeanVarianceNormalization", inputs=[floats(2, 3, 5, 5)], atol=1e-5),
)  # fmt: skip
def test_normalisations(case: Case) -> None:
    case.check()


def test_group_normalisation_has_a_scale_per_channel() -> None:
    x, scale, bias = floats(2, 6, 3, 5), floats(6, seed=1), floats(6, seed=2)
    (got,) = Case(
        name="group", op="GroupNormalization", inputs=[x, scale, bias], attrs={"num_groups": 3}, opset=21
    ).run()
    grouped = x.reshape(2, 3, -1).astype(np.float64)
    flat = (grouped - grouped.mean(2, keepdims=True)) / np.sqrt(grouped.var(2, keepdims=True) + 1e-5)
    wanted = flat.reshape(x.shape) * scale[:, None, None] + bias[:, None, None]
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_rms_normalisation() -> None:
    x, scale = floats(3, 5, 9), floats(9, seed=1)
    (got,) = Case(name="rms", op="RMSNormalization", inputs=[x, scale], opset=23).run()
    wanted = x / np.sqrt(np.mean(x.astype(np.float64) ** 2, -1, keepdims=True) + 1e-5) * scale
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("op", "inputs", "axis"),
    [
        ("Softmax", [floats(4, 7)], {"axis": -1}),
        ("ReduceMean", [floats(4, 5, 6), ints(1, 2)], {}),
        ("ReduceSum", [floats(4, 37), ints(1)], {}),
        ("LayerNormalization", [floats(4, 3, 7), floats(7)], {}),
        ("Sigmoid", [floats(4, 9)], {}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_batched_rows_are_the_single_ones_bit_by_bit(op: str, inputs: list[Any], axis: Mapping[str, Any]) -> None:
    x, *others = inputs
    (whole,) = Case(name=op, op=op, inputs=[x, *others], attrs=axis, opset=18).run()
    for row in range(len(x)):
        (alone,) = Case(name=op, op=op, inputs=[x[row : row + 1], *others], attrs=axis, opset=18).run()
        assert alone.tobytes() == whole[row : row + 1].tobytes()


@table(
    Case(name="L3", op="LpNormalization", inputs=[floats(3, 4)], attrs={"p": 3}),
    Case(
        name="batch norm of training", op="BatchNormalization", attrs={"training_mode": 1},
        inputs=[floats(2, 3), *(np.abs(floats(3, seed=seed)) for seed in range(1, 5))],
        outputs=[TensorProto.FLOAT] * 3,
    ),
)  # fmt: skip
def test_refused(case: Case) -> None:
    with pytest.raises(UnsupportedOperatorError):
        case.compile()
