"""``skerry compile``: one ONNX model in, a proven and signed bundle out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.git_commit import commit_of
from skerry.model_file import find_model
from skerry.options import FILE, signing_keys, signing_option
from skerry.output import emit, facts
from skerry.progress import progress_bars
from skerry.shape_options import BATCHES, DIM
from skerry.verb import json_option, verbose_option
from skerry.whole_file import hold_writable, write_whole

if TYPE_CHECKING:
    from rich.console import RenderableType

    from compiler.compile import CompileResult
    from hardware_profiles.schema import Profile


@click.command(name="compile")
@click.argument("model", type=FILE)
@click.option("--contract", type=FILE, show_default="contract.toml beside MODEL", help="The contract.")
@click.option(
    "--calibration", type=FILE, show_default="calibration.npz beside MODEL", help="Inputs that int8 is fitted to."
)
@click.option(
    "--evaluation",
    type=FILE,
    show_default="evaluation.npz beside MODEL",
    help="Labelled inputs that it is measured on.",
)
@click.option(
    "--profile",
    "names",
    multiple=True,
    show_default="all that fit this machine, but those on request; int8 only with a calibration set",
    help="Hardware profile to compile for; repeat.",
)
@click.option("--profiles-dir", "folders", multiple=True, type=FILE, help="Folder with more profiles (*.toml); repeat.")
@click.option("--out", type=FILE, required=True, help="Folder of the new bundle (an OCI image layout).")
@click.option("--tar", type=FILE, help="Write the bundle to one .tar as well.")
@click.option("--html", type=FILE, help="Write the report as a web page with plots.")
@click.option(
    "--batch",
    "batches",
    type=BATCHES,
    default=(),
    show_default="1, and 8 where it pays",
    help="Batch sizes with code of their own, for runtimes with static shapes: 1,8.",
)
@click.option("--dim", "dims", type=DIM, multiple=True, help="Bind a symbolic dimension, NAME=SIZE; repeat.")
@click.option("--seed", type=int, default=0, show_default=True, help="Picks calibration samples when there are many.")
@click.option("--force", is_flag=True, help="Replace another bundle at --out.")
@click.option("--strict", is_flag=True, help="Fail where one profile fails; else it is left out, with the reason.")
@click.option(
    "--race", is_flag=True, help="Measure every runtime and precision that a profile allows, keep the fastest."
)
@signing_option
@json_option
@verbose_option
def compile_(
    model: Path, *, contract: Path | None, calibration: Path | None, evaluation: Path | None,
    names: tuple[str, ...], folders: tuple[Path, ...], out: Path, tar: Path | None, html: Path | None,
    batches: tuple[int, ...], dims: tuple[tuple[str, int], ...], seed: int, force: bool, strict: bool, race: bool,
    keys: tuple[Path, ...], as_json: bool,
) -> None:  # fmt: skip
    """Compile MODEL for hardware profiles, prove and sign the bundle.

    MODEL is an ONNX file, or a folder with one. Every variant is measured. A profile that the model cannot be
    compiled for, or whose variant breaks the contract, is left out by name; if none is left, or with --strict, its
    error is the command's: exit code 6 for a contract that is not kept.
    """
    from compiler.compile import compile_bundle
    from compiler.reports.data import report
    from compiler.request import CompileRequest
    from edge_bundle.errors import NotFoundError

    model = find_model(model)
    if not model.exists():
        raise NotFoundError(what="model", name=str(model))
    for copy in filter(None, (tar, html)):
        hold_writable(copy)
    folder = model.parent
    calibration = calibration or _if_there(folder / "calibration.npz")
    request = CompileRequest(
        model_path=model,
        contract_path=contract or folder / "contract.toml",
        calibration_path=calibration,
        evaluation_path=evaluation or folder / "evaluation.npz",
        profiles=_choose(names, folders, calibrated=calibration is not None),
        out_dir=out,
        keys=signing_keys(keys),
        seed=seed,
        git_commit=commit_of(folder),
        force=force,
        strict=strict,
        race=race,
        batches=batches,
        dims=dict(dims),
    )
    with progress_bars(quiet=as_json) as bars:
        result = compile_bundle(request, progress=bars)
    _write_copies(result, tar, html)
    _tell_missing_fallbacks(request.contract_path, result)
    emit(report(result), as_json=as_json, render=lambda: _tables(result))


def _write_copies(result: CompileResult, tar: Path | None, html: Path | None) -> None:
    if tar is not None:
        from edge_bundle.layout import Layout

        with Layout.open(result.bundle_dir) as layout:
            layout.export_tar(tar)
    if html is not None:
        from compiler.reports.page import render_html

        write_whole(html, render_html(result).encode())


def _tell_missing_fallbacks(contract_path: Path, result: CompileResult) -> None:
    """Nodes pass over a fallback that nothing was compiled for; it may be a slip of the pen."""
    from edge_bundle.contract_file import load_contract

    made = {variant.manifest.profile for variant in result.variants}
    missing = [name for name in load_contract(contract_path).fallback.profiles if name not in made]
    if missing:
        click.echo(f"skerry: fallback.profiles of the contract: no variant was made for {', '.join(missing)}", err=True)


def _tables(result: CompileResult) -> RenderableType:
    from rich.console import Group

    from compiler.reports.tables import notes_tables, passes_table, variants_table

    bundle = facts("", {
        "bundle": result.bundle_digest,
        "folder": result.bundle_dir,
        "ML-BOM": result.ml_bom_path,
        "provenance": result.provenance_path,
        "attestations": result.attestations_path,
    })  # fmt: skip
    return Group(passes_table(result), variants_table(result), notes_tables(result), bundle)


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


def _choose(names: tuple[str, ...], folders: tuple[Path, ...], *, calibrated: bool) -> tuple[Profile, ...]:
    """The profiles named; by default those that fit, without those that a missing calibration set rules out."""
    from hardware_profiles.detect import detect
    from hardware_profiles.loader import load_profile, load_profiles
    from hardware_profiles.ranking import by_default

    if names:
        return tuple(load_profile(name, folders) for name in dict.fromkeys(names))
    fitting = by_default(load_profiles(folders), detect())
    if calibrated:
        return fitting
    kept = tuple(profile for profile in fitting if not profile.precision.calibrated)
    left_out = ", ".join(profile.name for profile in fitting if profile not in kept)
    click.echo(f"skerry: no calibration set: {left_out} left out; give --calibration to have them", err=True)
    return kept
