"""Parts that follow from the code alone: the passes in their order, the op table, the limits."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from onnx import defs  # noqa: TID251 - which operators there are, and since when

from benchmarks.docs.limits import limits_table
from benchmarks.docs.tables import table
from compiler.importer.evaluate import GENERATORS
from compiler.importer.functions import has_body
from compiler.importer.model_file import MAX_OPSET
from compiler.wasm.ops.refused import NO_KERNEL, REASONS
from compiler.wasm.ops.table import TABLE
from compiler.wasm.pipeline import PASSES, Pass
from edge_bundle.tensor import DType

INTERNAL = "skerry."
"""Operators that passes make, not ONNX."""

COMPILE_TIME = {"Constant", "Dropout", "Shape", "Size", *GENERATORS} - TABLE.keys()
"""Operators of which nothing is left in a module (``compiler/importer``)."""

_INTEGERS = frozenset(dtype for dtype in DType if not dtype.is_float and dtype is not DType.BOOL)
_WORDS = {
    DType.FP32: "float32", DType.FP16: "float16", DType.BOOL: "bool", DType.INT8: "int8", DType.UINT8: "uint8",
    DType.INT16: "int16", DType.UINT16: "uint16", DType.INT32: "int32", DType.UINT32: "uint32", DType.INT64: "int64",
    DType.UINT64: "uint64",
}  # fmt: skip


def static_parts() -> dict[str, str]:
    """Every part, by the name of its markers."""
    return {
        "passes": passes_table(),
        "limits": limits_table(),
        "operators": operators_table(),
        "refused": refused_table(),
    }


def passes_table() -> str:
    """Number, name, and the first sentence of the pass's own description."""
    rows = [(str(number), f"`{name}`", _purpose(run)) for number, (name, run) in enumerate(PASSES, 1)]
    return table(("place#", "pass", "what it does"), rows)


def operators_table() -> str:
    """Every covered operator with the dtypes of its first input."""
    own = {name: rule for name, rule in TABLE.items() if not name.startswith(INTERNAL)}
    rows = [(name, dtypes_in_words(rule.dtypes), rule.note) for name, rule in own.items()]
    rows += [(name, "", "by the operators that ONNX defines it with") for name in expanded_operators()]
    rows += [(name, "", "at compile time, from shapes and constants") for name in COMPILE_TIME]
    return table(("operator", "dtypes", "notes"), sorted(rows))


def refused_table() -> str:
    """Standard operators that are refused whatever their attributes, by reason."""
    covered = TABLE.keys() | COMPILE_TIME | set(expanded_operators())
    found: dict[str, list[str]] = {}
    for name in _operators():
        if name not in covered:
            found.setdefault(REASONS.get(name, NO_KERNEL), []).append(name)
    return table(("operators", "why"), [(", ".join(names), why) for why, names in sorted(found.items())])


def expanded_operators() -> list[str]:
    """Operators without a kernel that are compiled by their ONNX body."""
    known = TABLE.keys() | COMPILE_TIME | REASONS.keys()
    return [name for name in _operators() if name not in known and has_body(name)]


def dtypes_in_words(dtypes: Collection[DType]) -> str:
    """float64 is left out: values inside a module never have it."""
    words = [_WORDS[dtype] for dtype in _WORDS if dtype in dtypes and dtype not in _INTEGERS]
    integers = [_WORDS[dtype] for dtype in _WORDS if dtype in dtypes and dtype in _INTEGERS]
    if len(integers) == len(_INTEGERS):
        return "any" if len(words) == len(_WORDS) - len(_INTEGERS) else ", ".join([*words, "integers"])
    return ", ".join([*words, *integers])


def _operators() -> Iterator[str]:
    """Names of all standard operators of the operator sets that are read."""
    schemas: Sequence[Any] = defs.get_all_schemas_with_history()
    yield from sorted({one.name for one in schemas if one.domain == "" and one.since_version <= MAX_OPSET})


def _purpose(run: Pass) -> str:
    head = (inspect.getdoc(inspect.getmodule(run)) or "").partition("\n\n")[0]
    return head.partition(": ")[2].replace("\n", " ").removesuffix(".").replace("``", "`")
