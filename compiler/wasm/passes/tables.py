"""Functions of one stored value as tables of 256 entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node, ValueType
from compiler.wasm.passes.draft import Draft, scalar
from compiler.wasm.passes.quantization import StoredValue, Wanted, dequantized, quantized, stored
from compiler.wasm.specs import QTable, Quant
from edge_bundle.tensor import DType

Reals: TypeAlias = NDArray[np.float32]
_Function: TypeAlias = Callable[..., NDArray[Any]]

MAX_CONE = 32
"""Most operators that one table stands for; activations written out in operators have below ten."""

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x))))


def _softplus(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


FUNCTIONS: Mapping[str, _Function] = {
    "Abs": lambda _n, x: np.abs(x),
    "Add": lambda _n, x, y: x + y,
    "Ceil": lambda _n, x: np.ceil(x),
    "Div": lambda _n, x, y: x / y,
    "Elu": lambda n, x: np.where(x < 0, n.get("alpha", 1.0) * np.expm1(np.minimum(x, 0)), x),
    "Erf": lambda _n, x: _erf(x),
    "Exp": lambda _n, x: np.exp(x),
    "Floor": lambda _n, x: np.floor(x),
    "HardSigmoid": lambda n, x: np.clip(n.get("alpha", 0.2) * x + n.get("beta", 0.5), 0, 1),
    "HardSwish": lambda _n, x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Identity": lambda _n, x: x,
    "LeakyRelu": lambda n, x: np.where(x < 0, np.float32(n.get("alpha", 0.01)) * x, x),
    "Log": lambda _n, x: np.log(x),
    "Mul": lambda _n, x, y: x * y,
    "Neg": lambda _n, x: -x,
    "Pow": lambda _n, x, y: np.power(x, y),
    "Reciprocal": lambda _n, x: 1 / x,
    "Relu": lambda _n, x: np.maximum(x, 0),
    "Round": lambda _n, x: np.rint(x),
    "Sigmoid": lambda _n, x: _sigmoid(x),
    "Softplus": lambda _n, x: _softplus(x),
    "Softsign": lambda _n, x: x / (1 + np.abs(x)),
    "Sqrt": lambda _n, x: np.sqrt(x),
    "Sub": lambda _n, x, y: x - y,
    "Tanh": lambda _n, x: np.tanh(x),
}
"""Elementwise operators on float64 (each result is rounded to float32 once), with the node's attributes first."""


def every_stored(quant: Quant) -> NDArray[np.int64]:
    """All stored values, in the order of their bytes as unsigned."""
    return np.arange(256, dtype=np.uint8).view(quant.dtype.numpy_name).astype(np.int64)


def requantized(draft: Draft, source: StoredValue, want: Wanted, output: str) -> str:
    """The stored values in another quantization, clamped; the value itself when nothing changes."""
    if source.quant == want.quant and want.whole:
        return source.name
    reals = dequantized(every_stored(source.quant), source.quant)
    return add_table(draft, source, quantized(reals, want.quant), want, output)


def clamped(draft: Draft, value: str, want: Wanted, output: str) -> str:
    """Stored values of the wanted quantization, clamped to its limits."""
    return add_table(draft, StoredValue(value, want.quant), every_stored(want.quant), want, output)


def add_table(draft: Draft, source: StoredValue, entries: NDArray[np.int64], want: Wanted, output: str) -> str:
    """A ``skerry.qtable`` node; ``entries`` by the source's bytes, not clamped yet."""
    table = np.clip(entries, want.low, want.high).astype(want.quant.dtype.numpy_name)
    spec = QTable(table=table, y=want.quant.dtype)
    kind = ValueType(want.quant.dtype, draft.types[source.name].shape)
    return draft.add("skerry.qtable", (source.name,), output, kind, spec=spec)


def table_of(draft: Draft, want: Wanted) -> tuple[StoredValue, NDArray[np.int64]] | None:
    """The one stored value that ``want.value`` is an elementwise function of, and the function's entries."""
    cone = _Cone(draft, draft.types[want.value].shape)
    with np.errstate(all="ignore"):
        reals = cone.evaluate(want.value)
    if reals is None or cone.source is None or cone.operators == 0 or not np.isfinite(reals).all():
        return None
    return cone.source, quantized(reals, want.quant)


class _Cone:
    """Evaluates operators on all stored values of the one source that is found on the way."""

    def __init__(self, draft: Draft, shape: tuple[int, ...]) -> None:
        self._draft = draft
        self._shape = shape
        self._known: dict[str, Reals | None] = {}
        self.source: StoredValue | None = None
        self.operators = 0

    def evaluate(self, value: str) -> Reals | None:
        if value not in self._known:
            self._known[value] = self._evaluate(value)
        return self._known[value]

    def _evaluate(self, value: str) -> Reals | None:
        single = self._draft.floats(value)
        if single is not None:
            return None if single.size != 1 else single.reshape(1)
        if self._draft.types[value] != ValueType(DType.FP32, self._shape):
            return None
        found = stored(self._draft, value)
        if found is not None and self._draft.constant(found.name) is None:
            if self.source is not None and self.source != found:
                return None
            self.source = found
            return dequantized(every_stored(found.quant), found.quant)
        node = self._draft.maker(value)
        if node is None or self.operators >= MAX_CONE:
            return None
        self.operators += 1
        return self._apply(node)

    def _apply(self, node: Node) -> Reals | None:
        if node.op == "Clip":
            return self._clip(node)
        function = FUNCTIONS.get(node.op)
        reads = [self.evaluate(name) for name in node.inputs if name]
        if function is None or any(read is None for read in reads):
            return None
        wide = [np.asarray(read, dtype=np.float64) for read in reads]
        return np.asarray(function(node.attrs, *wide)).astype(np.float32)

    def _clip(self, node: Node) -> Reals | None:
        reals = self.evaluate(node.input(0))
        low = scalar(self._draft.constant(node.input(1))) if node.input(1) else -math.inf
        high = scalar(self._draft.constant(node.input(2))) if node.input(2) else math.inf
        if reals is None or low is None or high is None:
            return None
        return np.minimum(np.maximum(reals, np.float32(low)), np.float32(high))


def constant_stored(real: NDArray[np.float32], want: Wanted) -> NDArray[Any]:
    """A known float tensor as the stored values that ``want`` makes of it."""
    low, high = want.quant.stored_range
    values = np.clip(quantized(real, want.quant), max(low, want.low), min(high, want.high))
    return values.astype(want.quant.dtype.numpy_name)
