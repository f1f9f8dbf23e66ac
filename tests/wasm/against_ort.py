"""Compile a model, run it, and compare every output with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper  # noqa: TID251

from compiler.wasm.compile import compile_module
from compiler.wasm.options import WasmOptions
from compiler.wasm_tools.instance import run_module
from edge_runtime.quiet_import import import_quietly

onnxruntime = import_quietly("onnxruntime")

Arrays = dict[str, NDArray[Any]]


def value(name: str, dtype: int = TensorProto.FLOAT, shape: Sequence[int | str | None] | None = ()) -> ValueInfoProto:
    """A graph input or output."""
    return helper.make_tensor_value_info(name, dtype, shape)


def like(name: str, array: NDArray[Any]) -> ValueInfoProto:
    """An input for an array."""
    return value(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def graph(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: Mapping[str, NDArray[Any]] | None = None,
) -> GraphProto:
    """A graph or body."""
    held = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    return helper.make_graph(nodes, "graph", inputs, outputs, initializer=held)


def model(made: GraphProto, opset: int = 17) -> ModelProto:
    """A model that ONNX Runtime takes."""
    proto: ModelProto = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    proto.ir_version = 10
    return proto


def expected(proto: ModelProto, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
    """What ONNX Runtime gives, by one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def check(
    proto: ModelProto,
    inputs: Mapping[str, NDArray[Any]],
    *,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    bind: Mapping[str, NDArray[Any]] | None = None,
    twice: bool = True,
) -> None:
    """Compile with ``bind`` as constants, run (twice: nothing may be left over from before), compare."""
    bound = dict(bind or {})
    module = compile_module(proto.SerializeToString(), WasmOptions(bind=bound))
    fed = {name: array for name, array in inputs.items() if name not in bound}
    wanted = expected(proto, {**inputs, **bound})
    for _ in range(1 + twice):
        found = run_module(module, fed)
        assert found.keys() == wanted.keys()
        for name, array in wanted.items():
            assert found[name].dtype == array.dtype, name
            assert found[name].shape == array.shape, name
            np.testing.assert_allclose(found[name], array, rtol=rtol, atol=atol, err_msg=name)
