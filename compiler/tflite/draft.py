"""A TFLite model under construction: tensors and operations are appended; ``finish`` drops what nothing needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.tflite.model import Operation, Options, OptionValue, Quant, Scales, Tensor, TfliteModel
from edge_bundle.tensor import DType

_DTYPES: Mapping[Any, DType] = {np.dtype(dtype.numpy_name): dtype for dtype in DType}


class Draft:
    """Tensors are known by their place. Constants that are equal are one tensor."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self._operations: list[Operation] = []
        self._makers: dict[int, Operation] = {}
        self._constants: dict[tuple[object, ...], int] = {}
        self._names: set[str] = set()

    def input(self, name: str, dtype: DType, shape: tuple[int, ...], quant: Quant | None) -> int:
        """A tensor that the caller gives."""
        return self._tensor(Tensor(name=name, dtype=dtype, shape=shape, quant=quant))

    def constant(self, name: str, array: NDArray[Any], quant: Quant | Scales | None = None) -> int:
        """A known tensor."""
        held = np.ascontiguousarray(array).reshape(array.shape)
        dtype = _DTYPES[held.dtype]
        key = (dtype, held.shape, held.tobytes(), _quant_key(quant))
        if key not in self._constants:
            made = Tensor(name=name, dtype=dtype, shape=held.shape, quant=quant, data=held)
            self._constants[key] = self._tensor(made)
        return self._constants[key]

    def integers(self, name: str, values: Sequence[int]) -> int:
        """A constant vector of int32: axes, sizes, pads."""
        return self.constant(name, np.array(values, dtype=np.int32))

    def add(
        self,
        op: str,
        inputs: Sequence[int],
        like: Tensor,
        options: Mapping[str, OptionValue] | None = None,
        table: str = "",
    ) -> int:
        """Append an operation with one output: a tensor of ``like``'s name, dtype, shape and quantization."""
        place = self._tensor(replace(like, data=None))
        held = Options(table=table, values=options or {}) if table else None
        operation = Operation(op=op, inputs=tuple(inputs), outputs=(place,), options=held)
        self._operations.append(operation)
        self._makers[place] = operation
        return place

    def reshaped(self, place: int, shape: tuple[int, ...]) -> int:
        """A view in another shape; a view of a view is one of what lies beneath."""
        source = self.tensors[place]
        if source.shape == shape:
            return place
        if source.data is not None:
            return self.constant(source.name, source.data.reshape(shape), source.quant)
        maker = self._makers.get(place)
        if maker is not None and maker.op == "RESHAPE":
            return self.reshaped(maker.inputs[0], shape)
        sizes = self.integers("shape", shape)
        made = replace(source, shape=shape)
        return self.add("RESHAPE", (place, sizes), made, {"newShape": shape}, "ReshapeOptions")

    def transposed(self, place: int, order: tuple[int, ...]) -> int:
        """The tensor with its dimensions in another order; a view where only sizes of 1 change places."""
        source = self.tensors[place]
        shape = tuple(source.shape[axis] for axis in order)
        moved = [axis for axis in order if source.shape[axis] != 1]
        if moved == sorted(moved):
            return self.reshaped(place, shape)
        if source.data is not None:
            return self.constant(source.name, source.data.transpose(order), source.quant)
        made = replace(source, shape=shape)
        return self.add("TRANSPOSE", (place, self.integers("order", order)), made, {}, "TransposeOptions")

    def requantized(self, place: int, quant: Quant) -> int:
        """The tensor in another quantization; also from float32."""
        source = self.tensors[place]
        if source.quant == quant:
            return place
        made = replace(source, dtype=quant.dtype, quant=quant)
        return self.add("QUANTIZE", (place,), made, {}, "QuantizeOptions")

    def dequantized(self, place: int, name: str) -> int:
        """The tensor in float32."""
        made = replace(self.tensors[place], name=name, dtype=DType.FP32, quant=None)
        return self.add("DEQUANTIZE", (place,), made, {}, "DequantizeOptions")

    def finish(self, inputs: Sequence[int], outputs: Mapping[str, int]) -> TfliteModel:
        """The model; outputs get their names. An output that is an input, a constant or another output is copied."""
        settled: dict[str, int] = {}
        for name, place in outputs.items():
            taken = place in inputs or self.tensors[place].data is not None or place in settled.values()
            settled[name] = self._copied(place) if taken else place
        return _pruned(self.tensors, self._operations, tuple(inputs), settled)

    def _copied(self, place: int) -> int:
        """By a reshape to the same shape: TFLite has no operator that copies."""
        source = self.tensors[place]
        sizes = self.integers("shape", source.shape)
        return self.add("RESHAPE", (place, sizes), source, {"newShape": source.shape}, "ReshapeOptions")

    def _tensor(self, tensor: Tensor) -> int:
        name, number = tensor.name, 1
        while name in self._names:
            number += 1
            name = f"{tensor.name};{number}"
        self._names.add(name)
        self.tensors.append(replace(tensor, name=name))
        return len(self.tensors) - 1


def _quant_key(quant: Quant | Scales | None) -> object:
    if isinstance(quant, Scales):
        return quant.scale.tobytes(), quant.axis
    return quant


def _pruned(
    tensors: Sequence[Tensor], operations: Sequence[Operation], inputs: tuple[int, ...], outputs: Mapping[str, int]
) -> TfliteModel:
    needed = {*outputs.values()}
    kept: list[Operation] = []
    for operation in reversed(operations):
        if not needed.isdisjoint(operation.outputs):
            needed.update(place for place in operation.inputs if place >= 0)
            kept.append(operation)
    order = sorted(needed | {*inputs})
    places = {old: new for new, old in enumerate(order)} | {-1: -1}
    named = _named([tensors[place] for place in order], {places[place]: name for name, place in outputs.items()})
    return TfliteModel(
        tensors=named,
        operations=tuple(
            replace(
                one,
                inputs=tuple(places[place] for place in one.inputs),
                outputs=tuple(places[place] for place in one.outputs),
            )
            for one in reversed(kept)
        ),
        inputs=tuple(places[place] for place in inputs),
        outputs=tuple(places[place] for place in outputs.values()),
    )


def _named(tensors: Sequence[Tensor], outputs: Mapping[int, str]) -> tuple[Tensor, ...]:
    """Outputs get their names; another tensor that has one of them gives it up."""
    taken = {*outputs.values()}
    return tuple(
        replace(tensor, name=outputs[place])
        if place in outputs
        else replace(tensor, name=f"{tensor.name};inner" if tensor.name in taken else tensor.name)
        for place, tensor in enumerate(tensors)
    )
