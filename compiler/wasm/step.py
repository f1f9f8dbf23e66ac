"""A step: one node lowered to code that is still to be written, and what memory it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from compiler.ir.graph import ValueType
from wasm_emit.function import Function
from wasm_emit.module import Module

ALIGNMENT = 64
"""Every value, constant and scratch area starts at a multiple of this many bytes (a cache line)."""

SLACK = 64
"""Bytes behind every value, constant and scratch area that a kernel may read or overwrite: vector tails end there."""


class StepEmitter(Protocol):
    """What a step's code sees of the module: where things lie, and the function being written.

    Addresses are absolute and below 4 GiB. Put them into pointer locals: a memory operand's offset should stay small
    (beyond 32 MiB wasmtime adds a bounds check to every access).
    """

    @property
    def fn(self) -> Function:
        """The function that is being written (this step's, or this step's part of ``init``)."""

    @property
    def module(self) -> Module:
        """The module, for functions that several steps share."""

    def at(self, value: str) -> int:
        """Address of a value: input, output, intermediate or constant."""

    def type_of(self, value: str) -> ValueType:
        """Dtype and shape of a value."""

    def constant(self, key: str) -> int:
        """Address of ``Step.constants[key]``."""

    def expanded(self, key: str) -> int:
        """Address of ``Step.expanded[key]``."""

    def scratch(self, key: str) -> int:
        """Address of ``Step.scratch[key]``; its bytes are undefined when the step starts."""

    def body(self, index: int) -> None:
        """Call the steps of ``Step.bodies[index]``, in order."""

    def shared(self, key: str, build: Callable[[Module], Function]) -> Function:
        """The function built once per module for ``key``."""


Emit: TypeAlias = Callable[[StepEmitter], None]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of ``run``.

    ``reads`` and ``writes`` name values in memory. ``constants`` are arrays that the step wants in the weights region,
    already laid out as its kernel reads them (equal arrays are stored once). ``expanded`` are byte counts of areas that
    ``init`` fills once (weights widened from int8, say); ``scratch`` are byte counts of areas used only while the step
    runs. ``shares`` lists (read, write) pairs that may lie at the same address because every element is read before it
    is overwritten. ``view_of`` says that the single write is the same bytes as that read: no code at all.
    ``bodies`` are the steps of branches or loop bodies, called through ``StepEmitter.body``.
    ``flops`` counts multiplications and additions, for people.
    """

    name: str
    op: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    emit: Emit
    init: Emit | None = None
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    expanded: Mapping[str, int] = field(default_factory=dict)
    scratch: Mapping[str, int] = field(default_factory=dict)
    shares: tuple[tuple[str, str], ...] = ()
    view_of: str = ""
    bodies: tuple[tuple[Step, ...], ...] = ()
    flops: int = 0


def view_sources(steps: Iterable[Step]) -> dict[str, str]:
    """View -> the value whose bytes it is, which may be a view itself."""
    return {step.writes[0]: step.view_of for step in steps if step.view_of}


def view_chain(value: str, sources: Mapping[str, str]) -> list[str]:
    """The value, what it is a view of, and so on to one that is none; ``sources`` as ``view_sources`` gives them."""
    chain = [value]
    while chain[-1] in sources:
        chain.append(sources[chain[-1]])
    return chain
