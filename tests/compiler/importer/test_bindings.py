"""Sizes and values given to a model's inputs, and what is said when they do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_bundle.errors import CompileError, SkerryError, UnsupportedOperatorError
from tests.compiler.importer.reading import Shape, integers, node, proto, read

GIVEN: dict[str, tuple[dict[str, Shape], dict[str, Any], tuple[int, ...]]] = {
    "batch by name": ({"x": ["N", 3]}, {"batch": 4}, (4, 3)),
    "batch without name": ({"x": [None, 3]}, {"batch": 4}, (4, 3)),
    "fixed": ({"x": [2, 3]}, {"batch": 4}, (2, 3)),
    "a dimension by name": ({"x": ["N", "T"]}, {"batch": 2, "dims": {"T": 5}}, (2, 5)),
    "a dimension by place": ({"x": ["N", None]}, {"dims": {"x:1": 5}}, (1, 5)),
    "dims go before batch": ({"x": ["N", 3]}, {"batch": 4, "dims": {"N": 2}}, (2, 3)),
    "the batch's name elsewhere": ({"x": ["N", "N"]}, {"batch": 3}, (3, 3)),
}


@pytest.mark.parametrize("name", GIVEN)
def test_sizes_reach_every_place(name: str) -> None:
    inputs, options, shape = GIVEN[name]
    found = read(proto([node("Exp", "x", "a"), node("Neg", "a", "y")], inputs, "y"), **options)
    assert {kind.shape for kind in found.types.values()} == {shape}


def test_declared_shapes_of_the_model_do_not_count() -> None:
    """Exporters leave sizes of one batch in value_info and outputs."""
    made = proto([node("Exp", "x", "a"), node("Neg", "a", "y")], {"x": ["N", 3]}, "y")
    made.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 1
    made.graph.value_info.add().CopyFrom(made.graph.input[0])
    made.graph.value_info[0].name = "a"
    made.graph.value_info[0].type.tensor_type.shape.dim[0].dim_value = 1
    assert read(made, batch=8).types["y"].shape == (8, 3)


def test_a_bound_input_is_a_constant_and_sizes_come_from_it() -> None:
    made = proto([node("Mul", "x w", "a"), node("Exp", "w", "e"), node("Add", "a e", "y")], {"x": [2], "w": ["K"]}, "y")
    found = read(made, bind={"w": np.array([1.0, 2.0], np.float32)})
    assert found.inputs == ("x",)
    assert [one.op for one in found.nodes] == ["Mul", "Add"]


ROW = np.ones(3, np.float32)
FAULTS: dict[str, tuple[dict[str, Shape], dict[str, Any], str, str]] = {
    "open": ({"x": ["N", "T"]}, {}, "'x': expected fixed sizes, got dimension 1 open", "--dim T=SIZE"),
    "open without name": ({"x": ["N", None]}, {}, "dimension 1 open", "--dim x:1=SIZE"),
    "unknown dimension": ({"x": ["N", 3]}, {"dims": {"M": 2}}, "dims: expected one of 'N', got 'M'", ""),
    "unknown input": ({"x": [3]}, {"bind": {"z": ROW}}, "bind: expected one of 'x', got 'z'", ""),
    "bound dtype": ({"x": [3]}, {"bind": {"x": ROW.astype("f8")}}, "expected FP32 .3., got float64", ""),
    "bound shape": ({"x": [2]}, {"bind": {"x": ROW}}, "expected FP32 .2., got float32 .3.", ""),
    "no batch": ({"x": ["N", 3]}, {"batch": 0}, "batch: expected a size of at least 1, got 0", ""),
    "negative": ({"x": ["N", "T"]}, {"dims": {"T": -2}}, "T: expected a size of at least 1, got -2", ""),
    "too deep": ({"x": [1] * 9}, {}, "at most 8 dimensions, got 9", ""),
}


@pytest.mark.parametrize("name", FAULTS)
def test_says_what_does_not_fit(name: str) -> None:
    inputs, options, words, advice = FAULTS[name]
    with pytest.raises(SkerryError, match=words) as caught:
        read(proto([node("Neg", "x", "y")], inputs, "y"), **options)
    assert advice in caught.value.advice


def test_a_shape_that_depends_on_data_names_the_node_and_the_input() -> None:
    made = proto([node("Cast", "t", "s", to=7), node("Reshape", "x s", "y", name="odd")], {"x": [6], "t": [2]}, "y")
    with pytest.raises(CompileError, match="depends on 'x', 's'") as caught:
        read(made)
    assert (caught.value.node, caught.value.operator) == ("odd", "Reshape")
    assert "--dim" in caught.value.advice


def test_an_operator_that_finds_as_many_as_there_are_is_refused() -> None:
    made = proto([node("NonZero", "x", "i", name="odd"), node("Cast", "i", "y", to=1)], {"x": [6]}, "y")
    with pytest.raises(UnsupportedOperatorError, match="depends on the data") as caught:
        read(made)
    assert caught.value.node == "odd"


def test_the_shape_may_be_bound() -> None:
    made = proto([node("Cast", "t", "s", to=7), node("Reshape", "x s", "y")], {"x": [6], "t": [2]}, "y")
    assert read(made, bind={"t": np.array([3, 2], np.float32)}).types["y"].shape == (3, 2)
    assert integers(3, 2).tolist() == [3, 2]
