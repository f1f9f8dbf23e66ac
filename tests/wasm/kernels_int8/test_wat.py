"""The text of one small instance of each kernel: what is emitted changes only on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.wasm.specs import Conv2d
from tests.golden_files import assert_golden
from tests.wasm.kernels_int8.layers import Layer, conv_layer, gemm_layer

GOLDEN = Path(__file__).parent / "golden"

LAYERS: dict[str, Layer] = {
    "product": gemm_layer(3, 16, 16),
    "convolution": conv_layer((1, 4, 4, 2), 8, Conv2d(kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1))),
    "depthwise": conv_layer((1, 4, 4, 8), 8, Conv2d(kernel=(2, 2), strides=(2, 2), groups=8)),
    "sliding": conv_layer((1, 4, 4, 8), 8, Conv2d(kernel=(3, 3), pads=(1, 1, 1, 1), groups=8)),
    "winograd": conv_layer((1, 4, 4, 16), 16, Conv2d(kernel=(3, 3), pads=(1, 1, 1, 1)), residual=True),
}


@pytest.mark.parametrize(("name", "layer"), LAYERS.items(), ids=LAYERS.keys())
def test_golden_wat(name: str, layer: Layer) -> None:
    assert_golden(GOLDEN / f"{name}.wat", layer.compile().wat)
