"""Where pairs stand: which values are stored, which share one way of being stored, and which nodes read them so.

Rules:
    1. A quantized node reads its values stored; what it gives is stored too, except a last product's on a device with
       float, and heads (Softmax, Sigmoid, Tanh) there.
    2. A value is stored in exactly one way, whoever reads it. What a node only moves keeps its way.
    3. ``Relu`` and ``Clip`` behind the only reader's node are that node's: the value between the two is not stored.
    4. A layer that is kept reads and gives float (or 16 bits); what only kept layers read is not stored for them.
    5. A head that reads 16 bits gives 16 bits: Softmax of LiteRT, of Vela and of Hexagon v68 wants both sides alike.
    6. Where the device has float, nodes without weights are quantized for the sake of layers: those that no chain of
       quantized nodes joins to a quantized layer stay float (a sum of squares between Pow and Sqrt, say).
"""

from __future__ import annotations

import enum
import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from compiler.importer.qdq_network import Network, Op
from compiler.importer.qdq_plan import Place
from compiler.quantization.layers import Layer
from compiler.quantization.operators import ACTIVATIONS, COMPUTES, HEADS, JOINS, LAYERS, MOVES, PRODUCTS, value_inputs
from compiler.scheme import Scheme
from hardware_profiles.schema import Activations, Fallback


