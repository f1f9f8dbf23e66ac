"""Passes in front of the writer."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper  # noqa: TID251 - made here, read by the package

from compiler.tflite.write import write_tflite
from edge_bundle.errors import UnsupportedOperatorError
from tests.compiler.models import model
from tests.compiler.tflite.integers import chain
from tests.compiler.tflite.running import graph_of, rand, run_onnx, run_tflite

STEPS, BATCH, WIDTH, SIZE = 3, 2, 5, 4


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("state", [False, True])
def test_lstm_is_unrolled(direction: str, state: bool) -> None:
    sides = 2 if direction == "bidirectional" else 1
    names = ["x", "w", "r", "b", *(["", "h", "c"] if state else [])]
    node = helper.make_node("LSTM", names, ["y", "yh", "yc"], hidden_size=SIZE, direction=direction)
    inputs = {"x": (STEPS, BATCH, WIDTH), **({"h": (sides, BATCH, SIZE), "c": (sides, BATCH, SIZE)} if state else {})}
    outputs = {"y": (STEPS, sides, BATCH, SIZE), "yh": (sides, BATCH, SIZE), "yc": (sides, BATCH, SIZE)}
    constants = {
        "w": rand(sides, 4 * SIZE, WIDTH, seed=1), "r": rand(sides, 4 * SIZE, SIZE, seed=2), "b": rand(sides, 8 * SIZE, seed=3)
    }  # fmt: skip
    graph = graph_of(model([node], inputs=inputs, outputs=outputs, constants=constants))
    feed = {name: rand(*shape, seed=index + 5) for index, (name, shape) in enumerate(inputs.items())}
    wanted, found = run_onnx(graph, feed), run_tflite(write_tflite(graph), feed)
    for name in outputs:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"layout": 1}, "layout"),
        ({"clip": 1.0}, "clip"),
        ({"input_forget": 1}, "coupled"),
        ({"activations": ["Sigmoid", "Relu", "Tanh"]}, "activations"),
    ],
)
def test_lstm_of_other_kinds_is_refused(changes: dict[str, object], reason: str) -> None:
    attrs = {"hidden_size": SIZE, **changes}
    shape = (BATCH, STEPS, WIDTH) if changes.get("layout") else (STEPS, BATCH, WIDTH)
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], name="memory", **attrs)  # type: ignore[arg-type]
    out = (BATCH, STEPS, 1, SIZE) if changes.get("layout") else (STEPS, 1, BATCH, SIZE)
    constants = {"w": rand(1, 4 * SIZE, WIDTH), "r": rand(1, 4 * SIZE, SIZE)}
    graph = graph_of(model([node], inputs={"x": shape}, outputs={"y": out}, constants=constants))
    with pytest.raises(UnsupportedOperatorError, match=reason) as caught:
        write_tflite(graph)
    assert (caught.value.operator, caught.value.node) == ("LSTM", "memory")


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_unsigned_becomes_signed_exactly(dtype: str) -> None:
    """The same real values stored as uint8 and as int8 make the same model."""
    assert write_tflite(chain(dtype)) == write_tflite(chain("int8"))
