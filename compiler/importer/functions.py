"""Function bodies: operators that ONNX defines by others, and functions that a model brings along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from onnx import defs

from compiler.importer.attributes import resolved
from compiler.importer.call import Call
from compiler.importer.expansion import Expansion
from compiler.importer.model_file import MAX_OPSET, ONNX_DOMAINS, OPSET_ADVICE
from compiler.importer.shapes import schema_of
from compiler.importer.value_types import proto_of

MAX_FUNCTION_DEPTH = 16
"""Functions inside functions; the standard operators go three deep, and ONNX forbids recursion."""


def local_function(call: Call, functions: Mapping[tuple[str, str], onnx.FunctionProto]) -> Expansion | None:
    """The body of a function of the model, ``None`` if the node calls none.

    Raises:
        CompileError: functions call each other without end, or one asks for a newer opset than is known here.

    """
    function = functions.get((call.proto.domain, call.op))
    if function is None:
        return None
    newest = max((entry.version for entry in function.opset_import if entry.domain in ONNX_DOMAINS), default=0)
    if newest > MAX_OPSET:
        raise call.fault(f"expected a function of opset 1 to {MAX_OPSET}, got {newest}", advice=OPSET_ADVICE)
    return _expansion(call, function, {one.name: one for one in function.attribute_proto})


def standard_function(call: Call) -> Expansion | None:
    """The body that ONNX gives for an operator, ``None`` if it gives none for this use."""
    schema = schema_of(call)
    found = _body(schema, call)
    if found is None:
        return None
    defaults = {name: one.default_value for name, one in schema.attributes.items() if one.default_value.type}
    return _expansion(call, found, defaults)


def _body(schema: Any, call: Call) -> onnx.FunctionProto | None:
    """The newest body that is not newer than the node; the oldest if all are.

    ``schema`` is a ``defs.OpSchema``; the stubs of onnx leave out its functions.
    """
    contextual = schema.context_dependent_function_opset_versions
    plain = schema.function_opset_versions
    versions = contextual or plain
    if not versions:
        return None
    version = max((one for one in versions if one <= call.version), default=min(versions))
    if contextual:
        types = [proto_of(call.scope.values.types[name]) if name else onnx.TypeProto() for name in call.inputs]
        data = schema.get_context_dependent_function_with_opset_version(
            version, call.proto.SerializeToString(), [one.SerializeToString() for one in types]
        )
    else:
        data = schema.get_function_with_opset_version(version)
    function = onnx.FunctionProto.FromString(data)
    return function if function.node else None


def _expansion(call: Call, function: onnx.FunctionProto, defaults: Mapping[str, onnx.AttributeProto]) -> Expansion:
    if call.scope.depth >= MAX_FUNCTION_DEPTH:
        raise call.fault(f"expected functions at most {MAX_FUNCTION_DEPTH} deep, got more")
    given = {**defaults, **{one.name: one for one in call.proto.attribute}}
    return Expansion(
        nodes=[resolved(node, given) for node in function.node],
        inputs=tuple(function.input),
        outputs=tuple(function.output),
        opsets={entry.domain.removeprefix("ai.onnx"): entry.version for entry in function.opset_import},
    )


def has_body(operator: str) -> bool:
    """Whether ONNX defines the operator by others, for some use of it."""
    if not defs.has(operator):
        return False
    schema: Any = defs.get_schema(operator)  # the stubs leave its functions out
    return bool(schema.has_function or schema.has_context_dependent_function)
