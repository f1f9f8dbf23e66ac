"""skerry.pool2d and skerry.global_pool in float32 against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.wasm.specs import GlobalPool, Pool2d, PoolKind
from tests.wasm.kernels_f32.layers import Layer, assert_close, random


def pool_layer(size: tuple[int, int, int, int], spec: Pool2d, *, ceil: bool = False) -> Layer:
    images, height, width, channels = size
    out = []
    for axis, edge in enumerate((height, width)):
        reach = spec.dilations[axis] * (spec.kernel[axis] - 1) + 1
        free = edge + spec.pads[axis] + spec.pads[axis + 2] - reach
        out.append((-(-free // spec.strides[axis]) if ceil else free // spec.strides[axis]) + 1)
    x = random(np.random.default_rng(3), *size)
    return Layer("skerry.pool2d", spec, ("x",), {"x": x}, {}, (images, *out, channels))


def expected_pool(layer: Layer) -> NDArray[np.float64]:
    spec = layer.spec
    assert isinstance(spec, Pool2d)
    x = layer.inputs["x"].astype(np.float64)
    _, height, width, _ = x.shape
    result = np.zeros(layer.shape)
    for y in range(layer.shape[1]):
        for c in range(layer.shape[2]):
            first = (y * spec.strides[0] - spec.pads[0], c * spec.strides[1] - spec.pads[1])
            places = [
                (first[0] + ky * spec.dilations[0], first[1] + kx * spec.dilations[1])
                for ky in range(spec.kernel[0])
                for kx in range(spec.kernel[1])
            ]
            inside = np.stack([x[:, py, px] for py, px in places if 0 <= py < height and 0 <= px < width])
            padded = [py < height + spec.pads[2] and px < width + spec.pads[3] for py, px in places]
            count = sum(padded) if spec.count_include_pad else len(inside)
            result[:, y, c] = inside.max(axis=0) if spec.kind is PoolKind.MAX else inside.sum(axis=0) / count
    return result


POOLS: dict[str, Layer] = {
    kind.value + ", " + name: layer
    for kind in PoolKind
    for name, layer in {
        "2x2": pool_layer((2, 6, 8, 8), Pool2d(kind=kind, kernel=(2, 2), strides=(2, 2))),
        "odd channels": pool_layer((1, 5, 5, 7), Pool2d(kind=kind, kernel=(3, 2), strides=(1, 1))),
        "padding": pool_layer((1, 7, 5, 4), Pool2d(kind=kind, kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1))),
        "padding counts": pool_layer(
            (1, 7, 5, 4), Pool2d(kind=kind, kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1), count_include_pad=True)
        ),
        "dilation": pool_layer((1, 9, 9, 5), Pool2d(kind=kind, kernel=(3, 3), strides=(1, 2), dilations=(2, 2))),
        "window larger than the input": pool_layer(
            (1, 2, 2, 4), Pool2d(kind=kind, kernel=(4, 4), strides=(1, 1), pads=(1, 1, 1, 1))
        ),
        "large windows": pool_layer((1, 7, 8, 6), Pool2d(kind=kind, kernel=(5, 4), strides=(1, 2), pads=(1, 0, 1, 0))),
        "rounded up": pool_layer(
            (1, 6, 6, 4), Pool2d(kind=kind, kernel=(3, 3), strides=(2, 2), count_include_pad=True), ceil=True
        ),
    }.items()
}


@pytest.mark.parametrize("layer", POOLS.values(), ids=POOLS.keys())
def test_pool_means_the_same_as_numpy(layer: Layer) -> None:
    assert_close(layer.run(), expected_pool(layer))


@pytest.mark.parametrize("kind", list(PoolKind))
@pytest.mark.parametrize("size", [(1, 1, 1, 1), (2, 7, 5, 20), (3, 2, 2, 7), (1, 4, 4, 35)])
def test_global_pool_means_the_same_as_numpy(kind: PoolKind, size: tuple[int, int, int, int]) -> None:
    x = random(np.random.default_rng(4), *size)
    layer = Layer("skerry.global_pool", GlobalPool(kind=kind), ("x",), {"x": x}, {}, (size[0], 1, 1, size[3]))
    wide = x.astype(np.float64)
    expected = (wide.max if kind is PoolKind.MAX else wide.mean)(axis=(1, 2), keepdims=True)
    assert_close(layer.run(), expected)


def test_max_keeps_nan() -> None:
    layer = pool_layer((1, 4, 4, 4), Pool2d(kind=PoolKind.MAX, kernel=(2, 2), strides=(2, 2)))
    layer.inputs["x"][0, 0, 0, 0] = np.nan
    got = layer.run()
    assert np.isnan(got[0, 0, 0, 0])
    assert np.isfinite(got[0, 0, 0, 1:]).all()
