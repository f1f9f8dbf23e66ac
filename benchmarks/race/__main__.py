"""Hold what a race chooses against every single runtime: ``python -m benchmarks.race [--only MODEL]``.

The profile is the one with a race that fits this machine best, unless ``--profile`` names another.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from benchmarks.race.compete import hold_contest
from benchmarks.race.report import contest_rows, contest_table
from benchmarks.rows import fact, skipped, write_rows
from benchmarks.subjects import DEFAULT_MODELS
from benchmarks.targets.models import prepare_models
from hardware_profiles.detect import detect
from hardware_profiles.loader import load_profile, load_profiles
from hardware_profiles.machine import Machine
from hardware_profiles.ranking import rank
from hardware_profiles.schema import Profile

ROUNDS = 61
"""Turns of every engine when what was chosen is timed anew."""

WIDTH = 160
"""Columns where the output is no terminal."""


@click.command()
@click.option("--models", type=click.Path(path_type=Path), default=DEFAULT_MODELS, help="Directory of the models.")
@click.option("--only", multiple=True, help="Only this model; repeat.")
@click.option("--profile", "name", help="Another profile with a race.")
@click.option("--rounds", type=click.IntRange(5, 1000), default=ROUNDS, show_default=True, help="Turns of each engine.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/bench-race.json"), help="Where rows go.")
def main(models: Path, only: tuple[str, ...], name: str | None, rounds: int, out: Path) -> None:
    """Race on every model, time everybody anew, show a table and write the rows."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    machine = detect()
    profile = load_profile(name) if name else _fitting(machine)
    contests = []
    with tempfile.TemporaryDirectory(prefix="skerry-") as made:
        folders, missing = prepare_models(models, Path(made) / "models")
        for folder in folders:
            if only and folder.name not in only:
                continue
            console.print(f"{folder.name}: racing", style="dim")
            contests.append(hold_contest(folder, profile, Path(made) / folder.name, rounds=rounds))
    console.print(contest_table(contests))
    rows = [
        fact("race/machine", f"{machine.cpu}, {machine.cores} cores, {machine.os} {machine.kernel}"),
        fact("race/profile", profile.name),
        *contest_rows(contests),
        *(skipped(f"race/{one}/chosen_over_best_single", f"no such model in {models}") for one in missing),
    ]
    for row in rows:
        if row.target is not None:
            console.print(f"{row.name} {row.value} (at most {row.target}): {'met' if row.ok else 'OVER'}")
    write_rows(rows, out)


def _fitting(machine: Machine) -> Profile:
    """The best profile for this machine that has a race; raises ``ClickException`` where none fits."""
    racing = {name: profile for name, profile in load_profiles().items() if profile.race}
    fitting = [match.profile for match in rank(racing, machine) if match.fits]
    if not fitting:
        raise click.ClickException(f"expected a machine for one of {', '.join(racing)}, got {machine.cpu}")
    # Of two that fit, the one that asks for more knows the machine better: VNNI is more than AVX2.
    return max(fitting, key=lambda profile: bool(profile.match.any_cpu_flags))


if __name__ == "__main__":
    main()
