"""LSTM, GRU and RNN against ONNX Runtime, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper  # noqa: TID251

from compiler.wasm.compile import compile_module
from compiler.wasm_tools.instance import run_module
from edge_bundle.errors import UnsupportedOperatorError
from tests.wasm.against_ort import check, expected, graph, like, model, value

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FLOAT, INT32 = 1, 6

Arrays = dict[str, NDArray[Any]]


class Case:
    """A layer of random weights. ``given`` inputs are fed; all others are constants."""

    def __init__(
        self,
        op: str,
        *,
        time: int = 4,
        batch: int = 1,
        inputs: int = 3,
        hidden: int = 5,
        given: tuple[str, ...] = ("X",),
        parts: str = "B",
        lengths: list[int] | None = None,
        outputs: tuple[str, ...] | None = None,
        **attrs: Any,
    ) -> None:
        gates, directions = GATES[op], 2 if attrs.get("direction") == "bidirectional" else 1
        rng = np.random.default_rng(7)
        first = bool(attrs.get("layout", 0))

        def made(*shape: int) -> NDArray[np.float32]:
            return rng.uniform(-1, 1, shape).astype(np.float32)

        state = (batch, directions, hidden) if first else (directions, batch, hidden)
        arrays: Arrays = {
            "W": made(directions, gates * hidden, inputs),
            "R": made(directions, gates * hidden, hidden),
        }
        names = ["X", "W", "R", "", "", "", "", ""]
        x = (batch, time, inputs) if first else (time, batch, inputs)
        optional: dict[str, tuple[int, Arrays]] = {
            "B": (3, {"B": made(directions, 2 * gates * hidden)}),
            "L": (4, {"L": np.array(lengths or [time] * batch, np.int32)}),
            "H": (5, {"H": made(*state)}),
            "C": (6, {"C": made(*state)}),
            "P": (7, {"P": made(directions, 3 * hidden)}),
        }
        for part in parts:
            place, array = optional[part]
            arrays |= array
            names[place] = part
        arrays["X"] = made(*x)
        while not names[-1]:
            names.pop()
        outputs = outputs or (("Y", "Y_h", "Y_c") if op == "LSTM" else ("Y", "Y_h"))
        node = helper.make_node(op, names, list(outputs), name="layer", hidden_size=hidden, **attrs)
        fed = {name: arrays[name] for name in arrays if name in given}
        held = {name: arrays[name] for name in arrays if name not in given}
        results = [value(name, FLOAT, None) for name in outputs if name]
        self.proto: ModelProto = model(graph([node], [like(*pair) for pair in fed.items()], results, held))
        self.fed = fed


ALL = ("X", "W", "R", "B")
CASES: dict[str, Case] = {
    "lstm": Case("LSTM"),
    "gru": Case("GRU"),
    "rnn": Case("RNN"),
    "lstm without bias": Case("LSTM", parts=""),
    "lstm of one unit": Case("LSTM", hidden=1),
    "lstm of whole vectors": Case("LSTM", hidden=8),
    "lstm of several blocks": Case("LSTM", hidden=20, inputs=7, batch=5),
    "lstm of many rows": Case("LSTM", hidden=9, time=9, batch=3),
    "lstm at one time": Case("LSTM", time=1),
    "lstm backwards": Case("LSTM", direction="reverse", batch=2),
    "lstm both ways": Case("LSTM", direction="bidirectional", batch=2),
    "gru both ways": Case("GRU", direction="bidirectional", batch=3),
    "rnn both ways": Case("RNN", direction="bidirectional", batch=2, hidden=4),
    "lstm states": Case("LSTM", parts="BHC", batch=2, direction="bidirectional"),
    "gru states": Case("GRU", parts="BH", batch=2),
    "lstm states fed": Case("LSTM", parts="BHC", given=("X", "H", "C"), batch=2),
    "lstm peepholes": Case("LSTM", parts="BP", hidden=6),
    "lstm peepholes both ways": Case("LSTM", parts="BHCP", direction="bidirectional", batch=2),
    "lstm lengths": Case("LSTM", parts="BL", batch=3, lengths=[4, 1, 3]),
    "lstm lengths both ways": Case("LSTM", parts="BLHC", batch=3, lengths=[2, 4, 1], direction="bidirectional"),
    "gru lengths fed": Case("GRU", parts="BL", given=("X", "L"), batch=3, lengths=[1, 2, 4], direction="reverse"),
    "rnn full lengths": Case("RNN", parts="BL", batch=2),
    "gru reset after": Case("GRU", linear_before_reset=1, batch=2),
    "gru reset after without bias": Case("GRU", parts="", linear_before_reset=1),
    "gru reset after both ways": Case("GRU", linear_before_reset=1, direction="bidirectional", batch=2),
    "lstm fed weights": Case("LSTM", given=(*ALL, "P"), parts="BP", hidden=6, batch=2),
    "lstm fed weights both ways": Case("LSTM", given=ALL, direction="bidirectional", hidden=9),
    "gru fed weights": Case("GRU", given=ALL, hidden=7),
    "gru fed weights reset after": Case("GRU", given=ALL, linear_before_reset=1, direction="bidirectional"),
    "rnn fed weights without bias": Case("RNN", given=ALL, parts="", hidden=3),
    "lstm clip": Case("LSTM", clip=0.3, parts="BHCP"),
    "gru clip": Case("GRU", clip=0.3),
    "rnn clip": Case("RNN", clip=0.2),
    "rnn relu": Case("RNN", activations=["Relu"]),
    "rnn leaky and hard": Case(
        "RNN", direction="bidirectional", activations=["LeakyRelu", "HardSigmoid"], activation_alpha=[0.3, 0.1]
    ),
    "lstm activations": Case("LSTM", activations=["HardSigmoid", "Relu", "Tanh"]),
    "gru activations": Case("GRU", activations=["Sigmoid", "Relu"]),
    "lstm last state only": Case("LSTM", outputs=("", "Y_h")),
    "gru without states": Case("GRU", outputs=("Y",)),
}


@pytest.mark.parametrize("name", CASES)
def test_gives_what_onnx_runtime_gives(name: str) -> None:
    check(CASES[name].proto, CASES[name].fed)


BATCH_FIRST: dict[str, dict[str, Any]] = {
    "lstm": {"op": "LSTM", "batch": 3, "parts": "BHC", "direction": "bidirectional"},
    "gru": {"op": "GRU", "batch": 2, "parts": "BH", "direction": "reverse"},
    "rnn": {"op": "RNN", "batch": 2, "parts": "BH"},
}


@pytest.mark.parametrize("name", BATCH_FIRST)
def test_batch_first_is_the_other_layout_transposed(name: str) -> None:
    """ONNX Runtime has no layout 1; ours must equal layout 0 with the axes exchanged."""
    kinds = BATCH_FIRST[name]
    first, second = Case(**kinds, layout=1), Case(**kinds)
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, second.fed["X"].shape).astype(np.float32)
    second_proto = second.proto
    for held in first.proto.graph.initializer:  # the same weights; states with axes exchanged
        twin = next(one for one in second_proto.graph.initializer if one.name == held.name)
        array = numpy_helper.to_array(held)
        twin.CopyFrom(
            numpy_helper.from_array(
                np.ascontiguousarray(array.swapaxes(0, 1)) if held.name in ("H", "C") else array, held.name
            )
        )
    found = run_module(compile_module(first.proto.SerializeToString()), {"X": np.ascontiguousarray(x.swapaxes(0, 1))})
    wanted = expected(second_proto, {"X": x})
    np.testing.assert_allclose(found["Y"], wanted["Y"].transpose(2, 0, 1, 3), rtol=1e-5, atol=1e-6)
    for state in ("Y_h", "Y_c"):
        if state in wanted:
            np.testing.assert_allclose(found[state], wanted[state].swapaxes(0, 1), rtol=1e-5, atol=1e-6)


REFUSED: dict[str, tuple[Case, str]] = {
    "coupled gates": (Case("LSTM", input_forget=1), "coupled"),
    "unknown activation": (Case("RNN", activations=["Softsign"]), "softsign"),
    "too few activations": (Case("LSTM", activations=["Tanh"]), "expected 3 activations"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_by_name(name: str) -> None:
    case, words = REFUSED[name]
    with pytest.raises(UnsupportedOperatorError, match=words) as caught:
        compile_module(case.proto.SerializeToString())
    assert caught.value.node == "layer"


def test_cells_that_differ_in_the_last_digits_are_two_functions() -> None:
    alphas = [0.1234561, 0.1234564]
    case = Case("RNN", direction="bidirectional", activations=["LeakyRelu"] * 2, activation_alpha=alphas)
    assert compile_module(case.proto.SerializeToString()).wat.count("(func $rnn_") == len(alphas)


def test_rows_of_a_batch_are_bit_equal_to_single_ones() -> None:
    """Tiles of four rows sum in the same order as one row."""
    many, one = Case("LSTM", batch=6, hidden=10), Case("LSTM", batch=1, hidden=10)
    x = np.random.default_rng(5).uniform(-1, 1, (4, 6, 3)).astype(np.float32)
    batch = run_module(compile_module(many.proto.SerializeToString()), {"X": x})
    module = compile_module(one.proto.SerializeToString())
    for row in range(6):
        alone = run_module(module, {"X": np.ascontiguousarray(x[:, row : row + 1])})
        assert np.array_equal(alone["Y"][:, :, 0], batch["Y"][:, :, row])
