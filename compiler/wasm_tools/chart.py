"""Two drawings of a module as inline SVG: a flame-like chart of time by kernel and step, and the memory map.

Colours are the page's CSS variables ``--kernel-0`` to ``--kernel-7``; every box has its figures as a tooltip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from compiler.wasm_tools.anatomy import Anatomy
from compiler.wasm_tools.timing import TimedStep, by_kernel

WIDTH = 1200.0
ROW = 34.0
COLOURS = 8
MIN_LABEL = 46.0
"""Narrowest box with a label, in user units; an average letter takes about 6.5."""

LETTER = 6.5
KIB = 1024.0


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float
    colour: str
    label: str
    tip: str

    def svg(self) -> str:
        room = int((self.width - 8) / LETTER)
        label = self.label if len(self.label) <= room else f"{self.label[: max(room - 1, 0)]}…"
        text = (
            f'<text x="{self.x + 4:.1f}" y="{self.y + ROW * 0.62:.1f}">{escape(label)}</text>'
            if self.width >= MIN_LABEL
            else ""
        )
        return (
            f'<g><title>{escape(self.tip)}</title><rect x="{self.x:.2f}" y="{self.y:.1f}" '
            f'width="{max(self.width - 0.5, 0.3):.2f}" height="{ROW - 2:.1f}" rx="2" fill="{self.colour}"/>{text}</g>'
        )


def flame(steps: Sequence[TimedStep], run_us: float) -> str:
    """Three rows: the whole run, its kernels, and under each kernel its steps; the dearest first."""
    boxes = [_Box(0.0, 0.0, WIDTH, "var(--line)", f"run {run_us:.1f} µs", f"run: {run_us:.1f} µs")]
    x = 0.0
    for place, kernel in enumerate(by_kernel(steps)):
        colour = f"var(--kernel-{place % COLOURS})"
        tip = f"{kernel.op}: {kernel.us:.1f} µs, {kernel.share:.1%}, {len(kernel.steps)} steps"
        boxes.append(_Box(x, ROW, kernel.share * WIDTH, colour, kernel.op, tip))
        at = x
        for one in kernel.steps:
            rate = f", {one.gops:.1f} Gop/s" if one.gops else ""
            cost = f"{one.us:.2f} µs, {one.share:.1%}{rate}, {one.step.code_bytes} bytes of code"
            tip = f"{one.step.name} ({kernel.op}): {cost}"
            boxes.append(_Box(at, 2 * ROW, one.share * WIDTH, colour, one.step.name, tip))
            at += one.share * WIDTH
        x += kernel.share * WIDTH
    return _svg(boxes, rows=3)


def memory_map(anatomy: Anatomy) -> str:
    """One row: the regions of memory, by bytes."""
    total = float(anatomy.memory_bytes)
    boxes = [
        _Box(
            region.offset / total * WIDTH, 0.0, region.bytes / total * WIDTH, f"var(--kernel-{place % COLOURS})",
            region.name, f"{region.name}: {region.bytes / KIB:.1f} KiB at {region.offset}",
        )
        for place, region in enumerate(anatomy.info.memory.regions)
    ]  # fmt: skip
    return _svg(boxes, rows=1)


def _svg(boxes: Sequence[_Box], *, rows: int) -> str:
    height = rows * ROW
    body = "".join(box.svg() for box in boxes)
    return f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" class="boxes">{body}</svg>'
