"""Compile every model for every profile: ``python -m benchmarks.targets [--only NAMES] [--profiles NAMES]``."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.subjects import DEFAULT_MODELS
from benchmarks.targets.matrix import matrix, page_part
from benchmarks.targets.models import prepare_models
from benchmarks.targets.outcome import Outcome, Status, write_outcomes
from benchmarks.targets.run import LIMIT_S, run_all
from hardware_profiles.detect import detect
from hardware_profiles.loader import load_profiles

REDIRECTED_WIDTH = 200
"""Columns where the output is no terminal."""


@click.command()
@click.option(
    "--models", type=click.Path(path_type=Path), default=DEFAULT_MODELS, help="Models outside the repository."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/targets.json"), help="Where rows go.")
@click.option("--only", default="", metavar="NAMES", help="Models with commas between them.")
@click.option("--profiles", default="", metavar="NAMES", help="Profiles with commas between them.")
@click.option("--limit", "limit_s", type=click.FloatRange(1.0), default=LIMIT_S, show_default=True,
              help="Seconds for one model on the profiles of one runtime.")  # fmt: skip
def main(models: Path, out: Path, only: str, profiles: str, limit_s: float) -> None:
    """Ends with status 1 if anything failed otherwise than by a named refusal."""
    console = Console(width=None if sys.stdout.isatty() else REDIRECTED_WIDTH)
    chosen = [profile for name, profile in load_profiles().items() if not profiles or name in profiles.split(",")]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="skerry-models-") as folder, _progress(console) as bar:
        folders, missing = prepare_models(models, Path(folder))
        folders = [one for one in folders if not only or one.name in only.split(",")]
        task = bar.add_task("", total=len(folders) * len(chosen))

        def advance(what: str, steps: int) -> None:
            bar.update(task, description=what, advance=steps)
            if not console.is_terminal:
                console.print(f"{what}: {steps} profiles, {time.monotonic() - began:.0f} s since the start")

        outcomes: list[Outcome] = []
        for one in run_all(folders, chosen, limit_s=limit_s, advance=advance):
            outcomes.append(one)
            write_outcomes(outcomes, out)  # an interrupted run leaves what it found
    machine = detect()
    part = page_part(outcomes, f"{machine.cpu}, {machine.cores} cores, {machine.arch}")
    out.with_suffix(".md").write_text(part, encoding="utf-8")
    _show(console, outcomes, missing)
    console.print(f"{len(outcomes)} rows in {out}, {time.monotonic() - began:.0f} s")
    sys.exit(any(one.status is Status.FAILED for one in outcomes))


def _show(console: Console, outcomes: list[Outcome], missing: list[str]) -> None:
    console.print(matrix(outcomes))
    for name in missing:
        console.print(f"{name}: left out, the model is not there")
    counts = ", ".join(f"{sum(one.status is status for one in outcomes)} {status.value}" for status in Status)
    console.print(counts)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.targets")
