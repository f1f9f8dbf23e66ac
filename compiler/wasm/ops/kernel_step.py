"""The step of a node whose whole work is one call of a kernel function, shared by equal nodes of the module."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.step import Step, StepEmitter
from wasm_emit.function import Function
from wasm_emit.module import Module

Build = Callable[[Module, str], Function]
"""Writes the kernel's function under that name. Its parameters are addresses: input, constants, second input, scratch, output."""


def kernel_step(
    node: Node,
    *,
    op: str,
    key: str,
    build: Build,
    constants: Mapping[str, NDArray[Any]],
    flops: int,
    second: str = "",
    in_place: bool = True,
    scratch: Mapping[str, int] | None = None,
) -> Step:
    """Read the first input, the constants in order and the value ``second`` (a residual) if given; write the output.

    ``key`` is equal for equal code. ``in_place``: the output may take the place of ``second``.
    """
    name = f"{op}_{hashlib.sha256(key.encode()).hexdigest()[:10]}"
    reads = (node.input(0), second) if second else (node.input(0),)

    def emit(e: StepEmitter) -> None:
        function = e.shared(f"{op}:{key}", lambda module: build(module, name))
        addresses = [e.at(reads[0]), *(e.constant(part) for part in constants), *(e.at(read) for read in reads[1:])]
        addresses += [e.scratch(part) for part in scratch or {}]
        e.fn.do(e.fn.call(function, *addresses, e.at(node.output)))

    return Step(
        name=node.name,
        op=op,
        reads=reads,
        writes=(node.output,),
        emit=emit,
        constants=constants,
        scratch=scratch or {},
        shares=((second, node.output),) if in_place and second and second != reads[0] else (),
        flops=flops,
    )
