"""A model of one node: a named case of a table, held against ONNX Runtime or against numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper  # noqa: TID251

from compiler.wasm.compile import WasmModule, compile_module
from compiler.wasm.options import WasmOptions
from compiler.wasm_tools.instance import run_module
from tests.wasm.against_ort import check, expected, graph, like, model, value

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Fixed:
    """An input that is a constant of the model."""

    array: Array


Input: TypeAlias = Array | Fixed | None
"""Data, a constant, or an optional input left out."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One node. ``outputs`` are the dtypes of its outputs (0 leaves one out)."""

    name: str
    op: str
    inputs: Sequence[Input]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Sequence[int] = (TensorProto.FLOAT,)
    opset: int = 17
    rtol: float = 1e-5
    atol: float = 1e-6

    @property
    def names(self) -> list[str]:
        """Of the inputs, empty where one is left out."""
        return ["" if one is None else f"x{place}" for place, one in enumerate(self.inputs)]

    @property
    def fed(self) -> dict[str, Array]:
        """The data."""
        return {name: one for name, one in zip(self.names, self.inputs, strict=True) if isinstance(one, np.ndarray)}

    def model(self) -> ModelProto:
        """As ONNX."""
        results = [f"y{place}" if dtype else "" for place, dtype in enumerate(self.outputs)]
        fixed = {n: one.array for n, one in zip(self.names, self.inputs, strict=True) if isinstance(one, Fixed)}
        made = graph(
            [helper.make_node(self.op, self.names, results, **self.attrs)],
            [like(name, array) for name, array in self.fed.items()],
            [value(name, dtype, None) for name, dtype in zip(results, self.outputs, strict=True) if name],
            fixed,
        )
        return model(made, self.opset)

    def check(self) -> None:
        """Compare with ONNX Runtime."""
        check(self.model(), self.fed, rtol=self.rtol, atol=self.atol)

    def expected(self) -> list[Array]:
        """What ONNX Runtime gives."""
        return list(expected(self.model(), self.fed).values())

    def compile(self) -> WasmModule:
        """The module."""
        return compile_module(self.model().SerializeToString(), WasmOptions())

    def run(self) -> list[Array]:
        """The outputs."""
        return list(run_module(self.compile(), self.fed).values())


def table(*cases: Case) -> pytest.MarkDecorator:
    """The cases as parameters of a test."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases])


def ints(*values: int) -> Fixed:
    """A constant of int64."""
    return Fixed(np.array(values, np.int64))


def scalar(one: int) -> Fixed:
    """A constant of int64 without dimensions."""
    return Fixed(np.array(one, np.int64))


def floats(*shape: int, seed: int = 0) -> Array:
    """Normal float32 numbers."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def counting(*shape: int, dtype: type = np.float32) -> Array:
    """0, 1, 2, .."""
    return np.arange(np.prod(shape, dtype=np.int64)).reshape(shape).astype(dtype)


def integers(low: int, high: int, shape: Sequence[int], dtype: type, *, seed: int = 0) -> Array:
    """Uniform integers below ``high``."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)
