"""The generated parts of docs/litert.md: the operator table, from code; figures, from a run."""

from __future__ import annotations

from benchmarks.docs.page import DOCS
from benchmarks.litert.report import markdown
from compiler.tflite.passes.spell import OPERATORS as SPELLED
from compiler.tflite.rule import Rule
from compiler.tflite.rules.table import TABLE

PAGE = DOCS / "litert.md"

OPERATORS = "operators"
"""Name of the part with the operator table."""


def operator_table() -> str:
    """ONNX operator, TFLite operators, the scale of integer results, what is covered."""
    held = {name: _line(name, rule) for name, rule in TABLE.items()}
    held |= {name: [f"`{name}`", "said with others", "-", ""] for name in SPELLED if name not in TABLE}
    return markdown([["ONNX", "TFLite", "scale of integer results", "covered"], *(held[name] for name in sorted(held))])


def _line(name: str, rule: Rule) -> list[str]:
    made = ", ".join(f"`{op}`" for op in rule.tflite) or "nothing"
    return [f"`{name}`", made, rule.kernel.integers.value, rule.note]