class Keep(enum.StrEnum):
    """What a layer is kept in."""

    FLOAT = "float"
    INT16 = "int16"


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Which values are stored, in what groups, and who reads them so.

    ``groups`` maps each stored value to the one that names its group; ``constants`` are float constants that are
    read stored as activations are; ``fused`` are Relu and Clip nodes that saturation may stand for.
    """

    groups: Mapping[str, str]
    reads: frozenset[Place]
    constants: frozenset[Place]
    wide: frozenset[str]
    wide_reads: frozenset[Place]
    fused: Mapping[str, str]
    fixed: Mapping[str, str]
    kept: frozenset[str]

    def members(self) -> Mapping[str, tuple[str, ...]]:
        """Values of every group, in topological order."""
        found: dict[str, list[str]] = {}
        for value, group in self.groups.items():
            found.setdefault(group, []).append(value)
        return {group: tuple(values) for group, values in found.items()}


def heads_quantized(scheme: Scheme) -> bool:
    """Whether Softmax and its like are quantized too: the device has no float."""
    return scheme.fallback is not Fallback.FLOAT


def products_to_float(scheme: Scheme) -> bool:
    """Whether a last product gives float32: CPU kernels of unsigned bytes do, LiteRT's and NPUs' do not."""
    return scheme.activations is Activations.UINT8 and scheme.fallback is Fallback.FLOAT


def place(network: Network, layers: Mapping[str, Layer], scheme: Scheme, keep: Mapping[str, str]) -> Placement:
    """The placement under a scheme; ``keep`` names layers that stay float or become 16 bit."""
    return _Placer(network, layers, scheme, keep).place()


def joined_to_layers(network: Network, quantized: Collection[str]) -> set[str]:
    """Those of the quantized nodes that are layers, or read or give values of such a node (rule 6)."""
    ops = [op for op in network.ops if op.name in quantized]
    makers = {name: op.name for op in ops for name in op.outputs if name}
    found = {op.name for op in ops if op.op in LAYERS}
    while True:
        read = {makers[name] for op in ops if op.name in found for name in op.inputs if name in makers}
        reading = {op.name for op in ops if any(makers.get(name) in found for name in op.inputs)}
        if read | reading <= found:
            return found
        found |= read | reading


class _Placer:
    def __init__(self, network: Network, layers: Mapping[str, Layer], scheme: Scheme, keep: Mapping[str, str]) -> None:
        self._network, self._layers, self._scheme = network, layers, scheme
        self._float = {name for name, kept in keep.items() if kept == Keep.FLOAT}
        self._wide = {name for name, kept in keep.items() if kept == Keep.INT16}
        self._fused = _fused(network)
        self._quantized = {op.name for op in network.ops if self._takes_part(op)}
        if scheme.fallback is Fallback.FLOAT:
            self._quantized = joined_to_layers(network, self._quantized)
        self._stored: set[str] = set()

    def place(self) -> Placement:
        self._store()
        groups = self._groups()
        self._widen_heads(groups)
        reads, constants = set(), set()
        for op in self._network.ops:
            if op.name in self._quantized:
                for index in range(value_inputs(op.op, len(op.inputs))):
                    if op.inputs[index] in self._stored:
                        reads.add((op.name, index))
                    elif self._is_operand(op, index):
                        constants.add((op.name, index))
        reads |= self._float_reads()
        wide = self._wide_values(groups)
        return Placement(
            groups=groups,
            reads=frozenset(reads),
            constants=frozenset(constants),
            wide=wide,
            wide_reads=frozenset((n, i) for n, i in reads if n in self._wide),
            fused={node: last for node in self._fused if (last := self._behind(self._fused[node])) in self._stored},
            fixed=self._fixed(),
            kept=frozenset(self._float),
        )

    def _takes_part(self, op: Op) -> bool:
        """Whether a node works on stored values."""
        if op.name in self._float or op.captured or not all(self._network.is_activation(o) for o in op.outputs if o):
            return False
        if op.op in LAYERS:
            return op.name in self._layers or all(self._network.is_activation(name) for name in op.inputs[:2])
        if op.op in HEADS:
            return heads_quantized(self._scheme)
        if op.op == "Pad" and not _fills_with_zero(self._network, op):
            return False
        if self._moves(op):
            return self._network.is_activation(op.input(0))
        values = op.inputs[: value_inputs(op.op, len(op.inputs))]
        held = [self._network.is_activation(name) for name in values]
        known = [self._network.float_constant(name) is not None for name in values]
        return op.op in COMPUTES | JOINS and any(held) and all(map(operator.or_, held, known))

    def _store(self) -> None:
        """Rule 1, from what quantized nodes read and give; moves carry it both ways."""
        for op in self._network.ops:
            if op.name in self._quantized and not self._moves(op):
                values = op.inputs[: value_inputs(op.op, len(op.inputs))]
                self._stored |= {name for name in values if self._network.is_activation(name)}
                if op.name not in self._fused:
                    self._stored |= set() if self._may_stay_float(op) else self._given(op)
        for node in reversed(self._network.ops):
            self._carry(node, backwards=True)
        for node in self._network.ops:
            self._carry(node, backwards=False)
        self._stored -= {self._network.by_name[node].inputs[0] for node in self._fused}

    def _given(self, op: Op) -> set[str]:
        """What a node gives, behind its fused activation, but for what only kept layers read."""
        return {given for name in op.outputs if name and not self._only_float(given := self._behind(name))}

    def _only_float(self, name: str) -> bool:
        readers = self._network.readers.get(name, ())
        return bool(readers) and all(op.name in self._float for op, _ in readers) and name not in self._network.outputs

    def _behind(self, name: str) -> str:
        """The value behind a node's fused activations."""
        readers = self._network.readers.get(name, ())
        while len(readers) == 1 and readers[0][0].name in self._fused:
            name = self._fused[readers[0][0].name]
            readers = self._network.readers.get(name, ())
        return name

    def _may_stay_float(self, op: Op) -> bool:
        return op.op in PRODUCTS and op.name in self._layers and products_to_float(self._scheme)

    def _moves(self, op: Op) -> bool:
        return op.op in MOVES or _nearest(op) or (self._ties_pools() and op.op in ("AveragePool", "Resize"))

    def _ties_pools(self) -> bool:
        """LiteRT's AVERAGE_POOL_2D and RESIZE_BILINEAR take one scale for input and output."""
        return self._scheme.activations is Activations.INT8_ASYMMETRIC

    def _carry(self, op: Op, *, backwards: bool) -> None:
        if op.name not in self._quantized or not self._moves(op):
            return
        outputs = {name for name in op.outputs if name}
        if backwards and outputs & self._stored:
            self._stored |= {op.inputs[0]} | outputs
        if not backwards and op.inputs[0] in self._stored:
            self._stored |= outputs

    def _groups(self) -> dict[str, str]:
        parent = {name: name for name in self._stored}

        def root(name: str) -> str:
            while parent[name] != name:
                name = parent[name]
            return name

        order = {name: index for index, name in enumerate(self._order())}
        for op in self._network.ops:
            if op.name in self._quantized and (self._moves(op) or op.op in JOINS):
                values = op.inputs if op.op in JOINS else op.inputs[:1]
                tied = [name for name in (*values, *op.outputs) if name in self._stored]
                roots = sorted({root(name) for name in tied}, key=order.__getitem__)
                for other in roots[1:]:
                    parent[other] = roots[0]
        return {name: root(name) for name in sorted(self._stored, key=order.__getitem__)}

    def _order(self) -> list[str]:
        return [*self._network.inputs, *(name for op in self._network.ops for name in op.outputs if name)]

    def _is_operand(self, op: Op, index: int) -> bool:
        """Whether an input is a constant that is stored as activations are (a layer's weights are not)."""
        if op.op in LAYERS and op.name in self._layers:
            return False
        return self._network.float_constant(op.inputs[index]) is not None and not self._moves(op)

    def _float_reads(self) -> set[Place]:
        """Float nodes read what integer nodes gave as it is stored, so that those stay whole."""
        found = set()
        for name in self._stored:
            maker = self._network.makers.get(name)
            if maker is None or (maker.name not in self._quantized and maker.name not in self._fused):
                continue
            for op, index in self._network.readers.get(name, ()):
                if index >= 0 and op.name not in self._quantized:
                    found.add((op.name, index))
        return found

    def _wide_values(self, groups: Mapping[str, str]) -> frozenset[str]:
        """Groups in 16 bits: what kept layers give, unless a narrow node does too, and inputs that only such read."""
        wide = {groups[value] for name in self._wide for value in self._given(self._network.by_name[name])}
        wide |= {groups[name] for name in self._network.inputs if name in groups and self._only_wide(name)}
        narrow = {
            groups[value]
            for op in self._network.ops
            if op.name in self._quantized - self._wide - self._fused.keys() and not self._moves(op)
            for value in self._given(op)
            if value in groups
        }
        return frozenset(wide - narrow)

    def _widen_heads(self, groups: Mapping[str, str]) -> None:
        """Rule 5."""
        for op in self._network.ops:
            if op.op in HEADS and op.name in self._quantized and groups.get(op.inputs[0]) in self._wide_values(groups):
                self._wide.add(op.name)

    def _only_wide(self, name: str) -> bool:
        readers = self._network.readers.get(name, ())
        return bool(readers) and all(op.name in self._wide for op, _ in readers) and name not in self._network.outputs

    def _fixed(self) -> dict[str, str]:
        return {
            op.outputs[0]: op.op
            for op in self._network.ops
            if op.op in HEADS and op.name in self._quantized and op.outputs[0] in self._stored
        }


