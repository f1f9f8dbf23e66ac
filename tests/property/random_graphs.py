"""Small random ONNX models of image and vector operators, with every shape valid by construction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper  # noqa: TID251 - models are made here

MAX_ELEMENTS = 3000
"""Values stay small, so that hundreds of graphs run in seconds."""


MATRIX_RANK = 2


@dataclass
class Builder:
    """A graph that grows; ``shapes`` are those of the float values that later nodes may read."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    rng: np.random.Generator
    plain: bool
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def pick(self, *choices: Any) -> Any:
        """One of several."""
        return self.draw(st.sampled_from(choices))

    def constant(self, array: NDArray[Any]) -> str:
        """An initialiser."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def number(self, value: float) -> str:
        """A float32 constant without dimensions."""
        return self.constant(np.asarray(value, dtype=np.float32))

    def weights(self, *shape: int) -> str:
        """Normal numbers, smaller for larger fan-in."""
        fan = max(1, int(np.prod(shape[1:])))
        return self.constant((self.rng.normal(size=shape) / np.sqrt(fan)).astype(np.float32))

    def node(self, op: str, inputs: list[str], shape: tuple[int, ...], **attrs: Any) -> str:
        """A node with one output."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}_{len(self.nodes)}", **attrs))
        self.shapes[name] = shape
        return name


Layer: TypeAlias = Callable[[Builder, str], str]


