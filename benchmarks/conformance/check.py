"""Compile one case and run it under wasmtime."""

from __future__ import annotations

import traceback
from typing import Any

import numpy as np
import wasmtime
from numpy.typing import NDArray

from benchmarks.conformance.cases import Arrays, Case, Skipped
from benchmarks.conformance.compare import difference
from benchmarks.conformance.verdict import Outcome, Verdict
from benchmarks.wasm.instance import Instance
from compiler.wasm.compile import compile_module
from compiler.wasm.options import WasmOptions
from edge_bundle.errors import CompileError, SkerryError
from edge_bundle.tensor import DType
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
    instance = Instance(code, read_module(code).info)
    places = {place.name: place for place in module.info.inputs}
    return instance.run({name: _as(case.fed[name], place.dtype) for name, place in places.items()})


def _as(array: NDArray[Any], dtype: DType) -> NDArray[Any]:
    """A float64 input of a module that computes in float32 is rounded; anything else must fit as it is."""
    wanted = np.dtype(dtype.numpy_name)
    if (array.dtype, wanted) == (np.dtype("f8"), np.dtype("f4")):
        return array.astype(wanted)
    return array
