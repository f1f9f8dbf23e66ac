"""TFLite files for tests: the real ones, where they are, and small ones made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.tflite.flatbuffer import to_bytes
from compiler.tflite.model import Operation, Options, Quant, Scales, Tensor, TfliteModel
from edge_bundle.tensor import DType

REAL = Path(__file__).parents[4] / "shared" / "models"


def real(name: str) -> bytes:
    """A file of the shared models, such as ``kws_dscnn/kws_int8``."""
    path = REAL / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"the shared models are not here: {path}")
    return path.read_bytes()


def small_network(*, size: int = 8, float_end: bool = False, wide: bool = False) -> bytes:
    """Floats [1, 3, size, size] in, a 1x1 convolution in int8, floats [1, 4, size, size] out.

    ``wide`` holds activations in int16; ``float_end`` lets it end in an operator on floats, which no Ethos-U has.
    """
    dtype, bias = (DType.INT16, DType.INT64) if wide else (DType.INT8, DType.INT32)
    held, weights = Quant(0.05, 0 if wide else 3, dtype), np.arange(12, dtype=np.int8).reshape(4, 1, 1, 3)
    inside, outside = (1, size, size, 4), (1, 4, size, size)
    tensors = [
        Tensor(name="x", dtype=DType.FP32, shape=(1, 3, size, size)),
        Tensor(name="x_q", dtype=dtype, shape=(1, 3, size, size), quant=held),
        Tensor(name="to_nhwc", dtype=DType.INT32, shape=(4,), data=np.array([0, 2, 3, 1], np.int32)),
        Tensor(name="x_t", dtype=dtype, shape=(1, size, size, 3), quant=held),
        Tensor(
            name="w",
            dtype=DType.INT8,
            shape=(4, 1, 1, 3),
            quant=Scales(np.full(4, 0.1, np.float32), axis=0),
            data=weights,
        ),
        Tensor(
            name="b",
            dtype=bias,
            shape=(4,),
            quant=Scales(np.full(4, 0.005, np.float32), axis=0),
            data=np.zeros(4, bias.numpy_name),
        ),
        Tensor(name="c", dtype=dtype, shape=inside, quant=held),
        Tensor(name="to_nchw", dtype=DType.INT32, shape=(4,), data=np.array([0, 3, 1, 2], np.int32)),
        Tensor(name="c_t", dtype=dtype, shape=outside, quant=held),
        Tensor(name="y", dtype=DType.FP32, shape=outside),
    ]
    operations = [
        Operation(op="QUANTIZE", inputs=(0,), outputs=(1,)),
        Operation(op="TRANSPOSE", inputs=(1, 2), outputs=(3,)),
        Operation(op="CONV_2D", inputs=(3, 4, 5), outputs=(6,), options=_conv()),
        Operation(op="TRANSPOSE", inputs=(6, 7), outputs=(8,)),
        Operation(op="DEQUANTIZE", inputs=(8,), outputs=(9,)),
    ]
    outputs = (9,)
    if float_end:
        tensors.append(Tensor(name="root", dtype=DType.FP32, shape=outside))
        operations.append(Operation(op="RSQRT", inputs=(9,), outputs=(10,)))
        outputs = (10,)
    return to_bytes(TfliteModel(tensors=tuple(tensors), operations=tuple(operations), inputs=(0,), outputs=outputs))


def _conv() -> Options:
    return Options(
        table="Conv2DOptions",
        values={"padding": 1, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1},
    )
