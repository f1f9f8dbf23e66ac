"""DFT and STFT as products with a table of sines and cosines, computed at compile time in float64.

The table has one entry per input and output element of the transform: right for the short frames of audio front ends.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.contract import Factor
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from compiler.wasm.ops.arguments import known_ints
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.products import Term, sum_of_products
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType

MAX_TABLE_BYTES = 64 << 20
"""A transform of 2048 complex numbers has a table of this size."""

TABLE = "table"
REAL, COMPLEX = 1, 2


@dataclass(frozen=True, kw_only=True)
class _Stored(Term):
    """A term that lies with the step's own constants, as ``TABLE``."""

    def factor(self, out: StepEmitter, outer: str, inner: str) -> Factor:
        return Factor(address=out.constant(TABLE), dtype=DType.FP32, steps=self.steps(outer), sums=self.steps(inner))

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


def _dft(node: Node, scope: Scope) -> Step:
    source, target = layout(scope, node.input(0)), layout(scope, node.output)
    rank = len(source.shape)
    axes = known_ints(node, scope, 2, "axis")
    axis = (axes[0] if axes else _default_axis(node)) % rank
    inverse, onesided = bool(node.attrs.get("inverse", 0)), bool(node.attrs.get("onesided", 0))
    given = known_ints(node, scope, 1, "dft_length")
    halved = inverse and onesided
    length = given[0] if given else 2 * (source.shape[axis] - 1) if halved else source.shape[axis]
    count = min(source.shape[axis], length // 2 + 1 if halved else length)
    if axis == rank - 1 or 0 in (*source.shape, *target.shape) or target.shape[-1] != (REAL if halved else COMPLEX):
        raise refuse(node, f"a transform of {list(source.shape)} to {list(target.shape)} along axis {axis}")
    if halved:
        table = _real_inverse(count, source.shape[-1], length)
    else:
        table = _complex(count, source.shape[-1], target.shape[axis], length, inverse=inverse)
    letters = string.ascii_lowercase[: rank - 1]
    outer = letters.replace(letters[axis], "K") + "R"
    inner = letters.replace(letters[axis], "N") + "C"
    signal = Term(value=node.input(0), letters=inner, layout=source.part(axis, 0, count))
    return _product(node, Term(value=node.output, letters=outer, layout=target), [signal], table, "dft")


def _default_axis(node: Node) -> int:
    """Version 17 has an attribute, 1 by default; version 20 an input, -2 by default, and then no attribute at all."""
    return int(node.attrs.get("axis", -2))


def _stft(node: Node, scope: Scope) -> Step:
    source, target = layout(scope, node.input(0)), layout(scope, node.output)
    steps, lengths = known_ints(node, scope, 1, "frame_step"), known_ints(node, scope, 3, "frame_length")
    window = node.input(2)
    if not steps or len(source.shape) != 3 or 0 in (*source.shape, *target.shape):  # noqa: PLR2004 - batch, time, parts
        raise refuse(node, f"frames of {list(source.shape)}")
    length = lengths[0] if lengths else scope.type_of(window).size if window else source.shape[1]
    frames = target.shape[1]
    if window and scope.type_of(window).size != length:
        raise refuse(node, f"expected a window of {length} elements, got {scope.type_of(window).size}")
    bins = length // 2 + 1 if node.attrs.get("onesided", 1) else length
    if (frames - 1) * steps[0] + length > source.shape[1] or target.shape[2] != bins:
        raise refuse(node, f"expected {frames} frames of {length} in {source.shape[1]} elements, {bins} bins each")
    batch, sample, part = source.strides
    framed = Layout(
        (source.shape[0], frames, length, source.shape[2]), (batch, steps[0] * sample, sample, part), source.start
    )
    terms = [Term(value=node.input(0), letters="bfNC", layout=framed)]
    if window:
        terms.append(Term(value=window, letters="N", layout=layout(scope, window)))
    table = _complex(length, source.shape[2], bins, length, inverse=False)
    return _product(node, Term(value=node.output, letters="bfKR", layout=target), terms, table, "stft")


def _product(node: Node, output: Term, terms: list[Term], table: NDArray[Any], op: str) -> Step:
    if table.nbytes > MAX_TABLE_BYTES:
        raise refuse(node, f"expected a table of at most {MAX_TABLE_BYTES} bytes, got {table.nbytes}")
    stored = _Stored(value=TABLE, letters="NCKR", layout=Layout.of(table.shape, FLOAT_BYTES))
    step = sum_of_products(node, output, [*terms, stored], op, accumulate=DType.FP32)
    return replace(step, constants={TABLE: table})


def _complex(count: int, parts: int, bins: int, length: int, *, inverse: bool) -> NDArray[Any]:
    """[n, part of the input, bin, part of the output]: e^(-2 pi i n k / length), or its inverse."""
    angles = 2 * np.pi * (np.outer(np.arange(count), np.arange(bins)) % length) / length
    cosines, sines = np.cos(angles), np.sin(angles) * (1 if inverse else -1)
    table = np.stack([np.stack([cosines, sines], -1), np.stack([-sines, cosines], -1)], 1)[:, :parts]
    return np.ascontiguousarray(table / (length if inverse else 1), dtype="<f4")


def _real_inverse(count: int, parts: int, length: int) -> NDArray[Any]:
    """[bin, part of the input, n, 1]: a one-sided spectrum back to ``length`` real numbers."""
    angles = 2 * np.pi * (np.outer(np.arange(count), np.arange(length)) % length) / length
    weights = np.where((np.arange(count) == 0) | (2 * np.arange(count) == length), 1.0, 2.0)[:, None] / length
    table = np.stack([np.cos(angles) * weights, -np.sin(angles) * weights], 1)[:, :parts, :, None]
    return np.ascontiguousarray(table, dtype="<f4")


_NOTE = "constant lengths, axis and step; a table of sines and cosines of at most 64 MiB"
RULES: Rules = {
    "DFT": Rule(lower=_dft, dtypes=FP32, note=_NOTE),
    "STFT": Rule(lower=_stft, dtypes=FP32, note=_NOTE),
}
