"""Attributes of the internal operators that fusion makes and kernels take.

Activations of image-like tensors are NHWC in all of these, weights stay as ONNX has them. ``Node.attrs["spec"]`` holds
one of these records:

===================== ======================================================= ==========================
operator              inputs                                                  spec
===================== ======================================================= ==========================
skerry.conv2d         x [N,H,W,C], w const [O,C/g,kh,kw], bias const [O] | "",
                      residual [N,H',W',O] | ""  (added before the activation)   Conv2d
skerry.gemm           a [M,K], b const [K,N], bias const [N] | "",
                      residual [M,N] | ""                                     Gemm
skerry.pool2d         x [N,H,W,C]                                             Pool2d
skerry.global_pool    x [N,H,W,C] -> [N,1,1,C]                                GlobalPool
skerry.qconv2d        x u8|s8 [N,H,W,C], w const s8 [O,C/g,kh,kw],
                      bias const s32 [O] | "", residual u8|s8 | ""            QConv2d
skerry.qgemm          a u8|s8 [M,K], b const s8 [K,N], bias s32 [N] | ""      QGemm
skerry.qadd           a u8|s8, b u8|s8, same shape                            QBinary
skerry.qmul           the same                                                QBinary
skerry.qpool          x u8|s8 [N,H,W,C]                                       QPool
skerry.qtable         x u8|s8, any shape                                      QTable
===================== ======================================================= ==========================
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from edge_bundle.tensor import DType


class ActivationKind(enum.StrEnum):
    """What happens to a float result before it is stored."""

    NONE = "none"
    RELU = "relu"
    CLIP = "clip"
    LEAKY_RELU = "leaky_relu"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    SILU = "silu"
    HARD_SIGMOID = "hard_sigmoid"
    HARD_SWISH = "hard_swish"


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation with its parameters.

    ``a`` and ``b`` are low and high for ``CLIP``, alpha and beta for ``HARD_SIGMOID``; ``a`` is the slope for
    ``LEAKY_RELU``.
    """

    kind: ActivationKind = ActivationKind.NONE
    a: float = 0.0
    b: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Conv2d:
    """A convolution; ``pads`` are top, left, bottom, right."""

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    activation: Activation = Activation()


@dataclass(frozen=True, kw_only=True)
class Gemm:
    """``a @ b + bias (+ residual)``, then the activation."""

    activation: Activation = Activation()


class PoolKind(enum.StrEnum):
    """How a window becomes one element."""

    MAX = "max"
    AVERAGE = "average"


@dataclass(frozen=True, kw_only=True)
class Pool2d:
    """Pooling over windows; ``count_include_pad`` as in ONNX AveragePool. The output's shape is in its type."""

    kind: PoolKind
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    count_include_pad: bool = False


@dataclass(frozen=True, kw_only=True)
class GlobalPool:
    """One value per channel over all positions."""

    kind: PoolKind


@dataclass(frozen=True, slots=True)
class Quant:
    """``real = (stored - zero_point) * scale``; ``scale`` is a float32 value, ``dtype`` UINT8 or INT8."""

    scale: float
    zero_point: int
    dtype: DType

    @property
    def stored_range(self) -> tuple[int, int]:
        """Lowest and highest stored value."""
        return (-128, 127) if self.dtype is DType.INT8 else (0, 255)


@dataclass(frozen=True, kw_only=True)
class QResidual:
    """A fused QLinearAdd, after the convolution has been rounded to ``QConv2d.y``.

    ``other`` is the residual's quantization, ``y`` the sum's; ``low`` and ``high`` clamp the sum (stored values).
    """

    other: Quant
    y: Quant
    low: int
    high: int


@dataclass(frozen=True, kw_only=True)
class QConv2d:
    """An integer convolution, as ONNX QLinearConv: ``w_scales`` float32 [O], weights' zero points are 0.

    ``low`` and ``high`` are stored values that the result is clamped to (the dtype's range, or a folded Relu or Clip).
    ``x_limits`` are the lowest and highest stored value that ``x`` can have, where less than its dtype's range is
    proved (relaxed SIMD multiplies by 7 bits).
    """

    conv: Conv2d
    x: Quant
    w_scales: NDArray[Any] = field(repr=False)
    y: Quant
    low: int
    high: int
    residual: QResidual | None = None
    x_limits: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class QGemm:
    """An integer matrix product; ``y`` is ``None`` when the result stays float32 (dequantized, before a Softmax).

    ``x_limits`` as in ``QConv2d``.
    """

    x: Quant
    w_scales: NDArray[Any] = field(repr=False)
    y: Quant | None
    low: int
    high: int
    x_limits: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class QBinary:
    """QLinearAdd or QLinearMul of equal shapes."""

    a: Quant
    b: Quant
    y: Quant
    low: int
    high: int


@dataclass(frozen=True, kw_only=True)
class QPool:
    """Pooling of stored values: ``pool`` is ``None`` for a global average, which requantizes from ``x`` to ``y``."""

    pool: Pool2d | None
    x: Quant
    y: Quant


@dataclass(frozen=True, kw_only=True)
class QTable:
    """Any function of one stored value: ``table`` has 256 entries, indexed by the stored byte as unsigned."""

    table: NDArray[Any] = field(repr=False)
    y: DType
