"""The memory plan: an address for everything, decided before any code is written.

    0        64         ...                                                  pages * 64 KiB
    | unused | weights | expanded | io (inputs, outputs) | values (by lifetime) |

Weights come first, so that modules of several batch sizes put the same bytes at the same offset. Inputs and outputs
keep a place of their own, since the host writes and reads them between runs. All other values share the last region:
each gets the lowest gap that is free while it is alive (greedy by size, after Y. Pisarchyk and J. Lee, "Efficient
Memory Management for Deep Neural Net Inference", arXiv:2001.03288, section 5.2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import ValueType
from compiler.wasm.output_views import output_places
from compiler.wasm.step import ALIGNMENT, SLACK, Step
from edge_bundle.errors import LimitExceededError
from edge_runtime.wasm.abi import MAX_PAGES, PAGE_BYTES, Region

BASE = ALIGNMENT
"""First address in use: no value lies at 0."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Addresses. Keys of ``areas`` are (step name, kind, key) with kind ``constants``, ``expanded`` or ``scratch``."""

    values: Mapping[str, int]
    areas: Mapping[tuple[str, str, str], int]
    weights: bytes = field(repr=False)
    regions: tuple[Region, ...]
    pages: int


@dataclass
class _Cursor:
    """The next free address."""

    at: int

    def take(self, nbytes: int) -> int:
        start = self.at
        self.at += padded(nbytes)
        return start


