"""Values of a model made outputs, so that they can be measured."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from compiler.importer.model_file import from_proto, parse


def expose(data: bytes, names: Iterable[str], *, stage: str) -> bytes:
    """The model with more outputs; values whose type the model does not say are float32."""
    model = parse(data, stage)
    there = {value.name for value in model.graph.output}
    known = {value.name: value for value in (*model.graph.value_info, *model.graph.input)}
    for name in sorted(set(names) - there):
        value = known.get(name, onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        model.graph.output.append(onnx.ValueInfoProto.FromString(value.SerializeToString()))
    return from_proto(model)
