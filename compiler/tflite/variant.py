"""The files of a LiteRT variant: one model for each batch size."""

from __future__ import annotations

from compiler.batches import Batches
from compiler.graph import Graph
from compiler.tflite.flatbuffer import to_bytes
from compiler.tflite.model import TfliteModel
from compiler.tflite.write import make_model
from edge_runtime.litert_files import model_file

DENSE_SHARE = 0.5
"""An offered batch size is kept where dense layers hold at least this share of the weights.

Measured for eight rows at once against eight runs of one, XNNPACK, one thread: autoencoder 0.40 (int8) and 0.37
(float32); DS-CNN 0.94 and ResNet-8 0.95 are not worth a second copy of the weights.
"""


def variant_files(graph: Graph, batches: Batches) -> dict[str, bytes]:
    """``b<batch>.tflite`` for wanted batch sizes, and for offered ones that pay.

    Raises:
        CompileError: a shape stays open, or the model does not hold for a batch size.
        UnsupportedOperatorError: no rule covers a node.

    """
    files: dict[str, bytes] = {}
    for batch in sorted({*batches.wanted, *batches.offered}):
        model = make_model(graph, batch=batch)
        if batch in batches.wanted or _dense_share(model) >= DENSE_SHARE:
            files[model_file(batch)] = to_bytes(model)
    return files


def _dense_share(model: TfliteModel) -> float:
    held = {place: one.data.nbytes for place, one in enumerate(model.tensors) if one.data is not None}
    dense = {one.inputs[1] for one in model.operations if one.op == "FULLY_CONNECTED"}
    return sum(held.get(place, 0) for place in dense) / max(sum(held.values()), 1)
