"""Pass 6, quantize: the float graph in QDQ form, once per activation scheme that the profiles ask for.

Requires: a fused graph and the ranges of its activations.
Ensures:
    1. every scheme asked for has a graph with QuantizeLinear/DequantizeLinear of ai.onnx and the same interface;
    2. Softmax and other probability heads stay in float;
    3. with a scheme of 7 bits every stored activation is at most 127, whatever the input: a ``Clip`` says so.

Weights are int8 per output channel, symmetric. After B. Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference" (CVPR 2018) and R. Krishnamoorthi, "Quantizing deep convolutional
networks for efficient inference" (arXiv:1806.08342), section 3.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from compiler.attempts import attempt, refuse, remaining
from compiler.compilation import Compilation, Refusal
from compiler.graph import Graph
from compiler.importer import model_file, onnx_rewrite, summary
from compiler.one_line import one_line
from compiler.passes.ensures import ensure
from compiler.progress import Progress
from compiler.quantized import Quantized
from compiler.scheme import Scheme, scheme_of
from edge_bundle.errors import CompileError
from edge_runtime.quiet_import import import_quietly
from hardware_profiles.schema import Activations, Profile

quantization = import_quietly("onnxruntime.quantization")
ranges_format = import_quietly("onnxruntime.quantization.calibrate")
qdq = import_quietly("onnxruntime.quantization.qdq_quantizer")

NAME = "quantize"

OPERATORS = (
    "Add", "AveragePool", "Clip", "Concat", "Conv", "ConvTranspose", "Flatten", "Gather", "Gemm", "GlobalAveragePool",
    "LeakyRelu", "MatMul", "MaxPool", "Mul", "Pad", "Relu", "Reshape", "Resize", "Slice", "Split", "Squeeze",
    "Transpose", "Unsqueeze",
)  # fmt: skip
"""Operators that get QDQ pairs. Softmax and Sigmoid are left out: at 1/256 steps, top answers tie."""

_BITS = 8
"""Bits of a stored activation."""

_TYPES = {
    Activations.UINT8: quantization.QuantType.QUInt8,
    Activations.INT8: quantization.QuantType.QInt8,
    Activations.INT8_ASYMMETRIC: quantization.QuantType.QInt8,
}


def run(state: Compilation, progress: Progress) -> Compilation:
    """Quantize for every scheme in use.

    Raises:
        CompileError: the quantizer cannot handle the graph, or nothing in it can be quantized.

    """
    by_scheme: dict[Scheme, list[Profile]] = {}
    for profile in remaining(state):
        if profile.precision.quantized:
            by_scheme.setdefault(scheme_of(profile), []).append(profile)
    if not by_scheme:
        return state
    progress.start(NAME, len(by_scheme))
    quantized: dict[Scheme, Quantized] = {}
    refusals: list[Refusal] = []
    for scheme, profiles in by_scheme.items():
        made = attempt(state, profiles[0], NAME, lambda scheme=scheme: quantize(state.current, state.ranges, scheme))  # type: ignore[misc]
        if isinstance(made, Refusal):
            refusals += [replace(made, profile=profile) for profile in profiles]
        else:
            quantized[scheme] = Quantized(scheme=scheme, graph=made)
        progress.advance()
    progress.done()
    return refuse(replace(state, quantized=quantized), refusals)


def check(state: Compilation) -> None:
    """Rules 1 and 2."""
    for graph in (one.graph for one in state.quantized.values()):
        ensure(graph.quantized, stage=NAME, promise="the graph is in QDQ form")
        ensure(
            (graph.inputs, graph.outputs) == (state.current.inputs, state.current.outputs),
            stage=NAME,
            promise="same interface",
        )


def quantize(graph: Graph, ranges: Mapping[str, tuple[float, float]], scheme: Scheme) -> Graph:
    """The graph in QDQ form; deterministic.

    Raises:
        CompileError: ONNX Runtime's quantizer refuses the graph, or finds nothing to quantize.

    """
    if not set(OPERATORS) & set(graph.op_counts):
        raise CompileError(
            stage=NAME,
            detail=f"expected one of the operators {', '.join(OPERATORS)}, got {', '.join(graph.op_counts)}",
            advice="compile this model for fp32 profiles only",
        )
    if scheme.activations not in _TYPES:
        raise CompileError(stage=NAME, detail=f"expected activations of 8 bits, got the scheme {scheme}")
    activations = _TYPES[scheme.activations]
    with _quiet():
        try:
            quantizer = qdq.QDQQuantizer(
                model_file.to_proto(graph.model, stage=NAME),
                True,
                False,
                quantization.QuantType.QInt8,
                activations,
                _tensors_data(ranges, scheme.bits),
                [],
                [],
                list(OPERATORS),
                {"ActivationSymmetric": scheme.activations is Activations.INT8, "WeightSymmetric": True},
            )
            quantizer.quantize_model()
        except (ValueError, RuntimeError, TypeError, KeyError, IndexError, NotImplementedError) as error:
            raise CompileError(
                stage=NAME,
                detail=f"ONNX Runtime's quantizer refuses the graph: {one_line(error)}",
                advice="compile this model for fp32 profiles only",
            ) from error
    data = model_file.from_proto(quantizer.model.model)
    if scheme.bits < _BITS:
        data = onnx_rewrite.limit_stored(data, (1 << scheme.bits) - 1, stage=NAME)
    return summary.summarise(onnx_rewrite.canonicalise(data, stage=NAME), stage=NAME)


def _tensors_data(ranges: Mapping[str, tuple[float, float]], bits: int) -> Any:
    """Ranges as the quantizer takes them: it spreads them over 8 bits, of which ``bits`` shall hold what was seen."""
    share = ((1 << _BITS) - 1) / ((1 << bits) - 1)
    data = {}
    for name, (low, high) in ranges.items():
        first, last = min(low, 0.0), max(high, 0.0)
        widest = high if bits == _BITS else first + (last - first) * share
        data[name] = ranges_format.TensorData(
            lowest=np.array(low, dtype=np.float32), highest=np.array(widest, dtype=np.float32)
        )
    return ranges_format.TensorsData(ranges_format.CalibrationMethod.MinMax, data)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantizer logs hints to the root logger; what matters it raises."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)
