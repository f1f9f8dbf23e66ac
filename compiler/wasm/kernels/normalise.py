"""Normalisation of float32 rows: by mean and variance, or by the root mean square; then scale and shift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.wasm.kernels.loops import loops
from compiler.wasm.kernels.rows import (
    add,
    fold_row,
    inverse_root,
    map_row,
    splat_load,
    store_first,
)
from compiler.wasm.numerics.lanes import F32X4
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr


@dataclass(frozen=True, kw_only=True)
class Rows:
    """``count`` rows of ``size`` float32 at ``source``, written to ``target``."""

    count: int
    size: int
    source: int
    target: int


@dataclass(frozen=True, kw_only=True)
class Moments:
    """What a row is normalised by: ``centred`` takes its mean away first. Where mean and inverse go, one a row."""

    epsilon: float
    centred: bool = True
    mean_to: int | None = None
    inverse_to: int | None = None


def normalise_elements(fn: Function, rows: Rows, moments: Moments, scale: int, bias: int | None) -> None:
    """``scale`` and ``bias`` are rows themselves: layer and RMS normalisation."""
    keep = [address for address in (moments.mean_to, moments.inverse_to) if address is not None]
    bases = [(fn.new(base, "base"), [rows.size * FLOAT_BYTES]) for base in (rows.source, rows.target)]
    bases += [(fn.new(address, "moments"), [FLOAT_BYTES]) for address in keep]
    factors = [fn.new(address, "factors") for address in (scale, bias) if address is not None]
    with loops(fn, [rows.count], bases) as ((come, to, *results), _):
        row, out = fn.new(come, "row"), fn.new(to, "out")
        mean, inverse = _moments(fn, row, rows.size, moments)
        given = [
            value for address, value in ((moments.mean_to, mean), (moments.inverse_to, inverse)) if address is not None
        ]
        for pointer, value in zip(results, given, strict=True):
            store_first(fn, pointer, value)

        def body(values: Sequence[Local]) -> Expr:
            x, factor, *term = values
            made = F32X4.mul(F32X4.mul(F32X4.sub(x, mean) if moments.centred else x, inverse), factor)
            return F32X4.add(made, term[0]) if term else made

        map_row(fn, [out, row, *factors], rows.size, body)


def normalise_groups(
    fn: Function, rows: Rows, moments: Moments, groups: int, channels: int, scale: int, bias: int
) -> None:
    """Every row is a group of ``channels`` channels, each with a scale and a bias; ``groups`` of them to an image.

    One channel to a group is instance normalisation.
    """
    plane = rows.size // channels
    images = rows.count // groups
    source, target = fn.new(rows.source, "base"), fn.new(rows.target, "base")
    factors = [fn.new(scale, "factors"), fn.new(bias, "factors")]
    group = [rows.size * groups * FLOAT_BYTES, rows.size * FLOAT_BYTES]
    beside = [0, channels * FLOAT_BYTES]
    pointers = [(source, group), (target, group), *((factor, beside) for factor in factors)]
    with loops(fn, [images, groups], pointers) as ((come, to, scale_at, bias_at), _):
        mean, inverse = _moments(fn, fn.new(come, "row"), rows.size, moments)
        inner = [
            (come, [plane * FLOAT_BYTES]),
            (to, [plane * FLOAT_BYTES]),
            (scale_at, [FLOAT_BYTES]),
            (bias_at, [FLOAT_BYTES]),
        ]
        with loops(fn, [channels], inner) as ((x_at, y_at, factor_at, term_at), _):
            factor = fn.new(F32X4.mul(inverse, splat_load(fn, factor_at)), "factor")
            term = splat_load(fn, term_at)
            map_row(
                fn,
                [fn.new(y_at, "out"), fn.new(x_at, "row")],
                plane,
                lambda values: F32X4.add(F32X4.mul(F32X4.sub(values[0], mean), factor), term),
            )


def _moments(fn: Function, row: Local, size: int, moments: Moments) -> tuple[Local, Local]:
    """The mean and one over the standard deviation (or the root mean square), in every lane.

    The deviations are taken from the mean itself: two passes, as sums of squares would cancel.
    """
    share = F32X4.const(1.0 / size)
    mean = fn.new(F32X4.const(0.0), "mean")
    if moments.centred:
        fn.set(mean, F32X4.mul(fold_row(fn, row, size, 0.0, add), share))

    def square(x: Local) -> Expr:
        apart = fn.new(F32X4.sub(x, mean), "apart") if moments.centred else x
        return F32X4.mul(apart, apart)

    variance = F32X4.mul(fold_row(fn, row, size, 0.0, add, square), share)
    return mean, fn.new(inverse_root(F32X4.add(variance, F32X4.const(moments.epsilon))), "inverse")
