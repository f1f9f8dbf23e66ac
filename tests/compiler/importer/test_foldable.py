"""Constants that the reference would compute otherwise than the kernels are left to the kernels; bombs are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper  # noqa: TID251

from compiler.importer import values
from compiler.wasm.compile import compile_module
from compiler.wasm_tools.instance import run_module
from edge_bundle.errors import CompileError, LimitExceededError
from tests.compiler.importer.reading import node, proto, read
from tests.wasm.against_ort import graph, like, model, value

Arrays = dict[str, NDArray[Any]]

ODD = np.array([[np.nan, np.inf, -np.inf, -0.0], [3e38, -3e38, 2.5, -2.5], [300.7, -1.0, 1e-40, 9e18]], np.float32)
PLANES = np.concatenate([ODD, ODD[:1]]).reshape(1, 1, 4, 4)
WIDE = np.array([[2**53 + 1, -3], [2**62, 5]], np.int64)
ONE, TINY = np.array(1, np.float32), np.array(1e-38, np.float32)
SEVEN = np.array(7, np.uint8)

CASES: dict[str, tuple[NodeProto, Arrays]] = {
    **{
        f"Cast to {np.dtype(kind).name}": (
            node("Cast", "a", "y", to=helper.np_dtype_to_tensor_dtype(np.dtype(kind))), {"a": ODD},
        )
        for kind in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.bool_)
    },
    "QuantizeLinear beyond int32": (node("QuantizeLinear", "a s z", "y"), {"a": ODD[1:], "s": TINY, "z": SEVEN}),
    "QuantizeLinear of integers": (
        node("QuantizeLinear", "a s z", "y"), {"a": np.array([7, 2**31 - 1], np.int32), "s": TINY, "z": SEVEN},
    ),
    "DynamicQuantizeLinear of zeros": (node("DynamicQuantizeLinear", "a", "q y z"), {"a": np.zeros(4, np.float32)}),
    "Clip without an end": (node("Clip", "a one", "y"), {"a": ODD, "one": ONE}),
    "Pow of integers": (node("Pow", "a b", "y"), {"a": np.array([3, 41, -2], np.int64), "b": np.array(30)}),
    "Gemm of wide integers": (node("Gemm", "a a", "y"), {"a": WIDE}),
    "ReduceL2 of integers": (node("ReduceL2", "a", "y", keepdims=0), {"a": np.array([60000, 50000], np.int32)}),
    "MaxPool": (node("MaxPool", "a", "y", kernel_shape=[2, 2]), {"a": PLANES}),
    "AveragePool": (node("AveragePool", "a", "y", kernel_shape=[2, 2]), {"a": PLANES}),
    "Resize": (
        node("Resize", "a - s", "y", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        {"a": WIDE, "s": np.array([2, 1.5], np.float32)},
    ),
    "ArgMax": (node("ArgMax", "a", "y", axis=0), {"a": ODD}),
    "TopK": (node("TopK", "a k", "y i"), {"a": ODD, "k": np.array([3])}),
    "Hardmax": (node("Hardmax", "a", "y"), {"a": ODD}),
    "LogSoftmax": (node("LogSoftmax", "a", "y"), {"a": ODD}),
    "ReduceMax": (node("ReduceMax", "a", "y", keepdims=0), {"a": ODD}),
    "Sign": (node("Sign", "a", "y"), {"a": ODD}),
    "Round": (node("Round", "a", "y"), {"a": ODD}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_constants_and_inputs_give_the_same_bits(name: str) -> None:
    made, arrays = CASES[name]
    output = "y"
    free = model(graph([made], [like(*one) for one in arrays.items() if one[0] == "a"], [value(output, 0, None)],
                       {key: array for key, array in arrays.items() if key != "a"}), 18)  # fmt: skip
    fixed = model(graph([made], [], [value(output, 0, None)], arrays), 18)
    (ran,) = run_module(compile_module(free.SerializeToString()), {"a": arrays["a"]}).values()
    (folded,) = run_module(compile_module(fixed.SerializeToString()), {}).values()
    assert folded.dtype == ran.dtype
    assert folded.tobytes() == ran.tobytes()


def test_masks_of_infinities_are_still_folded() -> None:
    nodes = [
        node("ConstantOfShape", "shape", "low", value=helper.make_tensor("v", TensorProto.FLOAT, [1], [-np.inf])),
        node("Trilu", "low one", "mask", upper=1),
        node("Add", "x mask", "y"),
    ]
    constants = {"shape": np.array([6, 6]), "one": np.array(1)}
    assert [one.op for one in read(proto(nodes, {"x": [1, 6]}, "y", constants)).walk()] == ["Add"]


BIG = {"shape": np.array([1024, 1024])}
FULL = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])


def test_constants_in_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_CONSTANT_BYTES", 10 << 20)
    names = [f"c{number}" for number in range(4)]
    nodes = [node("ConstantOfShape", "shape", name, value=FULL) for name in names]
    with pytest.raises(LimitExceededError, match="constants: expected at most 10485760 bytes, got 12582928"):
        read(proto([*nodes, node("Sum", f"x {' '.join(names)}", "y")], {"x": [1]}, "y", BIG))


def test_foldings_in_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_FOLDED_BYTES", 10 << 20)
    nodes = [
        node("ConstantOfShape", "shape", "c0", value=FULL),
        *(node("Neg", f"c{number}", f"c{number + 1}") for number in range(3)),
        node("Add", "x c3", "y"),
    ]
    with pytest.raises(LimitExceededError, match="computing constants: expected at most 10485760 bytes"):
        read(proto(nodes, {"x": [1]}, "y", BIG))


def test_large_products_are_left_to_the_module() -> None:
    nodes = [
        node("ConstantOfShape", "shape", "c", value=FULL),
        node("MatMul", "c c", "d"),
        node("Add", "x d", "y"),
    ]
    found = read(proto(nodes, {"x": [1]}, "y", {"shape": np.array([2048, 2048])}))
    assert [one.op for one in found.walk()] == ["MatMul", "Add"]


@pytest.mark.parametrize("bound", [np.nan, np.inf, -np.inf])
def test_ranges_without_end(bound: float) -> None:
    constants = {name: np.array(number, np.float32) for name, number in {"a": 0, "b": bound, "c": 1}.items()}
    with pytest.raises(CompileError, match="expected finite numbers and a step that is not 0"):
        read(proto([node("Range", "a b c", "r"), node("Add", "x r", "y")], {"x": [1]}, "y", constants))
