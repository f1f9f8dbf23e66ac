"""``skerry verify``: checks digests and signatures, and whether the proof can be reproduced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.exit_codes import ExitCode
from skerry.options import FILE, owner_options, trust_policy
from skerry.output import emit, facts
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from compiler.recomputing.recomputed import Row
    from edge_bundle.walk import VerifiedRelease


@click.command()
@click.argument("bundle", type=FILE)
@click.option("--profile", help="Only this variant.")
@click.option("--recompute", is_flag=True, help="Measure every figure of the proofs again, and say which hold.")
@click.option("--evaluation", type=FILE, help="The evaluation set that the proof was made on (for --recompute).")
@click.option("--model", type=FILE, help="The source model; with it, what is held against fp32 is measured again too.")
@click.option("--calibration", type=FILE, help="The calibration set; with it, its digest is compared too.")
@owner_options
@json_option
@verbose_option
@click.pass_context
def verify(
    context: click.Context, bundle: Path, *, profile: str | None, recompute: bool, evaluation: Path | None,
    model: Path | None, calibration: Path | None, owner_keys: tuple[Path, ...], threshold: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Check every digest and signature of BUNDLE, as an agent would.

    With --recompute, exit code 1 if a figure does not hold. A variant that nothing here can run keeps its signed
    figures, with the reason; exit code 5 if that is so of every variant.
    """
    from edge_bundle.layout import Layout
    from edge_bundle.walk import walk_source

    if recompute and evaluation is None:
        raise click.UsageError("--recompute needs --evaluation")
    with Layout.open(bundle) as layout:
        release = walk_source(layout.index, layout, trust_policy(owner_keys, threshold), profile)
    rows: tuple[Row, ...] = ()
    if recompute and evaluation:
        rows = _recompute(release, evaluation, model, calibration, quiet=as_json)
    value = {
        "name": release.name,
        "version": release.version,
        "bundle_digest": release.bundle_digest,
        "signed_by": release.signed_by,
        "profiles": sorted(release.variants),
        "made_from": release.provenance.digests,
        "toolchain": release.provenance.run_details.builder.version,
    }
    emit(value | ({"recomputed": rows} if recompute else {}), as_json=as_json, render=lambda: facts("verified", value))
    if recompute and not as_json:
        _print_rows(rows)
    if any(row.ok is False for row in rows):
        context.exit(ExitCode.CHECK_FAILED)
    if rows and not any(row.figure == "repeatable" and row.recomputed is not None for row in rows):
        context.exit(ExitCode.UNAVAILABLE)


def _recompute(
    release: VerifiedRelease, evaluation: Path, model: Path | None, calibration: Path | None, *, quiet: bool
) -> tuple[Row, ...]:
    from compiler.recomputing.recompute import recompute
    from skerry.progress import progress_bars

    with progress_bars(quiet=quiet) as bars:
        return recompute(release, evaluation, model_path=model, calibration_path=calibration, progress=bars)


def _print_rows(rows: tuple[Row, ...]) -> None:
    from compiler.recomputing.table import recompute_tables
    from skerry.output import console

    console().print(recompute_tables(rows))
