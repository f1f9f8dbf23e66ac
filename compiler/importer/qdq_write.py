"""A float model and a plan become a model in QDQ form: QuantizeLinear and DequantizeLinear of ai.onnx.

A stored value keeps its name; what reads it as stored reads ``NAME_dq`` (or another such name), so float readers and
subgraphs are left alone. A stored output of the graph is the dequantized one, as callers shall see what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, version_converter

from compiler.importer.model_file import check_opset, from_proto, guard, parse
from compiler.importer.onnx_rewrite import canonicalise
from compiler.importer.qdq_plan import Affine, QdqPlan, Weights

MIN_IR_VERSION = 10
"""ONNX IR 10 goes with opset 21 (onnx, docs/Versioning.md); 4-bit types need it."""


@dataclass(frozen=True)
class Written:
    """A canonical model in QDQ form; ``seen`` maps each stored value to the name of its dequantized form."""

    model: bytes
    seen: Mapping[str, str]


def write_qdq(data: bytes, plan: QdqPlan, *, stage: str, checked: bool = True) -> Written:
    """The model that the plan describes; same plan, same bytes. Unless ``checked``, it is for a trial run only.

    Raises:
        CompileError: the model cannot be raised to the plan's opset.

    """
    model = parse(data, stage)
    if check_opset(model, stage) < plan.opset:
        old = model
        model = guard(lambda: version_converter.convert_version(old, plan.opset), stage)
        model.ir_version = max(model.ir_version, MIN_IR_VERSION)
    seen = _Writer(model.graph, plan).write()
    written = from_proto(model)
    return Written(canonicalise(written, stage=stage) if checked else written, seen)


class _Writer:
    """The graph while pairs are put into it."""

    def __init__(self, graph: onnx.GraphProto, plan: QdqPlan) -> None:
        self._graph, self._plan = graph, plan
        self._nodes: list[onnx.NodeProto] = []
        self._arrays: list[onnx.TensorProto] = []
        self._forms: dict[tuple[str, Affine], str] = {}
        self._taken = {name for node in graph.node for name in (*node.input, *node.output)}
        self._taken |= {tensor.name for tensor in graph.initializer} | {node.name for node in graph.node}
        self._outputs = {value.name for value in graph.output}

    def write(self) -> dict[str, str]:
        """Put the pairs in; the dequantized form of every value that is stored and read so."""
        renamed = self._skip_dropped()
        renamed |= self._free_outputs(renamed)
        for node in self._graph.node:
            if node.name in self._plan.dropped:
                continue
            for index, name in enumerate(node.input):
                node.input[index] = self._source(node, index, name, renamed)
            for index, name in enumerate(node.output):
                node.output[index] = renamed.get(name, name)
            self._nodes.append(node)
        for name in sorted(self._outputs & self._plan.stored.keys()):
            self._dequantized(name, self._plan.stored[name], renamed)
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in self._nodes]
        del self._graph.node[:]
        self._graph.node.extend(copies)
        self._graph.initializer.extend(self._arrays)
        return {value: form for (value, affine), form in self._forms.items() if affine == self._plan.stored[value]}

    def _skip_dropped(self) -> dict[str, str]:
        """The input of a dropped node takes the name of its output."""
        found: dict[str, str] = {}
        for node in reversed(self._graph.node):  # the last of several in a row names them all
            if node.name in self._plan.dropped:
                found[node.input[0]] = found.get(node.output[0], node.output[0])
        return found

    def _free_outputs(self, renamed: dict[str, str]) -> dict[str, str]:
        """A stored output of the graph gives its name to the dequantized value."""
        freed = {name: self._free(f"{name}_float") for name in sorted(self._outputs & self._plan.stored.keys())}
        return freed | {before: freed[after] for before, after in renamed.items() if after in freed}

    def _source(self, node: onnx.NodeProto, index: int, name: str, renamed: dict[str, str]) -> str:
        """What the node shall read at this place."""
        place = (node.name, index)
        if place in self._plan.weights:
            return self._constant(name or f"{node.name}_{index}", self._plan.weights[place])
        if place in self._plan.reads:
            return self._dequantized(name, self._plan.reads[place], renamed)
        return name

    def _dequantized(self, name: str, affine: Affine, renamed: dict[str, str]) -> str:
        """The value as stored in that way, and back in float32."""
        key = (name, affine)
        if key not in self._forms:
            stored = self._plan.stored[name]
            converted = affine != stored
            source = self._dequantized(name, stored, renamed) if converted else renamed.get(name, name)
            last = name if name in self._outputs and not converted else self._free(f"{name}_dq")
            self._forms[key] = last
            held = self._free(f"{name}_q")
            scale, zero = self._parameters(held, np.float32(affine.scale), affine.zero_point, affine.dtype)
            self._add("QuantizeLinear", [source, scale, zero], held)
            self._add("DequantizeLinear", [held, scale, zero], last)
        return self._forms[key]

    def _constant(self, name: str, weights: Weights) -> str:
        """A stored constant in float32."""
        held = self._free(f"{name}_q")
        self._arrays.append(_tensor(weights.values, held, weights.dtype))
        zeros: Any = np.full(weights.scales.shape, weights.zero, np.int32)
        scale, zero = self._parameters(held, weights.scales, zeros, weights.dtype)
        output = self._free(f"{name}_dq")
        attributes: dict[str, int] = {} if weights.axis is None else {"axis": weights.axis}
        if weights.block:
            attributes["block_size"] = weights.block
        self._add("DequantizeLinear", [held, scale, zero], output, **attributes)
        return output

    def _parameters(self, name: str, scale: Any, zero: Any, dtype: str) -> tuple[str, str]:
        names = self._free(f"{name}_scale"), self._free(f"{name}_zero_point")
        self._arrays.append(numpy_helper.from_array(np.asarray(scale, np.float32), names[0]))
        self._arrays.append(_tensor(np.asarray(zero), names[1], dtype))
        return names

    def _add(self, op: str, inputs: Iterable[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(op, list(inputs), [output], name=self._free(f"{output}_n"), **attributes))

    def _free(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self._taken:
            name, count = f"{wanted}{count}", count + 1
        self._taken.add(name)
        return name


def _tensor(values: NDArray[Any], name: str, dtype: str) -> onnx.TensorProto:
    if dtype != "int4":
        return numpy_helper.from_array(values.astype(dtype, order="C"), name)
    return helper.make_tensor(name, onnx.TensorProto.INT4, values.shape, values.astype(np.int8).ravel())
