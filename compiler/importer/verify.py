"""A node held against its operator's definition, before any rule relies on what must be there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

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
    if call.op in _BEFORE_INFERENCE:
        _BEFORE_INFERENCE[call.op](call)


def _split(call: Call) -> None:
    if call.attrs.get("num_outputs", len(call.outputs)) != len(call.outputs):
        raise call.fault(f"expected num_outputs of {len(call.outputs)}, got {call.attrs['num_outputs']}")


def _gather_nd(call: Call) -> None:
    shared, ranks = call.attrs.get("batch_dims", 0), [call.type_of(index).rank for index in (0, 1)]
    if not 0 <= shared < min(ranks, default=0):
        raise call.fault(f"expected batch_dims from 0 to {min(ranks) - 1}, got {shared}")


_BEFORE_INFERENCE: Mapping[str, Callable[[Call], None]] = {"GatherND": _gather_nd, "Split": _split}
"""What onnx 1.23's inference reads without looking: it goes beyond its lists and ends the process."""


_SCOPE = checker.C.LexicalScopeContext()


@functools.cache
def _context(version: int) -> checker.C.CheckerContext:
    made = checker.C.CheckerContext()
    made.ir_version = onnx.IR_VERSION
    made.opset_imports = {"": version}
    return made
