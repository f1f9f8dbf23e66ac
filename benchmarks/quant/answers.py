"""What a model answers, before and behind its Softmax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx  # noqa: TID251 - other tools' models are read here
from numpy.typing import NDArray

from edge_runtime.quiet_import import import_quietly

LOG_FATAL = 4


def answers(
    model: bytes, rows: Sequence[Mapping[str, NDArray[Any]]]
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:  # fmt: skip
    """The first output of every row, and the values that its Softmax is taken of (the same where there is none).

    Run by ONNX Runtime on one thread with all its fusions, as the quantized model would be served.
    """
    parsed = onnx.load_model_from_string(model)
    output = parsed.graph.output[0].name
    logits = _logits(parsed.graph, output)
    if logits != output:
        parsed.graph.output.append(onnx.helper.make_tensor_value_info(logits, onnx.TensorProto.FLOAT, None))
    onnxruntime = import_quietly("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = LOG_FATAL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(parsed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = [session.run([output, logits], dict(row)) for row in rows]
    return [one[0] for one in found], [one[1] for one in found]


def _logits(graph: onnx.GraphProto, output: str) -> str:
    """The input of the Softmax that gives an output, even where the output is quantized behind it."""
    makers = {name: node for node in graph.node for name in node.output}
    node = makers[output]
    while node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        node = makers[node.input[0]]
    return str(node.input[0]) if node.op_type == "Softmax" else output
