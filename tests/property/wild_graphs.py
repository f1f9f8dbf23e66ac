"""Random ONNX graphs of a seed: many operators, odd shapes, values with several consumers; shapes by ONNX's inference.

Left out is what ONNX Runtime computes unlike the operators' text: SAME pads where the kernel is smaller than the stride
or dilated, Resize to sizes that are not whole, windows that lie in the pads alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, defs, helper, numpy_helper, shape_inference  # noqa: TID251

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

MAX_ELEMENTS = 3000
"""Of one value, so that thousands of graphs run in a minute."""

MAX_RANK = 6
MAX_OUTPUTS = 6

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class ImpossibleError(Exception):
    """The node cannot stand here; another is tried."""


class Wild:
    """A graph that grows."""

    def __init__(self, seed: int, opset: int = 18) -> None:
        self.rng = np.random.default_rng(seed)
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.inputs: list[str] = []
        self.constants: dict[str, Array] = {}
        self.types: dict[str, tuple[int, Shape]] = {}

    def pick(self, *choices: Any) -> Any:
        """One of several."""
        return choices[int(self.rng.integers(len(choices)))]

    def number(self, low: int, high: int) -> int:
        """From ``low`` to ``high``, both included."""
        return int(self.rng.integers(low, high + 1))

    def input(self, code: int, shape: Sequence[int]) -> str:
        """A graph input."""
        name = f"x{len(self.inputs)}"
        self.inputs.append(name)
        self.types[name] = (code, tuple(shape))
        return name

    def constant(self, array: Any) -> str:
        """An initialiser."""
        held, name = np.asarray(array), f"c{len(self.constants)}"
        self.constants[name] = held
        self.types[name] = (helper.np_dtype_to_tensor_dtype(held.dtype), held.shape)
        return name

    def weights(self, *shape: int) -> str:
        """Normal numbers, smaller for larger fan-in."""
        fan = max(1, int(np.prod(shape[1:])))
        return self.constant((self.rng.normal(size=shape) / np.sqrt(fan)).astype(np.float32))

    def ints(self, *values: int) -> str:
        """A vector of sizes, axes and the like."""
        return self.constant(np.array(values, np.int64))

    def shape(self, name: str) -> Shape:
        """Of a value."""
        return self.types[name][1]

    def floats(self) -> list[str]:
        """Values to read from."""
        made = [*self.inputs, *(name for node in self.nodes for name in node.output)]
        return [name for name in made if self.types[name][0] == FLOAT]

    def node(self, op: str, inputs: Sequence[str], **attrs: Any) -> str:
        """A node of one output. Raises ``ImpossibleError`` where ONNX or the bounds above do not have it."""
        name = f"v{len(self.nodes)}"
        node = helper.make_node(op, inputs, [name], name=f"{op}_{len(self.nodes)}", **attrs)
        kinds = {one: helper.make_tensor_type_proto(*self.types[one]) for one in inputs if one}
        data = {one: numpy_helper.from_array(self.constants[one], one) for one in inputs if one in self.constants}
        try:
            found = shape_inference.infer_node_outputs(
                defs.get_schema(op, self.opset, ""), node, kinds, data,
                opset_imports=[helper.make_opsetid("", self.opset)],
            )[name].tensor_type  # fmt: skip
        except (RuntimeError, ValueError, shape_inference.InferenceError) as error:
            raise ImpossibleError from error
        shape = tuple(dim.dim_value for dim in found.shape.dim)
        if not 0 < np.prod(shape) <= MAX_ELEMENTS or len(shape) > MAX_RANK:
            raise ImpossibleError
        self.nodes.append(node)
        self.types[name] = (found.elem_type, shape)
        return name

    def model(self, outputs: Sequence[str]) -> ModelProto:
        """With these values as outputs."""
        values = {name: helper.make_tensor_value_info(name, *self.types[name]) for name in (*self.inputs, *outputs)}
        tensors = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        given, made = ([values[name] for name in names] for names in (self.inputs, outputs))
        graph = helper.make_graph(self.nodes, "wild", given, made, tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)


Layer: TypeAlias = Callable[[Wild, str], str]


def grow(wild: Wild, layers: Callable[[Wild, str], Sequence[Layer]], count: int) -> None:
    """Up to ``count`` layers, each behind the last or behind any other value."""
    x = wild.inputs[0]
    for _ in range(3 * count):
        if len(wild.nodes) >= count:
            return
        if wild.rng.random() < 0.3:
            x = wild.pick(*wild.floats())
        before = (len(wild.nodes), dict(wild.types), dict(wild.constants))
        try:
            x = wild.pick(*layers(wild, x))(wild, x)
        except ImpossibleError:
            del wild.nodes[before[0] :]
            wild.types, wild.constants = before[1], before[2]


def leaves(wild: Wild) -> list[str]:
    """Values that nobody reads, and some that are read as well."""
    read = {name for node in wild.nodes for name in node.input}
    made = [name for node in wild.nodes for name in node.output]
    ends = [name for name in made if name not in read]
    return list(dict.fromkeys([*ends, *made[:: wild.number(2, 9)]]))[:MAX_OUTPUTS]


def _conv(w: Wild, x: str) -> str:
    _, channels, *space = w.shape(x)
    groups = w.pick(1, 1, channels, *(one for one in (2, 3) if channels % one == 0))
    out = groups * w.pick(1, 2, 3, 5, 8) if groups < channels else channels * w.pick(1, 1, 2)
    kernel, rank = [w.pick(1, 2, 3, 3, 5) for _ in space], len(space)
    pads = [w.pick(0, 0, 1, 2) for _ in range(2 * rank)]
    attrs = w.pick({"pads": pads, "dilations": [w.pick(1, 1, 2) for _ in space]}, {"auto_pad": "SAME_LOWER"}, {})
    if "auto_pad" not in attrs:
        reach = zip(w.shape(x)[2:], kernel, attrs.get("dilations", [1] * rank), strict=True)
        kernel = [taps if (taps - 1) * apart < size else 1 for size, taps, apart in reach]
    inputs = [x, w.weights(out, channels // groups, *kernel), *w.pick([w.weights(out)], [])]
    return w.node("Conv", inputs, group=groups, strides=[w.pick(1, 1, 2) for _ in space], **attrs)


def _pool(w: Wild, x: str) -> str:
    op, rank = w.pick("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"), len(w.shape(x)) - 2
    if op.startswith("Global"):
        return w.node(op, [x])
    kernel = [min(size, w.pick(1, 2, 3)) for size in w.shape(x)[2:]]
    pads = [w.number(0, kernel[axis % rank] - 1) for axis in range(2 * rank)]
    counts = w.pick({"count_include_pad": 1}, {}) if op == "AveragePool" else {}
    return w.node(op, [x], kernel_shape=kernel, strides=[w.pick(1, 2) for _ in kernel], pads=pads, **counts)


def _unary(w: Wild, x: str) -> str:
    ops = ("Relu", "Sigmoid", "Tanh", "Abs", "Neg", "Erf", "Softplus", "Selu", "Elu", "LeakyRelu", "HardSigmoid",
           "HardSwish", "Mish", "Sin", "Atan", "Identity")  # fmt: skip
    return w.node(w.pick(*ops), [x])


def _clip(w: Wild, x: str) -> str:
    return w.node("Clip", [x, w.pick(w.constant(np.float32(-0.5)), ""), w.constant(np.float32(w.pick(0.25, 6)))])


def _binary(w: Wild, x: str) -> str:
    shape = w.shape(x)
    same = [name for name in w.floats() if w.shape(name) == shape]
    broadcast = [size if w.pick(True, False) else 1 for size in shape][w.number(0, len(shape)) :]
    other = w.pick(x, *same, w.constant(w.rng.normal(size=broadcast).astype(np.float32)))
    return w.node(w.pick("Add", "Add", "Mul", "Sub", "Max", "Min"), w.pick([x, other], [other, x]))


def _concat(w: Wild, x: str) -> str:
    shape, axis = w.shape(x), w.number(0, len(w.shape(x)) - 1)
    fits = [name for name in w.floats() if _but(w.shape(name), axis) == _but(shape, axis)]
    return w.node("Concat", [x, w.pick(*fits), *w.pick([], [w.pick(*fits)])], axis=axis)


def _but(shape: Shape, axis: int) -> tuple[int, Shape]:
    return len(shape), (*shape[:axis], *shape[axis + 1 :])


def _slice(w: Wild, x: str) -> str:
    axis = w.number(0, len(w.shape(x)) - 1)
    step = w.pick(1, 1, 2, -1, -2)
    start, end = (w.number(0, 2), 2**62) if step > 0 else (w.number(-2, -1), -(2**62))
    return w.node("Slice", [x, w.ints(start), w.ints(end), w.ints(axis), w.ints(step)])


def _pad(w: Wild, x: str) -> str:
    pads = [w.pick(0, 0, 1, 2) for _ in range(2 * len(w.shape(x)))]
    return w.node("Pad", [x, w.ints(*pads), w.constant(np.float32(w.pick(0, 1.5)))])


def _turn(w: Wild, x: str) -> str:
    return w.node("Transpose", [x], perm=[int(axis) for axis in w.rng.permutation(len(w.shape(x)))])


def _reshape(w: Wild, x: str) -> str:
    shape = w.shape(x)
    return w.node("Reshape", [x, w.ints(*w.pick([-1], [*shape[:1], -1], [1, *shape], w.rng.permutation(shape)))])


def _reduce(w: Wild, x: str) -> str:
    axes = [axis for axis in range(len(w.shape(x))) if w.pick(True, False)] or [0]
    op = w.pick("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceLogSumExp")
    return w.node(op, [x, w.ints(*axes)], keepdims=w.pick(0, 1))


def _dense(w: Wild, x: str) -> str:
    out, depth = w.pick(1, 3, 8, 17), w.shape(x)[-1]
    y = w.node("MatMul", [x, w.weights(depth, out)])
    return w.node("Add", [y, w.weights(out)]) if w.pick(True, False) else y


def _gather(w: Wild, x: str) -> str:
    axis = w.number(0, len(w.shape(x)) - 1)
    size = w.shape(x)[axis]
    return w.node("Gather", [x, w.constant(w.rng.integers(-size, size, w.pick((), (3,), (2, 2))))], axis=axis)


def _norm(w: Wild, x: str) -> str:
    channels = w.shape(x)[1]
    rows = [w.weights(channels) for _ in range(3)]
    return w.node("BatchNormalization", [x, *rows, w.constant(w.rng.uniform(0.5, 2, channels).astype(np.float32))])


def _softmax(w: Wild, x: str) -> str:
    return w.node("Softmax", [x], axis=w.number(0, len(w.shape(x)) - 1))


def _tile(w: Wild, x: str) -> str:
    return w.node("Tile", [x, w.ints(*(w.pick(1, 1, 2) for _ in w.shape(x)))])


_ANY = (
    _unary,
    _clip,
    _binary,
    _binary,
    _concat,
    _slice,
    _pad,
    _turn,
    _reshape,
    _reduce,
    _dense,
    _gather,
    _softmax,
    _tile,
)
_IMAGES = (_conv, _conv, _conv, _conv, _pool, _pool, _norm, _unary, _clip, _binary)


def float_layers(w: Wild, x: str) -> Sequence[Layer]:
    """Of images half the time where ``x`` is one."""
    if not w.shape(x):
        return (_unary,)
    return _IMAGES if len(w.shape(x)) in (3, 4, 5) and w.pick(True, False) else _ANY


def float_graph(seed: int) -> tuple[ModelProto, dict[str, Array]]:
    """A graph of 1 to 12 nodes over one or two inputs, and the inputs."""
    wild = Wild(seed)
    for _ in range(wild.number(1, 2)):
        rank = wild.pick(2, 3, 4, 4, 4, 5)
        sizes = (1, 2, 3, 4, 5, 7, 8, 9) if rank < 5 else (1, 2, 3, 5)
        wild.input(FLOAT, [wild.pick(1, 1, 2), *(wild.pick(*sizes) for _ in range(rank - 1))])
    grow(wild, float_layers, wild.number(1, 12))
    if not wild.nodes:
        wild.node("Neg", [wild.inputs[0]])
    feeds = {name: wild.rng.normal(size=wild.shape(name)).astype(np.float32) for name in wild.inputs}
    return wild.model(leaves(wild)), feeds
