"""What Vela told of a compile: its summary, the operators it left to the CPU, and why. Pure: from text and bytes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compiler.tflite.schema import schema

KIB = 1024

_MAX_NUMBER = 2.0**43
"""Largest number in a summary; times ``KIB`` it still fits the integers of JSON."""

NPU_OPERATOR = b"ethos-u"
"""The custom operator that Vela puts in place of everything that the NPU runs."""

_REASON = re.compile(
    r"^Warning \(supported operators\) operator: (?P<operator>\S+), ofm: '(?P<name>[^\n]*)'\n"
    r"Reason: (?P<reason>[^\n]*)",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Left:
    """An operator that Vela left to the CPU, by the name of its first output, and why (empty: it did not say)."""

    operator: str
    name: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Vela's estimate: of one inference, and of memory at its peak, in bytes.

    ``sram_bytes`` is what lies in SRAM at once, weights included where all lie there; ``flash_bytes`` are weights and
    commands in flash; ``dram_bytes`` is what lies in DRAM.
    """

    latency_us: float
    cycles: int
    sram_bytes: int
    flash_bytes: int
    dram_bytes: int


def read_summary(text: str, *, all_in_sram: bool) -> Summary:
    """``*_summary_*.csv``, one line under a header; memory is in KiB.

    Where all lies in SRAM, Vela reports the weights as on-chip flash (``architecture_features.py``: "override sram to
    onchipflash").

    Raises:
        ValueError: a column is missing, or holds no number or an impossible one.

    """
    rows = list(csv.DictReader(io.StringIO(text)))
    if len(rows) != 1:
        raise ValueError(f"expected one line, got {len(rows)}")
    row = rows[0]
    sram, on_chip, off_chip, dram = (
        _bytes(row, f"{memory}_memory_used") for memory in ("sram", "on_chip_flash", "off_chip_flash", "dram")
    )
    return Summary(
        latency_us=_number(row, "inference_time") * 1e6,
        cycles=round(_number(row, "cycles_total")),
        sram_bytes=sram + on_chip if all_in_sram else sram,
        flash_bytes=off_chip if all_in_sram else off_chip + on_chip,
        dram_bytes=dram,
    )


def left_to_cpu(tflite: bytes, log: str) -> tuple[Left, ...]:
    """Every operator of Vela's own output that is not the NPU's, in order, with the reason that its log gives.

    The file is what is asked, not the log: the file is what the firmware runs.
    """
    model = schema().ModelT.InitFromPackedBuf(tflite, 0)
    reasons = {match["name"]: match["reason"].strip() for match in _REASON.finditer(log)}
    found = []
    for graph in model.subgraphs:
        for operator in graph.operators:
            entry = model.operatorCodes[operator.opcodeIndex]
            if entry.customCode != NPU_OPERATOR:
                name = graph.tensors[int(operator.outputs[0])].name.decode(errors="replace")
                found.append(Left(operator=_operator_name(entry), name=name, reason=reasons.get(name, "")))
    return tuple(found)


def operator_count(tflite: bytes) -> int:
    """Operators of a file, over all subgraphs."""
    model = schema().ModelT.InitFromPackedBuf(tflite, 0)
    return sum(len(graph.operators) for graph in model.subgraphs)


def _operator_name(entry: Any) -> str:
    if entry.customCode:
        return bytes(entry.customCode).decode(errors="replace")
    number = max(int(entry.builtinCode), int(entry.deprecatedBuiltinCode))
    names = vars(schema().BuiltinOperator).items()
    return next((name for name, value in names if value == number), f"operator {number}")


def _bytes(row: Mapping[str, str], column: str) -> int:
    return round(_number(row, column) * KIB)


def _number(row: Mapping[str, str], column: str) -> float:
    if row.get(column) is None:
        raise ValueError(f"expected a column {column}, got none")
    number = float(row[column])
    if not 0.0 <= number < _MAX_NUMBER:
        raise ValueError(f"expected a number from 0 in column {column}, got {row[column]}")
    return number