def conv(b: Builder, x: str) -> str:
    """Convolutions with groups, strides, dilations and uneven pads, in one or two dimensions."""
    n, c, *spatial = b.shapes[x]
    groups = b.pick(*{1, c, *(g for g in (2, 3) if c % g == 0)})
    out = groups * b.pick(1, 2, 3) if groups < c else c * b.pick(1, 1, 2)
    rank = len(spatial)
    kernel = [b.pick(1, 2, 3, 5) for _ in spatial]
    strides = [b.pick(1, 1, 2) for _ in spatial]
    dilations = [b.pick(1, 1, 2) for _ in spatial]
    pads = [b.pick(0, 1, 2) for _ in range(2 * rank)]
    sizes = []
    for axis, size in enumerate(spatial):
        reach = dilations[axis] * (kernel[axis] - 1) + 1
        if size + pads[axis] + pads[rank + axis] < reach:
            kernel[axis], reach = 1, 1
        sizes.append((size + pads[axis] + pads[rank + axis] - reach) // strides[axis] + 1)
    inputs = [x, b.weights(out, c // groups, *kernel)]
    if b.pick(True, False):
        inputs.append(b.weights(out))
    return b.node(
        "Conv", inputs, (n, out, *sizes), group=groups, kernel_shape=kernel, strides=strides, dilations=dilations,
        pads=pads,
    )  # fmt: skip


def pool(b: Builder, x: str) -> str:
    """Maxima and averages over windows, or over everything."""
    n, c, *spatial = b.shapes[x]
    op = b.pick("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
    if op.startswith("Global"):
        return b.node(op, [x], (n, c, *(1 for _ in spatial)))
    kernel = [min(size, b.pick(1, 2, 3)) for size in spatial]
    strides = [b.pick(1, 2) for _ in spatial]
    pads = [b.pick(0, 1) if k > 1 else 0 for k in (*kernel, *kernel)]
    rank = len(spatial)
    sizes = [(s + pads[a] + pads[rank + a] - kernel[a]) // strides[a] + 1 for a, s in enumerate(spatial)]
    attrs = {"count_include_pad": b.pick(0, 1)} if op == "AveragePool" else {}
    return b.node(op, [x], (n, c, *sizes), kernel_shape=kernel, strides=strides, pads=pads, **attrs)


_SMOOTH = ("Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Elu", "Silu", "Abs")


def activate(b: Builder, x: str) -> str:
    """Activations that fuse, and some that do not."""
    exact = ("Relu", "Clip", "LeakyRelu")
    op = b.pick(*exact) if b.plain else b.pick(*exact, *_SMOOTH)
    shape = b.shapes[x]
    if op == "Clip":
        low, high = b.number(-0.5), b.number(b.pick(0.5, 6.0))
        return b.node("Clip", [x, low, high], shape)
    if op == "Silu":
        return b.node("Mul", [x, b.node("Sigmoid", [x], shape)], shape)
    return b.node(op, [x], shape)


def add(b: Builder, x: str) -> str:
    """Sums and products with an older value of the same shape, a constant per channel, or a number."""
    shape = b.shapes[x]
    op = b.pick("Add", "Mul") if b.plain else b.pick("Add", "Add", "Mul", "Sub")
    same = [name for name, other in b.shapes.items() if other == shape]
    kind = b.pick("value", "channel", "number")
    if kind == "value":
        other = b.pick(*same)
    elif kind == "channel":
        other = b.constant(b.rng.normal(size=(shape[1], *(1 for _ in shape[2:]))).astype(np.float32))
    else:
        other = b.number(b.pick(-1.5, 0.25))
    return b.node(op, [other, x] if b.pick(True, False) else [x, other], shape)


def norm(b: Builder, x: str) -> str:
    """Batch normalization."""
    c = b.shapes[x][1]
    rows = [b.rng.normal(size=c).astype(np.float32) for _ in range(3)] + [b.rng.uniform(0.5, 2, c).astype(np.float32)]
    return b.node("BatchNormalization", [x, *map(b.constant, rows)], b.shapes[x])


def pad(b: Builder, x: str) -> str:
    """Zeros around."""
    shape = b.shapes[x]
    amounts = [0, 0, *(b.pick(0, 1, 2) for _ in shape[2:])]
    ends = [0, 0, *(b.pick(0, 1) for _ in shape[2:])]
    sizes = tuple(size + p + q for size, p, q in zip(shape, amounts, ends, strict=True))
    return b.node("Pad", [x, b.constant(np.array([*amounts, *ends], dtype=np.int64))], sizes)


def concat(b: Builder, x: str) -> str:
    """Channels of two values behind each other."""
    shape = b.shapes[x]
    others = [n for n, s in b.shapes.items() if len(s) == len(shape) and (s[0], *s[2:]) == (shape[0], *shape[2:])]
    other = b.pick(*others)
    return b.node("Concat", [x, other], (shape[0], shape[1] + b.shapes[other][1], *shape[2:]), axis=1)


def cut(b: Builder, x: str) -> str:
    """A slice of one dimension."""
    shape = b.shapes[x]
    axis = b.pick(*range(1, len(shape)))
    start = b.draw(st.integers(0, shape[axis] - 1))
    values = [np.array([v], dtype=np.int64) for v in (start, shape[axis], axis)]
    sizes = tuple(size - start if index == axis else size for index, size in enumerate(shape))
    return b.node("Slice", [x, *map(b.constant, values)], sizes)


def turn(b: Builder, x: str) -> str:
    """A transpose of all but the rows."""
    shape = b.shapes[x]
    perm = [0, *b.draw(st.permutations(range(1, len(shape))))]
    return b.node("Transpose", [x], tuple(shape[axis] for axis in perm), perm=perm)


def mean(b: Builder, x: str) -> str:
    """A mean over positions."""
    shape = b.shapes[x]
    axes = list(range(2, len(shape)))
    keep = b.pick(0, 1)
    sizes = (*shape[:2], *(1 for _ in axes)) if keep else shape[:2]
    return b.node("ReduceMean", [x, b.constant(np.array(axes, dtype=np.int64))], sizes, keepdims=keep)


def flatten(b: Builder, x: str) -> str:
    """Rows of numbers."""
    shape = b.shapes[x]
    size = int(np.prod(shape[1:]))
    target = b.constant(np.array([0, -1], dtype=np.int64))
    return (
        b.node("Reshape", [x, target], (shape[0], size)) if b.pick(0, 1) else b.node("Flatten", [x], (shape[0], size))
    )


def dense(b: Builder, x: str) -> str:
    """A matrix product by constant weights."""
    *lead, size = b.shapes[x]
    out = b.pick(1, 3, 8, 17)
    if len(lead) == 1 and b.pick(True, False):
        flip = b.pick(0, 1)
        weights = b.weights(out, size) if flip else b.weights(size, out)
        return b.node("Gemm", [x, weights, b.weights(out)], (*lead, out), transB=flip, alpha=b.pick(1.0, 0.5))
    return b.node("MatMul", [x, b.weights(size, out)], (*lead, out))


def softmax(b: Builder, x: str) -> str:
    """Over channels or the last dimension."""
    return b.node("Softmax", [x], b.shapes[x], axis=b.pick(1, -1))


IMAGE: tuple[Layer, ...] = (conv, conv, conv, pool, activate, activate, add, add, norm, pad, concat, cut, turn, mean)
ROWS: tuple[Layer, ...] = (dense, dense, activate, add, concat, cut, softmax)


@st.composite
def models(draw: Callable[[st.SearchStrategy[Any]], Any], *, plain: bool = False) -> tuple[ModelProto, NDArray[Any]]:
    """A model of one float input ``x`` and its input; ``plain`` leaves out what is not quantized."""
    b = Builder(draw, np.random.default_rng(draw(st.integers(0, 2**32 - 1))), plain)
    rank = draw(st.sampled_from([2, 3, 4, 4, 4]))
    shape = (draw(st.integers(1, 2)), *(draw(st.integers(1, 9)) for _ in range(rank - 1)))
    b.shapes["x"] = shape
    x = "x"
    for _ in range(draw(st.integers(1, 7))):
        allowed = [*IMAGE, flatten] if len(b.shapes[x]) > MATRIX_RANK else [*ROWS]
        if plain:
            allowed = [layer for layer in allowed if layer not in (norm, mean, turn, softmax)]
        made = draw(st.sampled_from(allowed))(b, x)
        if int(np.prod(b.shapes[made])) > MAX_ELEMENTS:
            break
        x = made
    if x == "x":
        x = b.node("Relu", ["x"], shape)
    graph = helper.make_graph(
        b.nodes, "random", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, b.shapes[x])], b.constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return model, b.rng.normal(size=shape).astype(np.float32)
