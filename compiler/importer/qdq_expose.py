"""Values of a model made outputs, so that they can be measured."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from compiler.importer.model_file import from_proto, parse


def expose(data: bytes, names: Iterable[str], *, stage: str) -> bytes:
    """The model with more outputs; values must have inferred types (``canonicalise`` first)."""
    model = parse(data, stage)
    there = {value.name for value in model.graph.output}
    known = {value.name: value for value in (*model.graph.value_info, *model.graph.input)}
    for name in sorted(set(names) - there):
        model.graph.output.append(onnx.ValueInfoProto.FromString(known[name].SerializeToString()))
    return from_proto(model)
