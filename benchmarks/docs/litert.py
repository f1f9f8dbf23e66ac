"""The operator table of ``docs/litert.md``."""

from __future__ import annotations

from benchmarks.docs.tables import table
from compiler.tflite.passes.spell import OPERATORS as SPELLED
from compiler.tflite.rule import Rule
from compiler.tflite.rules.table import TABLE


def operator_table() -> str:
    """ONNX operator, TFLite operators, the scale of integer results, what is covered."""
    held = {name: _line(name, rule) for name, rule in TABLE.items()}
    held |= {name: [f"`{name}`", "said with others", "-", ""] for name in SPELLED if name not in TABLE}
    return table(("ONNX", "TFLite", "scale of integer results", "covered"), (held[name] for name in sorted(held)))


def _line(name: str, rule: Rule) -> list[str]:
    made = ", ".join(f"`{op}`" for op in rule.tflite) or "nothing"
    return [f"`{name}`", made, rule.kernel.integers.value, rule.note]
