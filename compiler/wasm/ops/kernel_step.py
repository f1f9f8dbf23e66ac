"""The step of a node whose whole work is one call of a kernel function, shared by equal nodes of the module."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.step import Step, StepEmitter
from wasm_emit.function import Function
from wasm_emit.module import Module

Build = Callable[[Module, str], Function]
"""Writes the kernel's function under that name; its parameters are addresses: input, constants, second input, scratch,
output."""


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """What ``init`` makes of a constant: ``nbytes``, by code for the addresses of the constant and of the area."""

    nbytes: int
    write: Callable[[StepEmitter, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A function: ``op`` begins its name, ``key`` is equal for equal code, ``scratch`` is what it works in (bytes)."""

    op: str
    key: str
    build: Build
    scratch: Mapping[str, int] = field(default_factory=dict)


def kernel_step(
    node: Node,
    kernel: Kernel,
    *,
    constants: Mapping[str, NDArray[Any]],
    flops: int,
    second: str = "",
    in_place: bool = True,
    expansions: Mapping[str, Expansion] | None = None,
) -> Step:
    """Read the first input, the constants in order and the value ``second`` (a residual) if given; write the output.

    ``in_place``: the output may take the place of ``second``. A constant with an expansion is read as that.
    """
    expanded = expansions or {}
    name = f"{kernel.op}_{hashlib.sha256(kernel.key.encode()).hexdigest()[:10]}"
    reads = (node.input(0), second) if second else (node.input(0),)

    def emit(e: StepEmitter) -> None:
        function = e.shared(f"{kernel.op}:{kernel.key}", lambda module: kernel.build(module, name))
        fixed = [e.expanded(part) if part in expanded else e.constant(part) for part in constants]
        addresses = [e.at(reads[0]), *fixed, *(e.at(read) for read in reads[1:])]
        addresses += [e.scratch(part) for part in kernel.scratch]
        e.fn.do(e.fn.call(function, *addresses, e.at(node.output)))

    def init(e: StepEmitter) -> None:
        for part, expansion in expanded.items():
            expansion.write(e, e.constant(part), e.expanded(part))

    return Step(
        name=node.name,
        op=kernel.op,
        reads=reads,
        writes=(node.output,),
        emit=emit,
        init=init if expanded else None,
        constants=constants,
        expanded={part: expansion.nbytes for part, expansion in expanded.items()},
        scratch=kernel.scratch,
        shares=((second, node.output),) if in_place and second and second != reads[0] else (),
        flops=flops,
    )
