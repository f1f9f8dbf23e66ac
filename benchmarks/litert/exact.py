"""What each integer operation of a TFLite model gives by the arithmetic of the QDQ graph, computed without a runtime.

Sums are exact integers. They are scaled in float32 and rounded half to even once, as ``DequantizeLinear``, the float
operator and ``QuantizeLinear`` do it and as ONNX Runtime's ``QLinearConv`` does. LiteRT's own kernels multiply by a
fixed-point factor of 31 bits and shift, each rounded, so that they can be one step off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compiler.ir.same_pads import same_pads
from compiler.tflite.model import Operation, Quant, Scales, Tensor, TfliteModel
from compiler.tflite.schema import member

Stored: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Step:
    """One operation with its tensors, and the integers that it reads."""

    operation: Operation
    tensors: Sequence[Tensor]
    values: Mapping[int, NDArray[Any]]

    def option(self, name: str) -> Any:
        """A builtin option."""
        options = self.operation.options
        return options.values[name] if options else None

    def tensor(self, index: int) -> Tensor:
        """An input."""
        return self.tensors[self.operation.inputs[index]]

    def stored(self, index: int) -> Stored:
        """An input's integers."""
        place = self.operation.inputs[index]
        data = self.tensors[place].data
        found: Stored = (self.values[place] if data is None else data).astype(np.int64)
        return found

    def quant(self, index: int) -> Quant:
        """An input's quantization."""
        return _quant(self.tensor(index))

    def shifted(self, index: int) -> Stored:
        """An input's integers without their zero point."""
        return self.stored(index) - self.quant(index).zero_point

    @property
    def made(self) -> Tensor:
        """The output."""
        return self.tensors[self.operation.outputs[0]]


def exact(model: TfliteModel, operation: Operation, values: Mapping[int, NDArray[Any]]) -> Stored | None:
    """The output's integers, from ``values`` of the inputs; ``None`` for an operation that is not one of integers."""
    step = Step(operation, model.tensors, values)
    rule = _RULES.get(operation.op)
    if rule is None or not isinstance(step.made.quant, Quant) or not isinstance(step.tensor(0).quant, Quant):
        return None
    return rule(step)


def _quant(tensor: Tensor) -> Quant:
    if not isinstance(tensor.quant, Quant):
        raise TypeError(f"tensor {tensor.name!r} has no quantization")
    return tensor.quant


def _rounded(step: Step, real: NDArray[np.float32]) -> Stored:
    """``real`` is in steps of the output's scale, without its zero point."""
    quant = _quant(step.made)
    low, high = quant.stored_range
    found: Stored = np.clip(np.rint(real).astype(np.int64) + quant.zero_point, *_bounds(step, low, high, quant))
    return found


def _bounds(step: Step, low: int, high: int, quant: Quant) -> tuple[int, int]:
    options = step.operation.options
    kind = options.values.get("fusedActivationFunction", 0) if options else 0
    known: Mapping[object, tuple[float, float]] = {
        member("ActivationFunctionType", "RELU"): (0.0, np.inf),
        member("ActivationFunctionType", "RELU6"): (0.0, 6.0),
        member("ActivationFunctionType", "RELU_N1_TO_1"): (-1.0, 1.0),
    }
    limits = known.get(kind)
    if limits is None:
        return low, high
    first = quant.zero_point + round(limits[0] / quant.scale)
    last = high if limits[1] == np.inf else quant.zero_point + round(limits[1] / quant.scale)
    return max(low, first), min(high, last)


def _scaled(step: Step, sums: Stored) -> Stored:
    """Sums over the last dimension's channels, scaled by input and weights to the output."""
    held = step.tensor(1).quant
    if not isinstance(held, Scales):
        raise TypeError("expected weights with scales")
    factor = np.float32(step.quant(0).scale) * held.scale / np.float32(_quant(step.made).scale)
    return _rounded(step, sums.astype(np.float32) * factor.astype(np.float32))


