"""What a module consists of: bytes of code by step, weights, and its memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_runtime.wasm.abi import PAGE_BYTES, ModuleInfo
from edge_runtime.wasm.structure import Structure, read_structure
from wasm_emit.binary import SectionId
from wasm_emit.cursor import Cursor


@dataclass(frozen=True, kw_only=True)
class StepAnatomy:
    """One step of ``run``: its node, kernel, arithmetic operations and the bytes of its own code."""

    index: int
    name: str
    op: str
    flops: int
    code_bytes: int


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A whole module, in bytes.

    ``code_bytes`` is everything but the weights; ``shared_bytes`` is ``init``, ``run`` and what several steps call.
    """

    info: ModuleInfo
    bytes: int
    code_bytes: int
    weights_bytes: int
    shared_bytes: int
    memory_bytes: int
    steps: tuple[StepAnatomy, ...]


def dissect(module: bytes, info: ModuleInfo) -> Anatomy:
    """Take a checked module apart."""
    structure = read_structure(module)
    sizes = function_bytes(module, structure)
    steps = tuple(
        StepAnatomy(
            index=index, name=step.name, op=step.op, flops=step.flops,
            code_bytes=sizes[structure.exports[f"step.{index}"].index],
        )
        for index, step in enumerate(info.steps)
    )  # fmt: skip
    segment = structure.segment
    data = segment.end - segment.start if segment else 0
    return Anatomy(
        info=info,
        bytes=len(module),
        code_bytes=len(module) - data,
        weights_bytes=data,
        shared_bytes=sum(sizes.values()) - sum(step.code_bytes for step in steps),
        memory_bytes=info.memory.pages * PAGE_BYTES,
        steps=steps,
    )


def function_bytes(module: bytes, structure: Structure) -> Mapping[int, int]:
    """Function index -> bytes of its body (core specification 2.0, section 5.5.13)."""
    sizes: dict[int, int] = {}
    for section in structure.layout:
        if section.id is SectionId.CODE:
            cursor = Cursor(module, section.body, section.end, what="code section")
            for index in range(cursor.u32()):
                sizes[index] = cursor.u32()
                cursor.take(sizes[index])
    return sizes
