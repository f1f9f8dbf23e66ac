"""The walk over a model's nodes: each is read once, with types and constants of everything before it known.

Shapes are static, so what is constant shows in this one walk, and nothing has to be repeated until it settles. For each
node, in this order (the first that applies ends it):

1. a function of the model is replaced by its body; another domain than ai.onnx is refused;
2. ``If``, ``Loop`` and ``Scan`` are resolved as far as may be (``control.py``);
   all others must fit the operator's definition (``verify.py``, ``rules.py``);
3. ``Constant``, ``Shape``, ``Size`` and ``Range`` are constants (``known.py``);
4. an old form is put into the newest one (``dialect.py``), a convolution that crops behind a ``Slice`` (``crop.py``);
5. a node that does nothing is dropped (``simplify.py``);
6. a node whose inputs are constants is evaluated (``evaluate.py``); so is one whose outputs have no elements;
7. an operator without a kernel is replaced by the body that ONNX gives for it (``functions.py``);
8. all others become a node of the graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import onnx

from compiler.importer.attributes import attributes_of
from compiler.importer.call import Call, Scope, keep
from compiler.importer.control import CONTROL
from compiler.importer.crop import uncropped
from compiler.importer.dialect import lift
from compiler.importer.evaluate import GENERATORS, evaluate
from compiler.importer.expansion import Expansion
from compiler.importer.functions import local_function, standard_function
from compiler.importer.known import known_output
from compiler.importer.model_file import MAX_NODES, guard
from compiler.importer.rules import hold_rules
from compiler.importer.shapes import infer
from compiler.importer.simplify import simplify
from compiler.importer.values import MAX_NODE_NAME_CHARS
from compiler.importer.verify import verify
from edge_bundle.errors import CompileError, LimitExceededError


class Reader:
    """Reads nodes into scopes. ``native`` are the operators that have a kernel; ``None`` means all."""

    def __init__(self, functions: Mapping[tuple[str, str], onnx.FunctionProto], native: Collection[str] | None) -> None:
        self._functions = functions
        self._native = native
        self._count = 0

    def read_all(self, nodes: Iterable[onnx.NodeProto], scope: Scope) -> None:
        """Read nodes in order."""
        for node in nodes:
            self.read(node, scope)

    def read(self, proto: onnx.NodeProto, scope: Scope) -> None:
        """Read one node: constants and names in ``scope``, or one or more nodes in ``scope.nodes``.

        Raises:
            CompileError: it breaks a rule of ONNX, or a shape is not known before the model runs.
            LimitExceededError: more nodes than ``MAX_NODES``.

        """
        self._count += 1
        if self._count > MAX_NODES:
            raise LimitExceededError(what="model", limit=MAX_NODES, got=self._count, unit="nodes")
        call = _call(proto, scope)
        if (body := local_function(call, self._functions)) is not None:
            self.expand(call, body)
        elif proto.domain not in ("", "ai.onnx"):
            raise call.refuse(
                f"expected an operator of ai.onnx, got one of {proto.domain}",
                advice="export the model with standard ONNX operators only",
            )
        elif proto.op_type in CONTROL:
            CONTROL[proto.op_type](call, self)
        else:
            verify(call)
            self._read_plain(call)

    def _read_plain(self, call: Call) -> None:
        if (array := known_output(call)) is not None:
            call.give_constant(0, array)
            return
        if (newer := lift(call) or uncropped(call)) is not None:
            self.expand(call, newer)
            return
        hold_rules(call)
        types = infer(call)
        if simplify(call, types):
            return
        known = evaluate(call, types)
        if known is not None:
            for index, array in known.items():
                call.give_constant(index, array)
            return
        if self._native is not None and call.op not in self._native:
            body = standard_function(call)
            if body is not None:
                self.expand(call, body)
                return
        if call.op in GENERATORS:
            raise call.refuse("its result is larger than a module may store, or its inputs are not constants")
        keep(call, types)

    def expand(self, call: Call, made: Expansion, inputs: Sequence[str] | None = None) -> None:
        """Read nodes in the place of a node; their inputs are its own, or the values given."""
        scope = call.scope
        inner = Scope(
            values=scope.values,
            opsets=made.opsets,
            stage=scope.stage,
            nodes=scope.nodes,
            names=_formal_inputs(call, made, call.inputs if inputs is None else inputs),
            wanted=_wanted(call, made),
            prefix="" if made.renamed else f"{call.name[:MAX_NODE_NAME_CHARS]}/",
            depth=scope.depth + (not made.renamed),
        )
        self.read_all(made.nodes, inner)
        for index, name in enumerate(made.outputs):
            if name and index < len(call.outputs) and call.outputs[index]:
                found = inner.find(name)
                if found is None:
                    raise call.fault(f"expected a body that gives {name!r}, got none")
                call.give(index, found)


def _call(proto: onnx.NodeProto, scope: Scope) -> Call:
    name = scope.prefix + (proto.name or proto.op_type)
    inputs = []
    for local in proto.input:
        value = scope.find(local) if local else ""
        if value is None:
            raise CompileError(
                stage=scope.stage, node=name, operator=proto.op_type,
                detail=f"expected input {local!r} to be defined before, got none",
                advice="the nodes must stand in the order in which they run",
            )  # fmt: skip
        inputs.append(value)
    if any(local and not value for local, value in zip(proto.input, inputs, strict=True)):
        proto = _without(proto, inputs)
    while inputs and not inputs[-1]:
        inputs.pop()
    attrs = guard(lambda: attributes_of(proto), scope.stage)
    return Call(proto=proto, scope=scope, name=name, inputs=tuple(inputs), attrs=attrs)


def _without(proto: onnx.NodeProto, inputs: Sequence[str]) -> onnx.NodeProto:
    """The node of a function's body with inputs left out that the caller leaves out."""
    made = onnx.NodeProto()
    made.CopyFrom(proto)
    made.input[:] = [local if value else "" for local, value in zip(proto.input, inputs, strict=True)]
    return made


def _formal_inputs(call: Call, made: Expansion, values: Sequence[str]) -> dict[str, str]:
    if len(values) > len(made.inputs):
        raise call.fault(f"expected at most {len(made.inputs)} inputs, got {len(values)}")
    given = (*values, *[""] * (len(made.inputs) - len(values)))
    return {name: value for name, value in zip(made.inputs, given, strict=True) if name}


def _wanted(call: Call, made: Expansion) -> dict[str, str]:
    """A body's outputs get the names that the node's own would have."""
    scope = call.scope
    pairs = zip(made.outputs, call.outputs, strict=False)
    return {inner: scope.wanted.get(name) or scope.prefix + name for inner, name in pairs if inner and name}
