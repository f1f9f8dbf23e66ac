"""float64 inside a model is computed as float32; what goes in and out keeps its dtype."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper  # noqa: TID251 - models are made here

from compiler.ir.demote import demote_float64
from edge_bundle.tensor import DType
from tests.compiler.importer.reading import node, ops, proto, read
from tests.wasm.against_ort import check

X = np.linspace(-1, 1, 6).reshape(2, 3)
K = np.array([1.0, 2.0, 1e300])


def _dtypes(names: tuple[str, ...], types: object) -> set[DType]:
    assert isinstance(types, dict)
    return {types[name].dtype for name in names}


def test_casts_stand_at_the_ends() -> None:
    made = proto(
        [node("Add", "x k", "a"), node("Exp", "a", "y")], {"x": [2, 3]}, "y", {"k": K}, dtype=TensorProto.DOUBLE
    )
    found = read(made)
    assert ops(found) == ["Cast", "Add", "Exp", "Cast"]
    assert _dtypes((*found.inputs, *found.outputs), dict(found.types)) == {DType.FP64}
    inner = [name for name in found.types if name not in (*found.inputs, *found.outputs)]
    assert _dtypes(tuple(inner), dict(found.types)) == {DType.FP32}
    (constant,) = found.constants.values()
    assert constant.dtype == np.float32
    assert np.isinf(constant[2])
    assert not constant.flags.writeable


def test_gives_what_float64_gives_up_to_rounding() -> None:
    made = proto(
        [node("Mul", "x x", "a"), node("Softmax", "a", "b"), node("ReduceSum", "b", "y", keepdims=0)],
        {"x": [2, 3]}, "y", dtype=TensorProto.DOUBLE,
    )  # fmt: skip
    check(made, {"x": X}, rtol=1e-6)


def test_casts_that_became_empty_are_dropped() -> None:
    made = proto(
        [node("Cast", "x", "a", to=11), node("Mul", "a a", "b"), node("Cast", "b", "y", to=1)], {"x": [3]}, "y"
    )
    found = read(made)
    assert ops(found) == ["Mul", "Identity"]
    assert found.nodes[0].inputs == ("x", "x")


def test_bodies_are_demoted_too() -> None:
    def branch(op: str) -> object:
        out = helper.make_tensor_value_info("t", TensorProto.DOUBLE, None)
        return helper.make_graph([node("Cast", "x", "d", to=11), node(op, "d", "t")], op, [], [out])

    made = proto(
        [node("If", "c", "z", then_branch=branch("Exp"), else_branch=branch("Neg")), node("Cast", "z", "y", to=1)],
        {"x": [3]}, "y",
    )  # fmt: skip
    made.graph.input.add().CopyFrom(helper.make_tensor_value_info("c", TensorProto.BOOL, ()))
    found = read(made)
    assert DType.FP64 not in {kind.dtype for kind in found.types.values()}
    assert ops(found) == ["If", "Exp", "Neg", "Identity"]
    for condition in (True, False):
        check(made, {"x": np.array([1, 2, 3], np.float32), "c": np.array(condition)})


def test_graphs_without_float64_stay_as_they_are() -> None:
    found = read(proto([node("Neg", "x", "y")], {"x": [3]}, "y"))
    assert demote_float64(found) is found
