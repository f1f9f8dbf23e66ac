"""Resize in every mode, GridSample, RoiAlign, DeformConv: against ONNX Runtime, where it follows the specification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto  # noqa: TID251
from onnx.reference import ReferenceEvaluator  # noqa: TID251

from tests.wasm.ops.one_node import Case, Fixed, Input, counting, floats, ints, table

EMPTY = Fixed(np.array([], np.float32))


def resize(name: str, x: NDArray[Any], scales: Sequence[float] = (), sizes: Sequence[int] = (), **attrs: Any) -> Case:
    return Case(
        name=name, op="Resize", attrs=attrs, opset=19, rtol=1e-4, atol=1e-5,
        inputs=[x, EMPTY, Fixed(np.array(scales, np.float32)), *([ints(*sizes)] if sizes else [])],
    )  # fmt: skip


def against_the_reference(case: Case) -> None:
    wanted = ReferenceEvaluator(case.model()).run(None, case.fed)
    for found, array in zip(case.run(), wanted, strict=True):
        assert found.shape == np.shape(array)
        np.testing.assert_allclose(found, array, rtol=case.rtol, atol=case.atol)


COORDINATES = ["align_corners", "asymmetric", "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"]
SCALES = {"larger": (1, 1, 2.0, 3.0), "smaller": (1, 1, 0.6, 0.7), "mixed": (1, 1, 0.5, 2.5)}


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("scales", SCALES.values(), ids=SCALES.keys())
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_interpolated(mode: str, scales: tuple[float, ...], coordinates: str) -> None:
    x = floats(1, 2, 5, 6)
    against_the_reference(resize("", x, scales, mode=mode, coordinate_transformation_mode=coordinates))


@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("scales", SCALES.values(), ids=SCALES.keys())
def test_nearest(scales: tuple[float, ...], coordinates: str, rounding: str) -> None:
    attrs: dict[str, Any] = {"coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    against_the_reference(resize("", counting(1, 2, 5, 6), scales, mode="nearest", **attrs))


@table(
    resize("antialiased linear", floats(1, 1, 9, 9), (1, 1, 0.4, 0.6), mode="linear", antialias=1),
    resize("antialiased cubic", floats(1, 1, 9, 9), (1, 1, 0.4, 0.6), mode="cubic", antialias=1),
    resize("outside excluded", floats(1, 1, 6, 6), (1, 1, 0.7, 1.5), mode="cubic", exclude_outside=1),
    resize("another cubic", floats(1, 1, 6, 6), (1, 1, 2, 2), mode="cubic", cubic_coeff_a=-0.5),
    resize("sizes", floats(1, 2, 5, 6), sizes=(1, 2, 8, 3), mode="linear"),
    resize("sizes of two axes", floats(1, 2, 5, 6), sizes=(8, 3), mode="linear", axes=[2, 3]),
    resize("three axes", floats(1, 1, 3, 4, 5), (1, 1, 2, 0.5, 1.5), mode="linear"),
    resize("channels too", floats(1, 2, 3, 3), (1, 2, 2, 2), mode="linear"),
    resize("bytes", counting(1, 1, 4, 4, dtype=np.uint8), (1, 1, 2, 2), mode="nearest"),
    resize("one pixel", floats(1, 1, 1, 1), (1, 1, 3, 3), mode="linear"),
    resize("nothing", floats(1, 2, 3, 3), (1, 1, 1, 1), mode="linear"),
)
def test_resize(case: Case) -> None:
    dtype = TensorProto.UINT8 if case.name == "bytes" else TensorProto.FLOAT
    against_the_reference(Case(**{**vars(case), "outputs": [dtype]}))


def test_crop_and_resize_fills_what_lies_outside() -> None:
    roi = Fixed(np.array([0, 0, -0.2, 0.4, 1, 1, 0.8, 1.3], np.float32))
    attrs = {"coordinate_transformation_mode": "tf_crop_and_resize", "mode": "linear", "extrapolation_value": 7.0}
    inputs: list[Input] = [floats(1, 1, 5, 6), roi, EMPTY, ints(1, 1, 4, 5)]
    case = Case(name="", op="Resize", inputs=inputs, attrs=attrs, opset=19)
    against_the_reference(case)
    assert 7.0 in case.run()[0]


def grid(*shape: int, spread: float = 1.3) -> NDArray[Any]:
    return (np.random.default_rng(7).random(shape, np.float32) * 2 - 1) * np.float32(spread)


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_grid_sample(mode: str, padding: str, align: int) -> None:
    attrs = {"mode": mode, "padding_mode": padding, "align_corners": align}
    Case(
        name="", op="GridSample", inputs=[floats(2, 3, 5, 6), grid(2, 3, 4, 2)], attrs=attrs, opset=20, rtol=1e-4,
        atol=1e-4,
    ).check()  # fmt: skip


def test_grid_sample_in_space() -> None:
    Case(name="", op="GridSample", inputs=[floats(1, 2, 3, 4, 5), grid(1, 2, 3, 2, 3)], opset=20, atol=1e-4).check()


def test_wild_positions_read_nothing_outside() -> None:
    wild = np.array([[np.nan, 0], [np.inf, -np.inf], [1e30, -1e30], [3e9, 0]], np.float32).reshape(1, 2, 2, 2)
    for padding in ("zeros", "border", "reflection"):
        attrs = {"padding_mode": padding}
        (y,) = Case(name="", op="GridSample", inputs=[floats(1, 1, 3, 3), wild], attrs=attrs, opset=20).run()
        assert y.shape == (1, 1, 2, 2)


@pytest.mark.parametrize("how", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roi_align(mode: str, ratio: int, how: str) -> None:
    rois = np.array([[0, 0, 6, 5], [1.5, 2, 7.25, 7], [-3, -2, 9, 12], [3, 3, 3.2, 3.1]], np.float32)
    attrs = {
        "mode": mode, "sampling_ratio": ratio, "coordinate_transformation_mode": how, "output_height": 3,
        "output_width": 2, "spatial_scale": 0.8,
    }  # fmt: skip
    images = np.array([0, 1, 1, 0], np.int64)
    Case(name="", op="RoiAlign", inputs=[floats(2, 3, 7, 8), rois, images], attrs=attrs, rtol=1e-4, atol=1e-5).check()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("groups", "shifts"), [(1, 1), (2, 1), (1, 2)])
def test_deform_conv(groups: int, shifts: int, masked: bool) -> None:
    x, w = floats(2, 4, 6, 7), floats(6, 4 // groups, 3, 2, seed=1)
    offset, mask = floats(2, shifts * 12, 3, 3, seed=2), floats(2, shifts * 6, 3, 3, seed=3)
    inputs = [x, w, offset, floats(6, seed=4), *([mask] if masked else [])]
    attrs = {"group": groups, "offset_group": shifts, "strides": [2, 3], "pads": [1, 1, 1, 1], "dilations": [1, 2]}
    case = Case(name="", op="DeformConv", inputs=inputs, attrs=attrs, opset=19, rtol=1e-3, atol=1e-4)
    against_the_reference(case)
