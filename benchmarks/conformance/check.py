"""Compile one case and run it under wasmtime."""

from __future__ import annotations

import traceback

import wasmtime

from benchmarks.conformance.cases import Arrays, Case, Skipped
from benchmarks.conformance.compare import difference
from benchmarks.conformance.verdict import Outcome, Verdict
from compiler.wasm.compile import compile_module
from compiler.wasm.options import WasmOptions
from compiler.wasm_tools.instance import Instance
from edge_bundle.errors import CompileError, SkerryError
from edge_runtime.wasm.module import read_module

_BUGS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, OSError, RecursionError,
    RuntimeError, SkerryError, TypeError, ValueError, wasmtime.WasmtimeError,
)  # fmt: skip
"""What a compile or a run raises if it has a mistake; all of it is a wrong answer here, not an end of the run."""


def check(case: Case | Skipped) -> Verdict:
    """The verdict on one case."""
    outcome, reason = _judge(case)
    return Verdict(case=case.name, outcome=outcome, operator=case.operator, reason=reason)


def _judge(case: Case | Skipped) -> tuple[Outcome, str]:
    if isinstance(case, Skipped):
        return Outcome.SKIPPED_DTYPE, case.found
    try:
        found = compile_and_run(case)
    except CompileError as error:
        inner = "" if error.operator in ("", case.operator) else f"{error.operator}: "
        return Outcome.REFUSED, inner + error.detail
    except _BUGS:
        return Outcome.WRONG, traceback.format_exc(limit=-3).strip()
    wrong = [
        f"{name}: {words}"
        for name, expected in case.expected.items()
        if (words := difference(expected, found[name], rtol=case.rtol, atol=case.atol))
    ]
    return (Outcome.WRONG, "\n".join(wrong)) if wrong else (Outcome.PASSED, "")


def compile_and_run(case: Case) -> Arrays:
    """The outputs; raises whatever the compiler, the engine's check of the module, and wasmtime raise."""
    module = compile_module(case.model, WasmOptions(dims={}, batch=1, bind=case.bound))
    code = module.standalone()
    with Instance(code, read_module(code).info) as instance:
        return instance.run(case.fed)
