"""Fourier transforms, Col2Im and determinants: against numpy and ONNX's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator  # noqa: TID251

from tests.wasm.ops.one_node import Array, Case, Input, floats, ints, scalar, table


def complex_of(x: Array) -> Array:
    return x[..., 0] + 1j * x[..., 1] if x.shape[-1] > 1 else x[..., 0]


def pairs(z: Array) -> Array:
    return np.stack([z.real, z.imag], -1)


def dft(x: Array, length: int | None, axis: int, **attrs: int) -> Array:
    given = None if length is None else scalar(length)
    case = Case(name="", op="DFT", inputs=[x, given, scalar(axis)], attrs=attrs, opset=20)
    return case.run()[0]


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("length", [None, 4, 16])
@pytest.mark.parametrize("axis", [0, 1])
def test_dft(axis: int, length: int | None, parts: int) -> None:
    x = floats(6, 9, parts)
    y = dft(x, length, axis)
    np.testing.assert_allclose(y, pairs(np.fft.fft(complex_of(x), n=length, axis=axis)), rtol=1e-4, atol=1e-4)


def test_one_sided() -> None:
    x = floats(3, 10, 1)
    np.testing.assert_allclose(dft(x, None, 1, onesided=1), pairs(np.fft.rfft(x[..., 0], axis=1)), rtol=1e-4, atol=1e-4)


def test_inverse() -> None:
    x = floats(3, 10, 2)
    y = dft(x, None, 1, inverse=1)
    np.testing.assert_allclose(y, pairs(np.fft.ifft(complex_of(x), axis=1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize("window", [False, True])
def test_stft(window: bool, onesided: int) -> None:
    x, shape = floats(2, 40, 1), np.hanning(8).astype(np.float32)
    inputs: list[Input] = [x, scalar(5), shape if window else None, scalar(8)]
    (y,) = Case(name="", op="STFT", inputs=inputs, attrs={"onesided": onesided}).run()
    frames = np.stack([x[:, start : start + 8, 0] for start in range(0, 33, 5)], 1) * (shape if window else 1)
    wanted = np.fft.rfft(frames, axis=-1) if onesided else np.fft.fft(frames, axis=-1)
    np.testing.assert_allclose(y, pairs(wanted), rtol=1e-4, atol=1e-4)


def col2im(name: str, columns: tuple[int, ...], image: tuple[int, ...], block: tuple[int, ...], **attrs: Any) -> Case:
    return Case(name=name, op="Col2Im", inputs=[floats(*columns), ints(*image), ints(*block)], attrs=attrs, opset=18)


@table(
    col2im("blocks side by side", (2, 8, 6), (4, 6), (2, 2), strides=[2, 2]),
    col2im("blocks that overlap", (1, 12, 6), (4, 4), (2, 3)),
    col2im("pads", (1, 9, 25), (5, 5), (3, 3), pads=[1, 1, 1, 1]),
    col2im("dilation", (1, 4, 9), (5, 5), (2, 2), dilations=[2, 2]),
    col2im("three dimensions", (1, 8, 8), (3, 3, 3), (2, 2, 2)),
)
def test_col2im(case: Case) -> None:
    (wanted,) = ReferenceEvaluator(case.model()).run(None, case.fed)
    np.testing.assert_allclose(case.run()[0], np.asarray(wanted), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (7, 7), (2, 3, 4, 4)], ids=str)
def test_determinant(shape: tuple[int, ...]) -> None:
    x = floats(*shape)
    (y,) = Case(name="", op="Det", inputs=[x]).run()
    np.testing.assert_allclose(y, np.linalg.det(x.astype(np.float64)), rtol=1e-4, atol=1e-5)


def test_determinant_of_a_singular_matrix_and_of_one_that_needs_pivots() -> None:
    x = np.array([[[0, 2], [3, 0]], [[1, 2], [2, 4]], [[0, 0], [0, 0]]], np.float32)
    assert Case(name="", op="Det", inputs=[x]).run()[0].tolist() == [-6.0, 0.0, 0.0]
