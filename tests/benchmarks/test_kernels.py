"""The benchmark of single kernels: its cases are the models' layers, and its modules count what they say."""

from __future__ import annotations

import pytest

from benchmarks.kernels.cases import Case, cases
from benchmarks.kernels.engines import Wasmtime
from benchmarks.kernels.integers import compile_integer
from benchmarks.kernels.repeat import repeating
from compiler.wasm.options import WasmOptions

LAYERS = {"kws": 11, "ic": 11, "ad": 10, "mobilenetv2": 54}
"""Layers with arithmetic of each model, softmax aside."""


def small(name: str) -> Case:
    return next(case for case in cases() if case.name == name)


def test_every_layer_is_counted() -> None:
    counted = {model: sum(case.count for case in cases() if case.model == model) for model in LAYERS}
    assert counted == LAYERS


def test_every_name_is_of_one_kernel() -> None:
    operators: dict[str, set[str]] = {}
    for case in cases():
        operators.setdefault(case.name, set()).add(case.op)
    assert all(len(found) == 1 for found in operators.values())


@pytest.mark.parametrize("name", ["kws gemm 1x64-12", "kws dw3x3 s1 25x5x64-64", "ic global_pool 8x8x64"])
def test_the_integer_flavour_of_a_layer_runs(name: str) -> None:
    module = compile_integer(small(name), WasmOptions())
    assert module.info.steps[0].op.startswith("q")
    assert Wasmtime().time([repeating(module)], 1)[0] > 0


@pytest.mark.parametrize("name", ["kws gemm 1x64-12", "kws dw3x3 s1 25x5x64-64", "ic global_pool 8x8x64"])
def test_a_repeating_module_runs(name: str) -> None:
    module = small(name).compile(WasmOptions())
    assert module.info.steps[0].flops > 0
    assert Wasmtime().time([repeating(module)], 1)[0] > 0
