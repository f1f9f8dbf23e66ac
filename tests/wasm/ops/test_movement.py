"""Operators that only move elements, against ONNX Runtime and numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper  # noqa: TID251

from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.wasm.compile import compile_graph, compile_module
from compiler.wasm.options import WasmOptions
from compiler.wasm_tools.instance import run_module
from edge_bundle.tensor import DType
from tests.wasm.against_ort import check, graph, like, model, value
from tests.wasm.ops.one_node import Case, Fixed, counting, floats, integers, ints, table

INT64, INT8, UINT8, BOOL = TensorProto.INT64, TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL


def transpose(name: str, *shape: int, perm: tuple[int, ...]) -> Case:
    return Case(name=name, op="Transpose", inputs=[counting(*shape)], attrs={"perm": perm})


@table(
    transpose("whole tiles", 8, 12, perm=(1, 0)),
    transpose("edges on both sides", 9, 15, perm=(1, 0)),
    transpose("too narrow for a tile", 3, 40, perm=(1, 0)),
    transpose("one row", 1, 9, perm=(1, 0)),
    transpose("channels last", 2, 5, 6, 7, perm=(0, 2, 3, 1)),
    transpose("colours last", 2, 3, 5, 7, perm=(0, 2, 3, 1)),
    transpose("pairs", 2, 12, perm=(1, 0)),
    transpose("channels first", 2, 6, 7, 5, perm=(0, 3, 1, 2)),
    transpose("long runs", 3, 4, 300, perm=(1, 0, 2)),
    transpose("runs of 20 bytes", 3, 4, 5, perm=(1, 0, 2)),
    transpose("five axes", 2, 3, 4, 5, 6, perm=(4, 2, 0, 3, 1)),
    transpose("only axes of one element", 1, 7, 1, 3, perm=(2, 1, 0, 3)),
    Case(name="bytes", op="Transpose", inputs=[counting(5, 7, dtype=np.int8)], outputs=[INT8]),
    Case(
        name="tiles of bytes",
        op="Transpose",
        inputs=[counting(2, 17, 26, dtype=np.uint8)],
        outputs=[UINT8],
        attrs={"perm": (0, 2, 1)},
    ),
    Case(name="colours in bytes", op="Transpose", inputs=[counting(3, 37, dtype=np.uint8)], outputs=[UINT8]),
    Case(name="four planes of bytes", op="Transpose", inputs=[counting(4, 32, dtype=np.uint8)], outputs=[UINT8]),
    Case(name="int64", op="Transpose", inputs=[counting(5, 6, 7, dtype=np.int64)], outputs=[INT64]),
    Case(name="three planes of int64", op="Transpose", inputs=[counting(3, 5, dtype=np.int64)], outputs=[INT64]),
)
def test_transpose(case: Case) -> None:
    case.check()


def sliced(name: str, starts: Any, ends: Any, axes: Any, steps: Any, *shape: int) -> Case:
    bounds = [Fixed(np.array(one, np.int64)) for one in (starts, ends, axes, steps)]
    return Case(name=name, op="Slice", inputs=[counting(*shape), *bounds])


LAST = np.iinfo(np.int64).max


@table(
    sliced("inside", [1, 2], [3, 5], [0, 1], [1, 1], 4, 6),
    sliced("beyond the end", [1], [1000], [1], [1], 4, 6),
    sliced("from the end", [-3], [LAST], [1], [1], 4, 6),
    sliced("backwards", [-1], [-LAST], [1], [-1], 4, 6),
    sliced("backwards by two, to a bound", [5], [0], [1], [-2], 4, 6),
    sliced("by three", [0, 1], [LAST, LAST], [-1, -2], [3, 2], 3, 7, 10),
    sliced("one element", [2], [3], [0], [1], 5, 1),
)
def test_slice(case: Case) -> None:
    case.check()


def padded(name: str, pads: list[int], mode: str, *shape: int, fill: float | None = None) -> Case:
    extra = [] if fill is None else [Fixed(np.array(fill, np.float32))]
    return Case(name=name, op="Pad", inputs=[counting(*shape), ints(*pads), *extra], attrs={"mode": mode}, opset=19)


@table(
    padded("zeros", [0, 1, 2, 3], "constant", 3, 4),
    padded("a value", [1, 1, 1, 1], "constant", 2, 3, fill=-2.5),
    padded("cropped", [-1, 0, 0, -2], "constant", 4, 5),
    padded("cropped and filled", [-1, 2, 1, -3], "constant", 4, 5, fill=9.0),
    padded("edge", [0, 2, 1, 3], "edge", 3, 4),
    padded("reflect", [2, 1, 1, 3], "reflect", 3, 4),
    padded("wrap", [1, 2, 2, 1], "wrap", 3, 4),
    padded("reflect in four axes", [0, 0, 2, 1, 0, 0, 1, 2], "reflect", 2, 3, 5, 4),
    Case(name="value that is data", op="Pad", inputs=[counting(3), ints(2, 1), np.array(7, np.float32)]),
    Case(name="chosen axis", op="Pad", inputs=[counting(2, 3), ints(1, 2), None, ints(-1)], opset=18),
    Case(
        name="bytes", op="Pad", inputs=[counting(2, 3, dtype=np.uint8), ints(1, 1, 0, 2), Fixed(np.array(5, np.uint8))],
        outputs=[UINT8],
    ),
)  # fmt: skip
def test_pad(case: Case) -> None:
    case.check()


@table(
    Case(name="concat", op="Concat", inputs=[floats(2, 3), floats(2, 1), floats(2, 4)], attrs={"axis": 1}),
    Case(name="concat of bytes", op="Concat", inputs=[counting(3, dtype=np.int8)] * 2, attrs={"axis": 0}, outputs=[INT8]),
    Case(name="concat along the first axis", op="Concat", inputs=[floats(1, 5), floats(3, 5)], attrs={"axis": -2}),
    Case(name="split", op="Split", inputs=[floats(2, 7), ints(3, 4)], attrs={"axis": 1}, outputs=[1, 1]),
    Case(name="split of batches", op="Split", inputs=[floats(6, 5)], attrs={"axis": 0}, outputs=[1, 1, 1], opset=13),
    Case(name="expand", op="Expand", inputs=[floats(3, 1), ints(2, 3, 4)]),
    Case(name="expand to a longer row", op="Expand", inputs=[floats(1, 1), ints(5, 37)]),
    Case(name="expand nothing", op="Expand", inputs=[floats(3, 4), ints(1, 4)]),
    Case(name="tile", op="Tile", inputs=[floats(2, 3), ints(3, 2)]),
    Case(name="tile once", op="Tile", inputs=[floats(2, 3), ints(1, 1)]),
    Case(name="tile bools", op="Tile", inputs=[floats(3, 1) > 0, ints(1, 9)], outputs=[BOOL]),
    Case(name="depth to space", op="DepthToSpace", inputs=[floats(2, 8, 3, 2)], attrs={"blocksize": 2}),
    Case(
        name="depth to space, column first", op="DepthToSpace", inputs=[floats(1, 18, 2, 3)],
        attrs={"blocksize": 3, "mode": "CRD"},
    ),
    Case(name="space to depth", op="SpaceToDepth", inputs=[floats(2, 3, 4, 6)], attrs={"blocksize": 2}),
    Case(name="flatten", op="Flatten", inputs=[floats(2, 3, 4)], attrs={"axis": 2}),
    Case(name="reshape", op="Reshape", inputs=[floats(2, 6), ints(3, -1)]),
    Case(name="unsqueeze", op="Unsqueeze", inputs=[floats(3), ints(0, 2)]),
    Case(name="squeeze", op="Squeeze", inputs=[floats(1, 3, 1)]),
    Case(name="centre cropped and padded", op="CenterCropPad", inputs=[floats(4, 7), ints(7, 4)], opset=18),
    Case(name="upper triangle", op="Trilu", inputs=[floats(2, 4, 5), Fixed(np.array(1, np.int64))]),
    Case(name="lower triangle", op="Trilu", inputs=[floats(3, 5), Fixed(np.array(-1, np.int64))], attrs={"upper": 0}),
    Case(name="a diagonal that is data", op="Trilu", inputs=[floats(4, 3), np.array(-9, np.int64)]),
    Case(name="unit matrix", op="EyeLike", inputs=[floats(3, 4)], attrs={"k": 1}),
    Case(
        name="reversed sequences", op="ReverseSequence", inputs=[floats(4, 3, 2), np.array([4, 1, 2], np.int64)],
        attrs={"batch_axis": 1, "time_axis": 0},
    ),
    Case(
        name="reversed sequences, batch first", op="ReverseSequence",
        inputs=[floats(2, 5, 3), np.array([5, 2], np.int64)], attrs={"batch_axis": 0, "time_axis": 1},
    ),
)  # fmt: skip
def test_rearranged(case: Case) -> None:
    case.check()


def test_outputs_that_are_views_of_each_other_and_of_the_input() -> None:
    nodes = [
        helper.make_node("Flatten", ["x"], ["a"]),
        helper.make_node("Neg", ["x"], ["n"]),
        helper.make_node("Flatten", ["n"], ["b"]),
        helper.make_node("Reshape", ["b", "flat"], ["c"]),
        helper.make_node("Identity", ["k"], ["d"]),
        helper.make_node("Add", ["x", "k"], ["e"]),
    ]
    constants = {"k": floats(2, 3, 4, seed=1), "flat": np.array([24], np.int64)}
    x = floats(2, 3, 4)
    made = graph(nodes, [like("x", x)], [value(name, shape=None) for name in "abcde"], constants)
    check(model(made), {"x": x})


shapes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@given(shapes.flatmap(lambda shape: st.tuples(st.just(shape), st.permutations(range(len(shape))))))
@settings(deadline=None, max_examples=40)
def test_any_permutation(drawn: tuple[list[int], list[int]]) -> None:
    shape, order = drawn
    x = counting(*shape)
    (y,) = Case(name="", op="Transpose", inputs=[x], attrs={"perm": order}).run()
    np.testing.assert_array_equal(y, x.transpose(order))


def onnx_range(size: int, start: int, end: int, step: int) -> range:
    """Operators.md, Slice: bounds are clamped to [0, size], for negative steps to [0, size - 1] and [-1, size - 1]."""
    low, high = (0, size) if step > 0 else (-1, size - 1)
    first, last = (bound + size * (bound < 0) for bound in (start, end))
    return range(int(np.clip(first, 0, high)), int(np.clip(last, low, high)), step)


bounds = st.tuples(st.integers(-12, 12), st.integers(-12, 12), st.sampled_from([-3, -2, -1, 1, 2, 3]))


@given(
    shapes.flatmap(lambda shape: st.tuples(st.just(shape), st.lists(bounds, min_size=len(shape), max_size=len(shape))))
)
@settings(deadline=None, max_examples=40)
def test_any_slice(drawn: tuple[list[int], list[tuple[int, int, int]]]) -> None:
    shape, cuts = drawn
    x = integers(0, 100, shape, np.int64)
    wanted = x[np.ix_(*(list(onnx_range(size, *cut)) for size, cut in zip(shape, cuts, strict=True)))]
    starts, ends, steps = (ints(*part) for part in zip(*cuts, strict=True))
    axes = ints(*range(len(shape)))
    (y,) = Case(name="", op="Slice", inputs=[x, starts, ends, axes, steps], outputs=[INT64]).run()
    np.testing.assert_array_equal(y, wanted)


@given(shapes, st.sampled_from(["edge", "reflect", "wrap", "constant"]), st.data())
@settings(deadline=None, max_examples=40)
def test_any_pad(shape: list[int], mode: Any, data: st.DataObject) -> None:
    x = counting(*shape)
    widths = [(data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))) for size in shape]
    pads = [before for before, _ in widths] + [after for _, after in widths]
    (y,) = Case(name="", op="Pad", inputs=[x, ints(*pads)], attrs={"mode": mode}, opset=19).run()
    np.testing.assert_array_equal(y, np.pad(x, widths, mode))


def test_an_update_in_place_keeps_what_others_read() -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["n"]),
        helper.make_node("ScatterND", ["n", "at", "u"], ["a"]),
        helper.make_node("ScatterND", ["a", "at", "v"], ["b"]),
        helper.make_node("Abs", ["b"], ["y"]),
        helper.make_node("Abs", ["n"], ["z"]),
    ]
    constants = {"at": np.array([[1]], np.int64), "u": floats(1, 3, seed=1), "v": floats(1, 3, seed=2)}
    x = floats(4, 3)
    check(model(graph(nodes, [like("x", x)], [value(name, shape=None) for name in "yz"], constants)), {"x": x})


def test_a_view_has_no_step() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Flatten", ["r"], ["y"])]
    made = graph(nodes, [like("x", floats(2, 3))], [value("y", shape=None)])
    module = compile_module(model(made).SerializeToString())
    assert "copy" not in [step.op for step in module.info.steps]
    x = floats(2, 3)
    np.testing.assert_array_equal(run_module(module, {"x": x})["y"], np.maximum(x, 0))


def test_an_output_that_is_a_constant() -> None:
    kept = floats(3)
    kind = ValueType(DType.FP32, (3,))
    one = IrGraph(
        inputs=("x",), outputs=("k", "y"), nodes=(Node(op="Add", name="sum", inputs=("x", "k"), outputs=("y",)),),
        types=dict.fromkeys("xky", kind), constants={"k": kept}, opset=17,
    )  # fmt: skip
    module = compile_graph(one, WasmOptions(), source="sha256:" + "0" * 64)
    x = floats(3, seed=1)
    found = run_module(module, {"x": x})
    np.testing.assert_array_equal(found["k"], kept)
    np.testing.assert_array_equal(found["y"], x + kept)
