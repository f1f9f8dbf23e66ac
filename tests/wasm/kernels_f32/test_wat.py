"""The text of one small instance of each kernel: what is emitted changes only on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.wasm.specs import Activation, ActivationKind, Conv2d
from tests.golden_files import assert_golden
from tests.wasm.kernels_f32.layers import Layer, conv_layer, gemm_layer

GOLDEN = Path(__file__).parent / "golden"
RELU = Activation(ActivationKind.RELU)

LAYERS: dict[str, Layer] = {
    "gemm_lanes": gemm_layer(2, 8, 16, activation=RELU),
    "gemm_dot": gemm_layer(2, 64, 4),
    "gemm_one_row": gemm_layer(1, 8, 28),
    "direct": conv_layer((1, 5, 5, 2), 4, Conv2d(kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1))),
    "depthwise": conv_layer((1, 4, 4, 4), 4, Conv2d(kernel=(2, 2), strides=(2, 2), groups=4)),
    "winograd": conv_layer((1, 4, 4, 8), 8, Conv2d(kernel=(3, 3), pads=(1, 1, 1, 1))),
}


@pytest.mark.parametrize(("name", "layer"), LAYERS.items(), ids=LAYERS.keys())
def test_golden_wat(name: str, layer: Layer) -> None:
    module = layer.compile()
    kernel = f"(func ${module.info.steps[0].op}_"
    functions = module.wat.split("\n  ")
    starts = [index for index, part in enumerate(functions) if part.startswith("(func ")]
    ends = [*starts[1:], len(functions) - 1]
    mine = ["\n  ".join(functions[a:b]) for a, b in zip(starts, ends, strict=True) if functions[a].startswith(kernel)]
    assert_golden(GOLDEN / f"{name}.wat", "\n".join(mine) + "\n")
