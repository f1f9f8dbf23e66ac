"""Run the ONNX node tests: ``python -m benchmarks.conformance [--only REGEX] [-v] [--out build/conformance.json]``."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.conformance.report import markdown, rows, summary_table
from benchmarks.conformance.run import run_cases
from benchmarks.conformance.verdict import Outcome, Verdict
from benchmarks.rows import write_rows

SHOWN = {Outcome.WRONG: "red", Outcome.REFUSED: "yellow"}
"""Outcomes that ``-v`` explains, with their colours."""

REDIRECTED_WIDTH = 160
"""Columns where the output is no terminal."""


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/conformance.json"), help="Where rows go.")
@click.option("--only", default="", metavar="REGEX", help="Only cases whose names match; writes no files.")
@click.option("-v", "--verbose", is_flag=True, help="Explain every refused or wrong case.")
def main(out: Path, only: str, verbose: bool) -> None:
    """Compile and run every direct case; ends with status 1 if any answer is wrong."""
    console = Console(width=None if sys.stdout.isatty() else REDIRECTED_WIDTH)
    verdicts = _run(console, only, verbose)
    console.print(summary_table(verdicts))
    for row in rows(verdicts):
        if "/" not in row.name:
            goal = "" if row.target is None else f"  (goal {row.target:g}: {'met' if row.ok else 'missed'})"
            console.print(f"{row.name:>14} {row.value:5g}{goal}")
    if not only:
        write_rows(list(rows(verdicts)), out)
        text = markdown(verdicts, onnx_version=importlib.metadata.version("onnx"))
        out.with_suffix(".md").write_text(text)
        console.print(f"rows in {out}, refused operators in {out.with_suffix('.md')}")
    sys.exit(any(verdict.outcome is Outcome.WRONG for verdict in verdicts))


def _run(console: Console, only: str, verbose: bool) -> list[Verdict]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("loading the cases", total=None)

        def show(verdict: Verdict) -> None:
            progress.update(task, advance=1, description=verdict.case[:50].ljust(50))
            if verbose and verdict.outcome in SHOWN:
                colour = SHOWN[verdict.outcome]
                text = f"{verdict.outcome.value} {verdict.case} ({verdict.operator}): {verdict.reason}"
                progress.console.print(f"[{colour}]{escape(text)}[/{colour}]", highlight=False, soft_wrap=True)

        return run_cases(only, lambda total: progress.update(task, total=total), show)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.conformance")
