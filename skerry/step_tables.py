"""Tables of a module's steps with their times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skerry.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from compiler.wasm_tools.timing import TimedKernel, TimedStep


def steps_table(steps: Sequence[TimedStep]) -> RenderableType:
    """A line for each step, in order."""
    rows = [
        (
            one.step.index, one.step.name, one.step.op, f"{one.us:.2f}", f"{one.share:.1%}", _rate(one.gops),
            f"{one.step.code_bytes:,}",
        )
        for one in steps
    ]  # fmt: skip
    return table("steps", ("step#", "node", "kernel", "us#", "share#", "Gop/s#", "code bytes#"), rows)


def kernels_table(kernels: Sequence[TimedKernel]) -> RenderableType:
    """A line for each kernel, all its steps together."""
    rows = [
        (
            one.op, len(one.steps), f"{one.us:.2f}", f"{one.share:.1%}", _rate(one.gops),
            f"{sum(step.step.code_bytes for step in one.steps):,}",
        )
        for one in kernels
    ]  # fmt: skip
    return table("kernels", ("kernel", "steps#", "us#", "share#", "Gop/s#", "code bytes#"), rows)


def _rate(gops: float) -> str:
    return f"{gops:.1f}" if gops else ""