COMPUTING = (LAYERS | COMPUTES) - {"Relu", "Clip", "LeakyRelu"}
"""Operators whose integer kernels saturate their own sums."""


def _fused(network: Network) -> dict[str, str]:
    """Relu, Clip and Min nodes that are the only readers of a computing node, or of such a one, and what they give."""
    found: dict[str, str] = {}
    for op in network.ops:
        if op.op not in ACTIVATIONS or not _known_bounds(network, op):
            continue
        maker = network.makers.get(op.input(0))
        computes = maker is not None and (maker.name in found or maker.op in COMPUTING)
        alone = len(network.readers.get(op.input(0), ())) == 1 and op.input(0) not in network.outputs
        if computes and alone and network.is_activation(op.outputs[0]):
            found[op.name] = op.outputs[0]
    return found


def clip_bounds(network: Network, op: Op) -> tuple[float, float]:
    """What a Relu or Clip with known bounds lets through."""
    if op.op == "Relu":
        return 0.0, float("inf")
    if op.op == "Min":  # one bound per channel: the least of them
        return -float("inf"), float(np.min(network.constants[op.inputs[1]]))
    found = [network.constants.get(op.input(index)) for index in (1, 2)]
    low, high = (None if one is None else float(one.reshape(-1)[0]) for one in found)
    return -float("inf") if low is None else low, float("inf") if high is None else high


def _known_bounds(network: Network, op: Op) -> bool:
    return all(not name or name in network.constants for name in op.inputs[1:])


def _fills_with_zero(network: Network, op: Op) -> bool:
    """A Pad whose filling is representable in any range: zero, or values of the input."""
    fill = network.constants.get(op.input(2)) if op.input(2) else np.zeros(1)
    return op.attrs.get("mode", "constant") != "constant" or (fill is not None and not np.any(fill))


def _nearest(op: Op) -> bool:
    return op.op == "Resize" and op.attrs.get("mode", "nearest") == "nearest"
