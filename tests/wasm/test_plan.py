"""The memory plan, run on paper: every step finds what it reads, whatever scratch and other values lie around."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir.graph import ValueType
from compiler.wasm.output_views import settle_views
from compiler.wasm.plan import BASE, Plan, make_plan, padded
from compiler.wasm.step import ALIGNMENT, Step, StepEmitter
from edge_bundle.errors import LimitExceededError
from edge_bundle.tensor import DType


def nothing(_emitter: StepEmitter) -> None:
    """No code."""


def step(name: str, reads: tuple[str, ...], write: str, **more: Any) -> Step:
    """A step that only has places."""
    return Step(name=name, op="test", reads=reads, writes=(write,), emit=nothing, **more)


@dataclass
class Paper:
    """Memory in blocks of 64 bytes, each with the value whose bytes it holds."""

    plan: Plan
    types: dict[str, ValueType]
    blocks: dict[int, str] = field(default_factory=dict)
    alias: dict[str, str] = field(default_factory=dict)

    def root(self, value: str) -> str:
        """The value whose bytes a view shows."""
        while value in self.alias:
            value = self.alias[value]
        return value

    def fill(self, start: int, nbytes: int, owner: str) -> None:
        """Overwrite a place and its slack."""
        assert start % ALIGNMENT == 0
        assert start >= BASE
        for block in range(start // ALIGNMENT, (start + padded(nbytes)) // ALIGNMENT):
            self.blocks[block] = owner

    def holds(self, value: str) -> bool:
        """Whether the value's own bytes are still there."""
        start = self.plan.values[value] // ALIGNMENT
        last = (self.plan.values[value] + max(1, self.types[value].nbytes) - 1) // ALIGNMENT
        return all(self.blocks.get(block) == self.root(value) for block in range(start, last + 1))

    def run(self, one: Step) -> None:
        """Scratch is clobbered first, results are written before the last read but for shared places."""
        assert all(map(self.holds, one.reads)), one
        for key, nbytes in one.scratch.items():
            self.fill(self.plan.areas[one.name, "scratch", key], nbytes, f"scratch {key}")
        if one.view_of:
            self.alias[one.writes[0]] = one.view_of
            return
        shared = {read for read, written in one.shares if self.plan.values[read] == self.plan.values[written]}
        for name in one.writes:
            self.fill(self.plan.values[name], self.types[name].nbytes, name)
        rest = [name for name in one.reads if self.root(name) not in {self.root(other) for other in shared}]
        assert all(map(self.holds, rest)), one


@st.composite
def programs(draw: Callable[[st.SearchStrategy[Any]], Any]) -> tuple[list[Step], dict[str, ValueType], tuple[str, ...]]:
    """Steps over values ``x`` (the input) and ``v0``, ``v1``, ..; some views, some in place, some with scratch."""
    types = {"x": ValueType(DType.FP32, (draw(st.integers(1, 200)),))}
    steps: list[Step] = []
    for index in range(draw(st.integers(1, 12))):
        reads = tuple(draw(st.lists(st.sampled_from(sorted(types)), min_size=1, max_size=3, unique=True)))
        name = f"v{index}"
        kind = draw(st.sampled_from(["plain", "in place", "view"]))
        size = types[reads[0]].size if kind != "plain" else draw(st.integers(1, 200))
        types[name] = ValueType(DType.FP32, (size,))
        scratch = {"s": draw(st.integers(1, 500))} if draw(st.booleans()) and kind != "view" else {}
        more: dict[str, Any] = {"scratch": scratch}
        if kind == "in place":
            more["shares"] = ((reads[0], name),)
        if kind == "view":
            reads, more = reads[:1], {"view_of": reads[0]}
        steps.append(step(f"s{index}", reads, name, **more))
    made = sorted(types.keys() - {"x"})
    outputs = tuple(draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True)))
    return steps, types, outputs


@settings(deadline=None, max_examples=300)
@given(programs())
def test_no_value_is_overwritten_while_it_is_needed(
    program: tuple[list[Step], dict[str, ValueType], tuple[str, ...]],
) -> None:
    made, types, outputs = program
    steps = settle_views(made, outputs, {"x"}, types)
    paper = Paper(make_plan(steps, types, {}, ("x",), outputs), types)
    paper.fill(paper.plan.values["x"], types["x"].nbytes, "x")
    for one in steps:
        paper.run(one)
    for name in (*outputs, "x"):
        assert paper.holds(name)
    assert paper.plan.pages * 65536 >= max(region.offset + region.bytes for region in paper.plan.regions)


def test_equal_constants_lie_once_and_weights_come_first() -> None:
    ones = np.ones(10, dtype=np.float32)
    types = {name: ValueType(DType.FP32, (10,)) for name in ("x", "a", "b", "y")}
    steps = [
        step("one", ("x", "a"), "b", constants={"k": ones}),
        step("two", ("b",), "y", constants={"k": ones * 2, "l": ones}, expanded={"e": 100}),
    ]
    plan = make_plan(steps, types, {"a": ones, "unused": ones * 3}, ("x",), ("y",))
    assert plan.values["a"] == plan.areas["one", "constants", "k"] == plan.areas["two", "constants", "l"] == BASE
    assert len(plan.weights) == padded(40) + 40
    assert [region.name for region in plan.regions] == ["weights", "expanded", "io", "values"]
    assert "unused" not in plan.values


def test_values_that_never_meet_share_a_place() -> None:
    types = {name: ValueType(DType.FP32, (1000,)) for name in ("x", "a", "b", "c", "y")}
    chain = [("x", "a"), ("a", "b"), ("b", "c"), ("c", "y")]
    steps = [step(write, (read,), write) for read, write in chain]
    plan = make_plan(steps, types, {}, ("x",), ("y",))
    assert plan.values["a"] == plan.values["c"] != plan.values["b"]
    assert plan.regions[-1].bytes == 2 * padded(4000)


def test_in_place_takes_no_room() -> None:
    types = {name: ValueType(DType.FP32, (1000,)) for name in ("x", "a", "b", "y")}
    steps = [step("1", ("x",), "a"), step("2", ("a",), "b", shares=(("a", "b"),)), step("3", ("b",), "y")]
    assert make_plan(steps, types, {}, ("x",), ("y",)).regions[-1].bytes == padded(4000)


def test_more_than_a_memory_holds() -> None:
    types = {
        "x": ValueType(DType.FP32, (1 << 28,)),
        "y": ValueType(DType.FP32, (1 << 28,)),
        "z": ValueType(DType.FP32, (1 << 30,)),
    }
    with pytest.raises(LimitExceededError, match="memory of the module"):
        make_plan([step("1", ("x",), "z"), step("2", ("z",), "y")], types, {}, ("x",), ("y",))
