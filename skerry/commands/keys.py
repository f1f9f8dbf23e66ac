"""``skerry keys``: the Ed25519 keys of a model's owners."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.options import FILE
from skerry.output import emit, facts
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.group()
def keys() -> None:
    """Make and show the keys that sign bundles and releases."""


@keys.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--dir", "folder", type=FILE, default=Path(), show_default="current folder",
              help="Where to write NAME.key (mode 0600) and NAME.pub.")  # fmt: skip
@json_option
@verbose_option
def generate(names: tuple[str, ...], folder: Path, as_json: bool) -> None:
    """Make one key pair per NAME. Existing files are never overwritten."""
    from edge_bundle.keys import SigningKey

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name in names:
        key = SigningKey.generate()
        key.save(folder / f"{name}.key")
        key.public.save(folder / f"{name}.pub")
        made.append({"name": name, "keyid": key.public.keyid, "public_key": key.public.to_text()})
    emit({"keys": made}, as_json=as_json, render=lambda: _key_table(made))


@keys.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@json_option
@verbose_option
def show(files: tuple[Path, ...], as_json: bool) -> None:
    """Show the key id and public key of each .pub FILE."""
    from edge_bundle.keys import PublicKey

    found = []
    for file in files:
        key = PublicKey.load(file)
        found.append({"name": file.stem, "keyid": key.keyid, "public_key": key.to_text()})
    emit({"keys": found}, as_json=as_json, render=lambda: _key_table(found))


def _key_table(rows: list[dict[str, str]]) -> RenderableType:
    from rich.console import Group

    return Group(*(facts(row["name"], {"key id": row["keyid"], "public key": row["public_key"]}) for row in rows))
