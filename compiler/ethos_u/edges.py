"""The edges of a TFLite file: an Ethos-U takes and gives integers in its own layout, a contract speaks of floats.

Rules:
    1. ``QUANTIZE`` of floats and ``TRANSPOSE`` right behind an input that nothing else reads go, and the input becomes
       what they made of it;
    2. ``DEQUANTIZE`` and ``TRANSPOSE`` right before an output that nothing else reads go, likewise;
    3. what they did is told (``Interface``), since the firmware has to do it instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from compiler.tflite.flatbuffer import IDENTIFIER
from compiler.tflite.schema import code, member, new_builder, schema
from edge_bundle.errors import CompileError


class Edge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One input or output of the file, at its place in the list, and the contract's tensor that it stands for.

    real value = ``scale`` * (stored value - ``zero_point``), both 0 where values are stored as they are. Axis ``i`` of
    the file's tensor is axis ``axes[i]`` of the contract's. Shapes have a batch of 1.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    axes: tuple[int, ...]


class Interface(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What firmware needs to know to call the file: ``interface.json`` of the artifact."""

    schema: int = 1
    inputs: tuple[Edge, ...]
    outputs: tuple[Edge, ...]


class _Walk:
    """One subgraph whose edges are moved inwards."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.graph = model.subgraphs[0]
        self._quantize, self._dequantize, self._transpose = map(code, ("QUANTIZE", "DEQUANTIZE", "TRANSPOSE"))
        self._float = member("TensorType", "FLOAT32")

    def inwards_from_input(self, index: int) -> tuple[int, tuple[int, ...]]:
        """Rule 1: the tensor to start from, and its axes in those of tensor ``index``."""
        axes = tuple(range(len(self.graph.tensors[index].shape)))
        while (reader := self._only_reader(index)) is not None and self._converts(reader):
            if self._kind(reader) == self._transpose:
                order = self._order(reader)
                axes = tuple(axes[place] for place in order)
            self.graph.operators.remove(reader)
            index = int(reader.outputs[0])
        return index, axes

    def inwards_from_output(self, index: int) -> tuple[int, tuple[int, ...]]:
        """Rule 2: the tensor to end with, and its axes in those of tensor ``index``."""
        axes = tuple(range(len(self.graph.tensors[index].shape)))
        while (maker := self._maker(index)) is not None and self._kind(maker) in (self._dequantize, self._transpose):
            if self._kind(maker) == self._transpose:
                # the maker's output axis i is its input axis order[i]; told here for each axis of the input
                order = self._order(maker)
                axes = tuple(axes[order.index(place)] for place in range(len(order)))
            self.graph.operators.remove(maker)
            index = int(maker.inputs[0])
        return index, axes

    def _converts(self, reader: Any) -> bool:
        """``QUANTIZE`` of integers stays: it changes their scale, which the NPU can do."""
        of_floats = self.graph.tensors[int(reader.inputs[0])].type == self._float
        return self._kind(reader) == self._transpose or (self._kind(reader) == self._quantize and of_floats)

    def _kind(self, operator: Any) -> int:
        entry = self.model.operatorCodes[operator.opcodeIndex]
        return max(int(entry.builtinCode), int(entry.deprecatedBuiltinCode))

    def _readers(self, index: int) -> list[Any]:
        return [operator for operator in self.graph.operators if index in list(operator.inputs)]

    def _only_reader(self, index: int) -> Any | None:
        readers = self._readers(index)
        return readers[0] if len(readers) == 1 and index not in list(self.graph.outputs) else None

    def _maker(self, index: int) -> Any | None:
        if self._readers(index) or index in list(self.graph.inputs):
            return None
        return next((one for one in self.graph.operators if index in list(one.outputs)), None)

    def _order(self, transpose: Any) -> list[int]:
        tensor = self.graph.tensors[int(transpose.inputs[1])]
        data = bytes(self.model.buffers[tensor.buffer].data)
        return [int(axis) for axis in np.frombuffer(data, "<i4")]


def integer_edges(tflite: bytes) -> tuple[bytes, Interface]:
    """The file without what only converts at its edges, and what was taken away.

    Raises:
        CompileError: the file has more than one subgraph.

    """
    model = schema().ModelT.InitFromPackedBuf(tflite, 0)
    if len(model.subgraphs) != 1:
        raise CompileError(stage="lower", detail=f"TFLite file: expected one subgraph, got {len(model.subgraphs)}")
    walk = _Walk(model)
    graph = walk.graph
    names = [[graph.tensors[index].name.decode() for index in side] for side in (graph.inputs, graph.outputs)]
    starts = [walk.inwards_from_input(int(index)) for index in graph.inputs]
    graph.inputs = [index for index, _ in starts]
    ends = [walk.inwards_from_output(int(index)) for index in graph.outputs]
    graph.outputs = [index for index, _ in ends]
    inputs, outputs = (
        tuple(_edge(graph, name, index, axes) for name, (index, axes) in zip(named, side, strict=True))
        for named, side in zip(names, (starts, ends), strict=True)
    )
    builder = new_builder(len(tflite))
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output()), Interface(inputs=inputs, outputs=outputs)


def _edge(graph: Any, name: str, index: int, axes: tuple[int, ...]) -> Edge:
    tensor = graph.tensors[index]
    held = tensor.quantization
    stored = held is not None and held.scale is not None and len(held.scale) == 1
    return Edge(
        name=name,
        dtype=_dtype_name(int(tensor.type)),
        shape=tuple(int(size) for size in tensor.shape),
        scale=float(held.scale[0]) if stored else 0.0,
        zero_point=int(held.zeroPoint[0]) if stored else 0,
        axes=axes,
    )


def _dtype_name(number: int) -> str:
    types: Mapping[str, object] = vars(schema().TensorType)
    return next(name.lower() for name, value in types.items() if value == number)
