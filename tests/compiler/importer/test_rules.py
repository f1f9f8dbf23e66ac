"""Shapes that ONNX's inference lets pass and its operators' text forbids."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto  # noqa: TID251

from compiler.wasm.compile import compile_module
from compiler.wasm.options import WasmOptions
from edge_bundle.errors import CompileError, LimitExceededError
from tests.compiler.importer.reading import Arrays, Shape, integers, node, proto, read

ONE = np.ones(1, np.float32)
CASES: dict[str, tuple[NodeProto, Shape, Arrays, str]] = {
    "indices of another rank": (
        node("GatherElements", "x i", "y"), [3, 2], {"i": integers(0, 1)}, "as deep as the data",
    ),
    "updates of another shape": (
        node("ScatterElements", "x i u", "y"), [3], {"i": integers(0, 1), "u": ONE}, "as deep as the data",
    ),
    "too few updates": (
        node("ScatterND", "x i u", "y"), [3, 2], {"i": integers(0, 1).reshape(2, 1), "u": ONE}, "expected updates",
    ),
    "groups that do not divide": (
        node("GroupNormalization", "x k k", "y", num_groups=3), [1, 4, 2], {"k": np.ones(4, np.float32)}, "multiple of 3",
    ),
    "scale of another length": (
        node("InstanceNormalization", "x k k", "y"), [1, 4, 2], {"k": ONE}, "4 channels",
    ),
    "half a region": (
        node("Resize", "x r - s", "y", coordinate_transformation_mode="tf_crop_and_resize"), [4],
        {"r": ONE, "s": integers(2)}, "region of 2 numbers",
    ),
    "a mirror of nothing": (
        node("Pad", "x p", "y", mode="reflect"), [0, 2], {"p": integers(1, 0, 1, 0)}, "elements to pad from",
    ),
    "a scalar as shape": (node("Reshape", "x i", "y"), [3], {"i": integers(3).reshape(())}, "."),
    "frames longer than the signal": (
        node("STFT", "x hop - size", "y"), [1, 4, 1], {"hop": integers(1).reshape(()), "size": integers(8).reshape(())},
        "frames of 1 to 4 samples",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_is_refused_before_any_kernel_sees_it(name: str) -> None:
    one, shape, constants, words = CASES[name]
    with pytest.raises(CompileError, match=words) as caught:
        read(proto([one], {"x": shape}, "y", constants, opset=21))
    assert caught.value.operator == one.op_type


def test_more_memory_than_a_module_can_have_is_refused() -> None:
    made = proto([node("Exp", "x", "a"), node("Softmax", "a", "y")], {"x": ["N", 1 << 20]}, "y")
    with pytest.raises(LimitExceededError, match="65536 pages") as caught:
        compile_module(made.SerializeToString(), WasmOptions(batch=1 << 9))
    assert "batch" in caught.value.advice
