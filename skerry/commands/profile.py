"""``skerry profile``: hardware profiles, and which of them fit this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.options import FILE
from skerry.output import emit, facts, table
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hardware_profiles.machine import Machine
    from hardware_profiles.ranking import Match
    from hardware_profiles.schema import Profile


@click.group()
def profile() -> None:
    """List hardware profiles and find those that fit this machine."""


profiles_dir = click.option(
    "--profiles-dir", "folders", multiple=True, type=FILE, help="Folder with more profiles (*.toml); repeat."
)


@profile.command(name="list")
@profiles_dir
@json_option
@verbose_option
def list_(folders: tuple[Path, ...], as_json: bool) -> None:
    """List every profile."""
    from hardware_profiles.loader import load_profiles

    profiles = list(load_profiles(folders).values())
    emit({"profiles": profiles}, as_json=as_json, render=lambda: _profile_table(profiles))


@profile.command()
@click.argument("name")
@profiles_dir
@json_option
@verbose_option
def show(name: str, folders: tuple[Path, ...], as_json: bool) -> None:
    """Show one profile."""
    import msgspec

    from hardware_profiles.loader import load_profile

    found = load_profile(name, folders)
    emit(found, as_json=as_json, render=lambda: facts("", msgspec.to_builtins(found)))


@profile.command()
@profiles_dir
@json_option
@verbose_option
def detect(folders: tuple[Path, ...], as_json: bool) -> None:
    """Say what this machine is and which profiles fit it, best first."""
    from hardware_profiles.detect import detect as detect_machine
    from hardware_profiles.loader import load_profiles
    from hardware_profiles.ranking import rank

    machine = detect_machine()
    matches = rank(load_profiles(folders), machine)
    ranked = [{"profile": match.profile.name, "fits": match.fits, "reasons": match.reasons} for match in matches]
    emit({"machine": machine, "profiles": ranked}, as_json=as_json, render=lambda: _fit_table(machine, matches))


def _profile_table(profiles: list[Profile]) -> RenderableType:
    columns = ("profile", "runtime", "precision", "threads#", "numeric class", "title")
    return table(
        "",
        columns,
        [(p.name, p.runtime, p.precision.value, p.threads, p.numeric_class.value, p.title) for p in profiles],
    )


def _fit_table(machine: Machine, matches: list[Match]) -> RenderableType:
    title = f"{machine.cpu}, {machine.cores} cores, {machine.memory_bytes >> 20} MiB, {machine.os} {machine.arch}"
    rows = [(match.profile.name, "yes" if match.fits else "no", "; ".join(match.reasons)) for match in matches]
    return table(title, ("profile", "fits", "why"), rows)
