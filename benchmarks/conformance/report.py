"""The verdicts as rows, as a table, and as the Markdown that goes into ``docs/wasm.md``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.conformance.verdict import Outcome, Verdict
from benchmarks.rows import Row, at_least, figure

PASSED_TARGET = 700
"""Direct cases that must pass, of the 1,404 that onnx 1.23 has."""

MAX_REASON_CHARS = 200
"""A reason in a table is cut there."""


@dataclass(frozen=True)
class Refused:
    """One operator, with the reasons for its refusals (numbers and quoted names left out) and their cases."""

    operator: str
    cases: int
    reasons: tuple[str, ...]


def rows(verdicts: Sequence[Verdict]) -> Iterator[Row]:
    """The four figures, and one row for each refused operator."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    yield at_least("passed", counts[Outcome.PASSED], "cases", PASSED_TARGET)
    yield figure("refused", counts[Outcome.REFUSED], "cases")
    yield figure("wrong", counts[Outcome.WRONG], "cases", 0)
    yield figure("skipped_dtype", counts[Outcome.SKIPPED_DTYPE], "cases")
    for one in refused(verdicts):
        yield figure(f"refused/{one.operator}", one.cases, f"cases: {'; '.join(one.reasons)}")


def refused(verdicts: Sequence[Verdict]) -> list[Refused]:
    """Refused operators by name."""
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.outcome is Outcome.REFUSED:
            found.setdefault(verdict.operator, []).append(verdict.reason[:MAX_REASON_CHARS])
    return [Refused(name, len(all_), tuple(sorted(set(all_)))) for name, all_ in sorted(found.items())]


def summary_table(verdicts: Sequence[Verdict]) -> Table:
    """One line for each operator that is not wholly passed."""
    table = Table(title="Operators with refused or wrong cases", title_justify="left", box=None, pad_edge=False)
    table.add_column("operator", no_wrap=True)
    for outcome in Outcome:
        table.add_column(outcome.value.partition("_")[0], justify="right", no_wrap=True)
    table.add_column("why", overflow="ellipsis", no_wrap=True)
    for operator in sorted({verdict.operator for verdict in verdicts}):
        here = [verdict for verdict in verdicts if verdict.operator == operator]
        counts = Counter(verdict.outcome for verdict in here)
        bad = [verdict.reason for verdict in here if verdict.outcome in (Outcome.REFUSED, Outcome.WRONG)]
        if bad:
            why = bad[0].splitlines()[-1][:MAX_REASON_CHARS] if bad[0] else ""
            table.add_row(operator, *(str(counts[outcome] or "") for outcome in Outcome), why)
    return table


def markdown(verdicts: Sequence[Verdict], *, onnx_version: str) -> str:
    """The refused operators as a Markdown table."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    figures = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
    lines = [
        f"{len(verdicts)} direct node tests of onnx {onnx_version}: {figures}.",
        "",
        "| operator | passed | refused | why |",
        "|---|---:|---:|---|",
    ]
    passed = Counter(verdict.operator for verdict in verdicts if verdict.outcome is Outcome.PASSED)
    for one in refused(verdicts):
        why = "; ".join(one.reasons).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {one.operator} | {passed[one.operator]} | {one.cases} | {why} |")
    return "\n".join(lines) + "\n"
