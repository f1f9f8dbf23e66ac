"""Run the benchmarks: ``python -m benchmarks [--out build/bench.json] [--models DIR] [--rounds N] [--seconds S]``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from benchmarks.agent_start import measure_starts, start_rows
from benchmarks.rows import write_rows
from benchmarks.serving import Plan, run_serving, serving_table, skipped_rows
from benchmarks.subjects import DEFAULT_MODELS


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/bench.json"), help="Where the rows go.")
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    default=DEFAULT_MODELS,
    help="Directory of models not in this repository.",
)
@click.option("--rounds", type=click.IntRange(2, 100), default=5, help="Rounds of segments for each figure.")
@click.option("--seconds", type=click.FloatRange(0.05, 10.0), default=0.4, help="Length of one segment.")
def main(out: Path, models: Path, rounds: int, seconds: float) -> None:
    """Measure in rounds, show a table, write the rows as JSON."""
    console = Console()
    plan = Plan(models=models, rounds=rounds, seconds=seconds)
    with Progress(console=console) as progress:
        task = progress.add_task("agent, aiohttp, engine", total=plan.segments())
        measured = run_serving(plan, lambda: progress.advance(task))
        task = progress.add_task("starts of an agent", total=rounds)
        node = start_rows(measure_starts(rounds, lambda: progress.advance(task)))
    console.print(serving_table(measured))
    for row in node:
        console.print(f"{row.name}: {row.value:.2f} {row.unit}, goal {row.target:g}")
    missing = skipped_rows(plan)
    for row in missing:
        console.print(f"{row.name}: {row.unit}")
    rows = [row for one in measured for row in one.rows()] + node + missing
    write_rows(rows, out)
    console.print(f"{len(rows)} rows in {out}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