def _padded(
    step: Step, kernel: tuple[int, int], dilations: tuple[int, int], around: int
) -> tuple[Stored, tuple[int, int]]:
    source, out = step.stored(0), step.made.shape
    strides = (int(step.option("strideH")), int(step.option("strideW")))
    sides = [(0, 0)] * 4
    if step.option("padding") == member("Padding", "SAME"):
        for axis in range(2):
            sides[axis + 1] = same_pads(
                source.shape[axis + 1], out[axis + 1], kernel[axis], strides[axis], dilations[axis], upper=True
            )
    return np.pad(source, sides, constant_values=around), strides


def _patches(step: Step, kernel: tuple[int, int], dilations: tuple[int, int], around: int | None = None) -> Stored:
    """[N, H, W, taps, C], padded with the zero point or ``around``."""
    padded, strides = _padded(step, kernel, dilations, step.quant(0).zero_point if around is None else around)
    _, height, width, _ = step.made.shape
    taps = []
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            top, left = row * dilations[0], column * dilations[1]
            taps.append(
                padded[:, top : top + height * strides[0] : strides[0], left : left + width * strides[1] : strides[1]][
                    :, :height, :width
                ]
            )
    return np.stack(taps, axis=3)


def _conv(step: Step) -> Stored:
    weights = step.stored(1)
    dilations = (int(step.option("dilationHFactor")), int(step.option("dilationWFactor")))
    patches = _patches(step, (weights.shape[1], weights.shape[2]), dilations) - step.quant(0).zero_point
    flat = weights.reshape(weights.shape[0], -1, weights.shape[3])
    sums = np.tensordot(patches.astype(np.float64), flat.astype(np.float64), axes=((3, 4), (1, 2)))
    return _scaled(step, sums.astype(np.int64) + step.stored(2))


def _depthwise(step: Step) -> Stored:
    weights = step.stored(1)
    dilations = (int(step.option("dilationHFactor")), int(step.option("dilationWFactor")))
    patches = _patches(step, (weights.shape[1], weights.shape[2]), dilations) - step.quant(0).zero_point
    repeated = np.repeat(patches, int(step.option("depthMultiplier")), axis=4)
    flat = weights.reshape(-1, weights.shape[3])
    return _scaled(step, (repeated * flat).sum(axis=3) + step.stored(2))


def _dense(step: Step) -> Stored:
    sums = step.shifted(0).astype(np.float64) @ step.stored(1).T.astype(np.float64)
    return _scaled(step, sums.astype(np.int64) + step.stored(2))


def _sum(step: Step) -> Stored:
    reals = [step.shifted(index).astype(np.float32) * np.float32(step.quant(index).scale) for index in (0, 1)]
    real = (reals[0] + reals[1]) / np.float32(_quant(step.made).scale)
    return _rounded(step, real.astype(np.float32))


def _mean(step: Step) -> Stored:
    axes = tuple(int(axis) for axis in step.stored(1))
    count = np.prod([step.tensor(0).shape[axis] for axis in axes])
    sums = step.shifted(0).sum(axis=axes, keepdims=bool(step.option("keepDims")))
    factor = step.quant(0).scale / (float(count) * _quant(step.made).scale)
    return _rounded(step, (sums.astype(np.float64) * factor).astype(np.float32))


def _max_pool(step: Step) -> Stored:
    kernel = (int(step.option("filterHeight")), int(step.option("filterWidth")))
    found: Stored = _patches(step, kernel, (1, 1), around=step.quant(0).stored_range[0]).max(axis=3)
    return found


def _requantized(step: Step) -> Stored:
    real = step.shifted(0).astype(np.float32) * np.float32(step.quant(0).scale)
    return _rounded(step, real / np.float32(_quant(step.made).scale))


def _view(step: Step) -> Stored:
    return step.stored(0).reshape(step.made.shape)


_RULES: Mapping[str, Callable[[Step], Stored]] = {
    "ADD": _sum,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "MAX_POOL_2D": _max_pool,
    "MEAN": _mean,
    "QUANTIZE": _requantized,
    "RELU": _requantized,
    "RESHAPE": _view,
}