def padded(nbytes: int) -> int:
    """Bytes that an area of that size takes up: its slack included, up to the next boundary."""
    return -(-(nbytes + SLACK) // ALIGNMENT) * ALIGNMENT


def make_plan(
    steps: Sequence[Step],
    types: Mapping[str, ValueType],
    constants: Mapping[str, NDArray[Any]],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> Plan:
    """Place everything that the steps read, write and need besides.

    Every output must be written by a step under its own name; views that are outputs come from ``settle_views``.

    Raises:
        LimitExceededError: it does not fit into the 4 GiB of a module.

    """
    cursor = _Cursor(BASE)
    values: dict[str, int] = {}
    areas: dict[tuple[str, str, str], int] = {}
    weights = _place_constants(list(walk(steps)), constants, cursor, values, areas)
    marks = [cursor.at]
    for step in walk(steps):
        for key, nbytes in step.expanded.items():
            areas[step.name, "expanded", key] = cursor.take(nbytes)
    marks.append(cursor.at)
    for name in dict.fromkeys((*inputs, *outputs)):
        values[name] = cursor.take(types[name].nbytes)
    for name, output in output_places(steps, outputs).items():
        values[name] = values[output]
    marks.append(cursor.at)
    _place_values(steps, types, cursor, values, areas)
    marks.append(cursor.at)
    pages = -(-cursor.at // PAGE_BYTES)
    if pages > MAX_PAGES:
        raise LimitExceededError(
            what="memory of the module", limit=MAX_PAGES, got=pages, unit="pages of 64 KiB",
            advice="compile for a smaller batch or smaller dimensions",
        )  # fmt: skip
    names = ("weights", "expanded", "io", "values")
    starts = (BASE, *marks[:-1])
    regions = tuple(Region(name=n, offset=a, bytes=b - a) for n, a, b in zip(names, starts, marks, strict=True))
    return Plan(values=values, areas=areas, weights=weights, regions=regions, pages=pages)


def walk(steps: Iterable[Step]) -> Iterable[Step]:
    """Every step, those of bodies before the step that holds them."""
    for step in steps:
        for body in step.bodies:
            yield from walk(body)
        yield step


def _place_constants(
    steps: Sequence[Step],
    constants: Mapping[str, NDArray[Any]],
    cursor: _Cursor,
    values: dict[str, int],
    areas: dict[tuple[str, str, str], int],
) -> bytes:
    """Equal bytes get one place; returns the whole region's content without the last area's padding."""
    used = {name for step in steps for name in step.reads}
    placed: dict[bytes, int] = {}
    image = bytearray()

    def place(array: NDArray[Any]) -> int:
        data = np.ascontiguousarray(array).tobytes()
        digest = hashlib.sha256(data).digest()
        if digest not in placed:
            placed[digest] = cursor.take(len(data))
            image.extend(bytes(placed[digest] - BASE - len(image)))
            image.extend(data)
        return placed[digest]

    for name, array in constants.items():
        if name in used:
            values[name] = place(array)
    for step in steps:
        for key, array in step.constants.items():
            areas[step.name, "constants", key] = place(array)
    return bytes(image)


@dataclass
class _Life:
    """Something in the values region: alive from step ``first`` to step ``last``, both included."""

    nbytes: int
    first: int
    last: int
    names: list[str]
    area: tuple[str, str, str] | None = None
    start: int = -1


def _place_values(
    steps: Sequence[Step],
    types: Mapping[str, ValueType],
    cursor: _Cursor,
    values: dict[str, int],
    areas: dict[tuple[str, str, str], int],
) -> None:
    lives = _lifetimes(steps, types, values)
    base, top = cursor.at, cursor.at
    placed: list[_Life] = []
    for life in sorted(lives, key=lambda one: (-one.nbytes, one.first, one.names)):
        life.start = _lowest_gap(life, placed, base)
        placed.append(life)
        top = max(top, life.start + padded(life.nbytes))
    for life in placed:
        values.update(dict.fromkeys(life.names, life.start))
        if life.area is not None:
            areas[life.area] = life.start
    cursor.at = top


def _lifetimes(steps: Sequence[Step], types: Mapping[str, ValueType], values: dict[str, int]) -> list[_Life]:
    """One life for each value and scratch area; views and shared pairs join the life of what they read.

    What bodies read, make and need lives for the whole of the top-level step that holds them.
    """
    lives: dict[str, _Life] = {}
    areas: list[_Life] = []
    last_use = {name: index for index, top in enumerate(steps) for step in walk([top]) for name in step.reads}
    for index, top in enumerate(steps):
        for step in _inwards(top):
            inner = step is not top
            for key, nbytes in step.scratch.items():
                areas.append(_Life(nbytes, index, index, [], (step.name, "scratch", key)))
            for name in step.writes:
                if name in values or name in lives:
                    continue
                source = step.view_of or _shared_source(step, name, index, last_use, lives, types, inner=inner)
                if step.view_of and source in values and source not in lives:
                    values[name] = values[source]  # a view of an input or a constant
                    continue
                if source in lives:
                    lives[name] = lives[source]
                    lives[name].names.append(name)
                else:
                    lives[name] = _Life(types[name].nbytes, index, index, [name])
                lives[name].last = max(lives[name].last, last_use.get(name, index))
            for name in step.reads:
                if name in lives:
                    lives[name].last = max(lives[name].last, index)
    unique = {id(life): life for life in lives.values()}
    return [*unique.values(), *areas]


def _inwards(step: Step) -> Iterator[Step]:
    """A step before those of its bodies: it writes what they read."""
    yield step
    for body in step.bodies:
        for inner in body:
            yield from _inwards(inner)


def _shared_source(
    step: Step, write: str, index: int, last_use: Mapping[str, int], lives: Mapping[str, _Life],
    types: Mapping[str, ValueType], *, inner: bool,
) -> str:  # fmt: skip
    """A read that dies in this step and whose place the write may take; ``""`` if there is none."""
    for read, written in step.shares:
        life = lives.get(read)
        if written != write or life is None or inner:
            continue
        dies = all(last_use.get(name, index) <= index for name in life.names)
        if dies and types[write].nbytes <= life.nbytes:
            return read
    return ""


def _lowest_gap(life: _Life, placed: Sequence[_Life], base: int) -> int:
    size = padded(life.nbytes)
    start = base
    busy = [other for other in placed if other.first <= life.last and life.first <= other.last]
    for other in sorted(busy, key=lambda one: one.start):
        if start + size <= other.start:
            break
        start = max(start, other.start + padded(other.nbytes))
    return start
