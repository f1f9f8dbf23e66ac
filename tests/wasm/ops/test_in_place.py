"""Random graphs of operators by elements: results that take the place of inputs, and readers that come later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper  # noqa: TID251

from compiler.wasm.compile import compile_module
from compiler.wasm_tools.instance import run_module
from tests.golden_files import DATA, assert_golden
from tests.wasm.against_ort import graph, like, model, value
from tests.wasm.ops.one_node import Case, floats

Array = NDArray[Any]

_OPS: Mapping[str, tuple[int, Callable[..., Array]]] = {
    "Add": (2, np.add), "Sub": (2, np.subtract), "Max": (2, np.maximum), "Neg": (1, np.negative), "Abs": (1, np.abs),
    "Relu": (1, lambda x: np.maximum(x, 0)), "Ceil": (1, np.ceil), "Identity": (1, lambda x: x),
}  # fmt: skip
_SHAPES = ((3, 5, 7), (5, 7), (7,), (5, 1), (1,), (3, 1, 7), ())


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_every_value_is_read_before_it_is_overwritten(data: st.DataObject) -> None:
    shapes = data.draw(st.lists(st.sampled_from(_SHAPES), min_size=1, max_size=3))
    values = {f"x{place}": floats(*shape, seed=place) for place, shape in enumerate(shapes)}
    inputs, nodes = dict(values), []
    for place in range(data.draw(st.integers(1, 9))):
        op = data.draw(st.sampled_from(sorted(_OPS)))
        count, compute = _OPS[op]
        names = [data.draw(st.sampled_from(list(values))) for _ in range(count)]
        nodes.append(helper.make_node(op, names, [f"v{place}"]))
        values[f"v{place}"] = np.asarray(compute(*(values[name] for name in names)), np.float32)
    made = [node.output[0] for node in nodes]
    wanted = {made[-1], *data.draw(st.lists(st.sampled_from(made), max_size=2))}
    outputs = [value(name, shape=None) for name in made if name in wanted]
    proto = model(graph(nodes, [like(name, array) for name, array in inputs.items()], outputs))
    module = compile_module(proto.SerializeToString())
    for _ in range(2):
        got = run_module(module, inputs)
        for name in wanted:
            np.testing.assert_array_equal(got[name], values[name])


def test_code_is_as_written_before() -> None:
    """Merged dimensions, a splat before the loop, four vectors a turn; then scalars for a broadcast innermost axis."""
    rows = Case(name="rows", op="Add", inputs=[floats(2, 3, 8, 8), floats(3, 1, 1)]).compile()
    columns = Case(name="columns", op="Mul", inputs=[floats(4, 5), floats(4, 1)]).compile()
    assert_golden(DATA / "wasm" / "add_rows.wat", rows.wat)
    assert_golden(DATA / "wasm" / "mul_columns.wat", columns.wat)
