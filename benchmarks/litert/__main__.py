"""Measure LiteRT on every model: ``python -m benchmarks.litert [--only MODEL]``.

Writes rows to ``FILE`` (``build/bench-litert.json``), and beside it each table that ``docs/litert.md`` takes over
(``python -m benchmarks.docs --measured``).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.litert.measure import measure
from benchmarks.litert.report import agreement_table, rows_of, speed_table, steps_table
from benchmarks.rows import fact, skipped, write_rows
from benchmarks.subjects import DEFAULT_MODELS
from benchmarks.targets.models import prepare_models
from hardware_profiles.detect import detect

ROUNDS = 31
"""Turns of every engine."""


@click.command()
@click.option("--models", type=click.Path(path_type=Path), default=DEFAULT_MODELS, help="Directory of the models.")
@click.option("--only", multiple=True, help="Only this model; repeat.")
@click.option("--rounds", type=click.IntRange(5, 1000), default=ROUNDS, show_default=True, help="Turns of each engine.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/bench-litert.json"), help="Where rows go.")
def main(models: Path, only: tuple[str, ...], rounds: int, out: Path) -> None:
    """Compile, run and time; show tables and write rows."""
    found = []
    with tempfile.TemporaryDirectory(prefix="skerry-") as made:
        folders, missing = prepare_models(models, Path(made) / "models")
        for folder in folders:
            if not only or folder.name in only:
                click.echo(f"{folder.name}", err=True)
                found.append(measure(folder, Path(made) / folder.name, rounds=rounds))
    tables = {"speed": speed_table(found), "agreement": agreement_table(found), "steps": steps_table(found)}
    click.echo("\n".join(tables.values()))
    machine = detect()
    rows = [
        fact("litert/machine", f"{machine.cpu}, {machine.cores} cores, {machine.os} {machine.kernel}"),
        *(row for one in found for row in rows_of(one)),
        *(skipped(f"litert/{one}", f"no such model in {models}") for one in missing),
    ]
    write_rows(rows, out)
    for name, text in tables.items():
        out.with_name(f"{out.stem}-{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
