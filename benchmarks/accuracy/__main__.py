"""Measure the functions: ``python -m benchmarks.accuracy [--only NAMES] [--step N] [--out build/accuracy.json]``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.accuracy.errors import Worst, worst_error
from benchmarks.accuracy.functions import FUNCTIONS
from benchmarks.docs.tables import table
from benchmarks.rows import figure, write_rows

STEP = 1021
"""Every so manieth bit pattern is tried: 4.2 million, from each binade 8,216. A prime, so that low bits vary."""


@click.command()
@click.option("--only", default="", metavar="NAMES", help="Operators with commas between them; writes no files.")
@click.option("--step", type=click.IntRange(1, 1 << 24), default=STEP, show_default=True, help="Bit patterns apart.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/accuracy.json"), help="Where rows go.")
def main(only: str, step: int, out: Path) -> None:
    """Print the largest error of each function in units in the last place."""
    found: dict[str, Worst] = {}
    for name, reference in FUNCTIONS.items():
        if not only or name in only.split(","):
            found[name] = worst_error(name, reference, step=step)
            click.echo(f"{name:>10} {found[name].ulp:.3f} ulp at {found[name].at:.9g}")
    if not only:
        write_rows([figure(f"ulp/{name}", one.ulp, "ulp") for name, one in found.items()], out)
        rows = [(name, f"{one.ulp:.2f}", f"{one.at:.6g}", f"{one.inputs:,}") for name, one in found.items()]
        text = table(("operator", "largest error, ulp#", "at#", "inputs with a finite result#"), rows)
        out.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.accuracy")
