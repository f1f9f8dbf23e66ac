"""Models with something changed at random: read, or refused by name; nothing else ever happens."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TypeProto, helper  # noqa: TID251

from compiler.importer.read_graph import read_graph
from compiler.ir.check import check_graph
from edge_bundle.errors import CompileError, SkerryError
from tests.compiler.importer.reading import integers, node, proto

ROUNDS = 60
"""Mutants of each model."""


def _body(*nodes: NodeProto, inputs: str = "", outputs: str = "") -> GraphProto:
    return helper.make_graph(
        nodes,
        "body",
        [helper.make_value_info(name, TypeProto()) for name in inputs.split()],
        [helper.make_value_info(name, TypeProto()) for name in outputs.split()],
    )


SEEDS: dict[str, ModelProto] = {
    "convolutions": proto(
        [node("Conv", "x w", "a", pads=[1, 1, 1, 1], strides=[2, 2]), node("Relu", "a", "b"),
         node("MaxPool", "b", "c", kernel_shape=[2, 2]), node("Flatten", "c", "y", axis=1)],
        {"x": ["N", 2, 8, 8]}, "y", {"w": np.ones((3, 2, 3, 3), np.float32)},
    ),
    "movements": proto(
        [node("Transpose", "x", "a", perm=[0, 2, 1]), node("Slice", "a from to axes", "b"),
         node("Pad", "b pads", "c"), node("Reshape", "c shape", "d"), node("Split", "d", "e f", axis=0, num_outputs=2),
         node("Concat", "f e", "g", axis=-1), node("Gather", "g i", "y", axis=1)],
        {"x": [2, 3, 4]}, "y",
        {"from": integers(1), "to": integers(9), "axes": integers(2), "pads": integers(0, 0, 1, 0, 0, 1),
         "shape": integers(4, -1), "i": integers(0, 2)},
    ),
    "shapes": proto(
        [node("Shape", "x", "s", start=1), node("ConstantOfShape", "s", "z"), node("Expand", "x t", "e"),
         node("Range", "p q r", "n"), node("Tile", "e t", "u"), node("TopK", "u k", "v i", axis=-1),
         node("ReduceSum", "v axes", "w"), node("Add", "w z", "y")],
        {"x": [1, 4]}, "y",
        {"t": integers(2, 1), "p": integers(0).reshape(()), "q": integers(4).reshape(()), "r": integers(1).reshape(()),
         "k": integers(4), "axes": integers(0)},
    ),
    "functions": proto(
        [node("LayerNormalization", "x k", "a", axis=-1), node("Gelu", "a", "b"), node("Softmax", "b", "c"),
         node("GroupNormalization", "c k k", "y", num_groups=4)],
        {"x": [2, 4, 4]}, "y", {"k": np.ones(4, np.float32)}, opset=20,
    ),
    "control": proto(
        [node("If", "c", "a", then_branch=_body(node("Exp", "x", "t"), outputs="t"),
              else_branch=_body(node("Neg", "x", "e"), outputs="e")),
         node("Loop", "m - a", "b rows", body=_body(node("Add", "u x", "v"), node("Identity", "g", "h"),
                                                     node("Identity", "v", "row"), inputs="i g u", outputs="h v row")),
         node("Scan", "b x", "l y", num_scan_inputs=1,
              body=_body(node("ReduceSum", "q", "r", keepdims=0), node("Add", "o r", "p"), inputs="o q", outputs="p r"))],
        {"x": [3]}, "y", {"m": integers(2).reshape(()), "c": np.array(True)},
    ),
    "recurrent": proto(
        [node("LSTM", "x w r", "a h", hidden_size=2), node("STFT", "s hop window", "f"), node("Size", "f", "n"),
         node("Cast", "n", "g", to=1), node("Add", "h g", "y")],
        {"x": [3, 1, 2]}, "y",
        {"w": np.ones((1, 8, 2), np.float32), "r": np.ones((1, 8, 2), np.float32),
         "s": np.ones((1, 32, 1), np.float32), "hop": integers(4).reshape(()), "window": np.ones(8, np.float32)},
    ),
}  # fmt: skip

NUMBERS = (-5, -1, 0, 1, 2, 3, 100, 2**33)


def _attribute(rng: random.Random, made: ModelProto) -> None:
    attributes = [one for each in made.graph.node for one in each.attribute]
    if not attributes:
        return
    one = rng.choice(attributes)
    if one.ints:
        one.ints[rng.randrange(len(one.ints))] = rng.choice(NUMBERS)
    elif one.HasField("i"):
        one.i = rng.choice(NUMBERS)
    elif one.HasField("s"):
        one.s = b"\xff?"


def _no_attribute(rng: random.Random, made: ModelProto) -> None:
    each = rng.choice(made.graph.node)
    if each.attribute:
        del each.attribute[rng.randrange(len(each.attribute))]


def _input(rng: random.Random, made: ModelProto) -> None:
    each = rng.choice(made.graph.node)
    names = ["", *(one.name for one in made.graph.input), *(one.name for one in made.graph.initializer)]
    if each.input:
        each.input[rng.randrange(len(each.input))] = rng.choice(names)


def _fewer_inputs(rng: random.Random, made: ModelProto) -> None:
    each = rng.choice(made.graph.node)
    if each.input:
        del each.input[rng.randrange(len(each.input))]


def _shape(rng: random.Random, made: ModelProto) -> None:
    dims = made.graph.input[0].type.tensor_type.shape.dim
    if rng.random() < 1 / 3:
        del dims[-1]
    elif rng.random() < 1 / 2:
        dims.add().dim_value = rng.choice((0, 1, 2))
    else:
        rng.choice(dims).dim_value = rng.choice((0, 1, 2, 5))


def _dtype(rng: random.Random, made: ModelProto) -> None:
    made.graph.input[0].type.tensor_type.elem_type = rng.choice((1, 2, 3, 6, 7, 8, 9, 10, 11, 16))


def _constant(rng: random.Random, made: ModelProto) -> None:
    one = rng.choice(made.graph.initializer)
    size = len(one.raw_data)
    one.raw_data = rng.choice((bytes(size), b"\xff" * size, one.raw_data[:-1]))


def _operator(rng: random.Random, made: ModelProto) -> None:
    operators = [each.op_type for seed in SEEDS.values() for each in seed.graph.node]
    rng.choice(made.graph.node).op_type = rng.choice([*operators, "Frobnicate"])


def _opset(rng: random.Random, made: ModelProto) -> None:
    made.opset_import[0].version = rng.choice((1, 6, 7, 9, 11, 13, 17, 22, 26, 27))


MUTATIONS: tuple[Callable[[random.Random, ModelProto], None], ...] = (
    _attribute, _no_attribute, _input, _fewer_inputs, _shape, _dtype, _constant, _operator, _opset,
)  # fmt: skip


@pytest.mark.parametrize("name", SEEDS)
def test_only_named_refusals(name: str) -> None:
    rng = random.Random(name)  # the same mutants in every run
    read, refused = 0, list[str]()
    for _ in range(ROUNDS):
        made = ModelProto()
        made.CopyFrom(SEEDS[name])
        for mutate in rng.choices(MUTATIONS, k=rng.choice((1, 1, 2))):
            mutate(rng, made)
        try:
            found = read_graph(made.SerializeToString(), batch=1, dims={}, bind={}, stage="test", native=set())
        except SkerryError as error:
            refused.append(str(error))
            continue
        check_graph(found, stage="test")
        read += 1
    assert 0 < read < ROUNDS
    assert all(refused)


KILLERS: dict[str, tuple[NodeProto, str]] = {
    "Split into fewer": (node("Split", "x", "y z w", num_outputs=2), "num_outputs"),
    "GatherND before the first axis": (node("GatherND", "x i", "y", batch_dims=-5), "batch_dims"),
}
"""Nodes that end the process inside onnx 1.23 if they get there."""


@pytest.mark.parametrize("name", KILLERS)
def test_what_would_end_the_process_is_refused(name: str) -> None:
    one, words = KILLERS[name]
    made = proto([one], {"x": [6, 2]}, "y", {"i": integers(0, 1).reshape(2, 1)})
    with pytest.raises(CompileError, match=words):
        read_graph(made.SerializeToString(), batch=1, dims={}, bind={}, stage="test")
