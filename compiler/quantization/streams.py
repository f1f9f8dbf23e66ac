"""Values whose channels can be scaled together: between layers that make them and layers that read them.

What stands between may be anything that treats each channel alone and takes a positive factor through: ``Relu``,
``Clip`` from 0, sums of such values, pools, zero padding, and reshapes that keep channels apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from compiler.importer.qdq_network import Network, Op
from compiler.quantization.layers import Layer
from compiler.quantization.placement import clip_bounds

CHANNELWISE = frozenset({"Add", "AveragePool", "Clip", "GlobalAveragePool", "MaxPool", "Pad", "Relu"})
SHAPES = frozenset({"Flatten", "Reshape", "Squeeze"})
"""These take a factor through where a value of [batch, channels, 1, ..] becomes [batch, channels]."""


@dataclass(frozen=True)
class Stream:
    """Values with one factor per channel. ``clips`` bound some of them from above."""

    channels: int
    values: tuple[str, ...]
    makers: tuple[Layer, ...]
    readers: tuple[Layer, ...]
    clips: tuple[Op, ...]


def find_streams(network: Network, layers: Mapping[str, Layer]) -> tuple[Stream, ...]:
    """Every stream, by the order of its first maker."""
    found, seen = [], set[str]()
    for layer in layers.values():
        value = layer.node.outputs[0]
        if value not in seen:
            walk = _Walk(network, layers)
            walk.visit(value)
            seen |= walk.values
            if (stream := walk.stream()) is not None:
                found.append(stream)
    return tuple(found)


class _Walk:
    """All values that have to be scaled with one of them, and whether they can be."""

    def __init__(self, network: Network, layers: Mapping[str, Layer]) -> None:
        self._network, self._layers = network, layers
        self.values: set[str] = set()
        self._makers: dict[str, Layer] = {}
        self._readers: dict[str, Layer] = {}
        self._clips: dict[str, Op] = {}
        self._sound = True

    def visit(self, first: str) -> None:
        """Follow makers and readers until layers stand all around."""
        waiting = [first]
        while waiting:
            value = waiting.pop()
            if value in self.values:
                continue
            self.values.add(value)
            outside = value in self._network.outputs or value in self._network.inputs
            if outside or not self._network.is_activation(value):
                self._sound = False
                continue
            waiting += self._from_maker(self._network.makers[value], value)
            for op, index in self._network.readers.get(value, ()):
                waiting += self._from_reader(op, index)

    def stream(self) -> Stream | None:
        """The stream, if every end is a layer and all values have the same channels."""
        counts = {self._channels(value) for value in self.values} if self._sound else set()
        if len(counts) != 1 or not self._readers:
            return None
        (channels,) = counts
        return Stream(
            channels=channels,
            values=tuple(sorted(self.values)),
            makers=tuple(self._makers[name] for name in sorted(self._makers)),
            readers=tuple(self._readers[name] for name in sorted(self._readers)),
            clips=tuple(self._clips[name] for name in sorted(self._clips)),
        )

    def _channels(self, value: str) -> int:
        shape = self._network.shapes[value]
        return shape[1] if len(shape) > 1 else 0

    def _from_maker(self, op: Op, value: str) -> tuple[str, ...]:
        layer = self._layers.get(op.name)
        if layer is None:
            return self._through(op)
        shape = self._network.shapes[value]
        by_channel = len(shape) > 1 and shape[1] == layer.channels and (op.op == "Conv" or len(shape) == 2)  # noqa: PLR2004
        self._sound &= layer.linear and by_channel and (bool(layer.bias) or not op.input(2))
        self._makers[op.name] = layer
        return ()

    def _from_reader(self, op: Op, index: int) -> tuple[str, ...]:
        layer = self._layers.get(op.name)
        if layer is None or index != 0:
            return self._through(op) if index >= 0 and layer is None else self._stop()
        self._sound &= layer.linear and (op.op == "Conv" or len(self._network.shapes[op.inputs[0]]) == 2)  # noqa: PLR2004
        self._readers[op.name] = layer
        return ()

    def _through(self, op: Op) -> tuple[str, ...]:
        """Both sides of a node that takes factors through."""
        if not self._takes_factors(op):
            return self._stop()
        if op.op == "Clip":
            self._clips[op.name] = op
        return (*op.inputs, op.outputs[0]) if op.op == "Add" else (op.inputs[0], op.outputs[0])

    def _takes_factors(self, op: Op) -> bool:
        if op.op == "Add":
            return len({self._network.shapes.get(name) for name in (*op.inputs, *op.outputs)}) == 1
        if op.op == "Clip":
            known = all(not name or name in self._network.constants for name in op.inputs[1:])
            low, high = clip_bounds(self._network, op) if known else (1.0, math.inf)
            return low == 0.0 and math.isfinite(high)
        if op.op == "Pad":
            return self._pads_zero(op)
        return self._keeps_channels(op) if op.op in SHAPES else op.op in CHANNELWISE

    def _keeps_channels(self, op: Op) -> bool:
        before, after = (self._network.shapes.get(name, ()) for name in (op.inputs[0], op.outputs[0]))
        return len(before) > 1 and set(before[2:]) <= {1} and after == before[:2]

    def _pads_zero(self, op: Op) -> bool:
        fill = self._network.constants.get(op.input(2)) if op.input(2) else np.zeros(1)
        pads = self._network.constants.get(op.input(1))
        rank = len(self._network.shapes[op.inputs[0]])
        plain = op.attrs.get("mode", "constant") == "constant" and fill is not None and not np.any(fill)
        return plain and len(op.inputs) <= 3 and pads is not None and not pads[[0, 1, rank, rank + 1]].any()  # noqa: PLR2004

    def _stop(self) -> tuple[str, ...]:
        self._sound = False
        return ()
