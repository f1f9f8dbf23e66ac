"""A node held against its operator's definition, before any rule relies on what must be there."""

from __future__ import annotations

import functools

import onnx
from onnx import checker

from compiler.importer.call import Call
from compiler.importer.model_file import guard
from compiler.importer.shapes import schema_of
from edge_bundle.errors import CompileError


def verify(call: Call) -> None:
    """Hold that inputs, outputs and attributes are as many and of such kinds as the operator has.

    Operators that are deprecated in this version pass: there is a newer form of each (``dialect.py``).

    Raises:
        CompileError: they are not.
        UnsupportedOperatorError: ONNX has no such operator in this version.

    """
    if schema_of(call).deprecated:
        return
    try:
        guard(lambda: checker.check_node(call.proto, _context(call.version), _SCOPE), call.scope.stage)
    except CompileError as error:
        raise call.fault(error.detail, advice=error.advice) from error


_SCOPE = checker.C.LexicalScopeContext()


@functools.cache
def _context(version: int) -> checker.C.CheckerContext:
    made = checker.C.CheckerContext()
    made.ir_version = onnx.IR_VERSION
    made.opset_imports = {"": version}
    return made
