"""``skerry toolchain``: vendors' toolchains, each in an environment of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from skerry.output import emit, facts, table
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_runtime.toolchains.recipe import Recipe


@click.group()
def toolchain() -> None:
    """Vendors' toolchains that need environments of their own."""


@toolchain.command(name="list")
@json_option
@verbose_option
def list_(as_json: bool) -> None:
    """List every toolchain, and where it is installed."""
    from edge_runtime.toolchains.recipe import RECIPES

    rows = [_row(recipe) for recipe in RECIPES.values()]
    emit({"toolchains": rows}, as_json=as_json, render=lambda: _table(rows))


@toolchain.command()
@click.argument("name")
@json_option
@verbose_option
def install(name: str, as_json: bool) -> None:
    """Install a toolchain in an environment of its own.

    Its packages are pinned, and nothing of it touches this environment. It is there whole or not at all, and is used
    wherever a profile needs it.
    """
    from compiler.toolchain_install import install as make

    recipe = _recipe(name)
    make(recipe)
    row = _row(recipe)
    emit(row, as_json=as_json, render=lambda: facts("", row))


@toolchain.command()
@click.argument("name")
@json_option
@verbose_option
def remove(name: str, as_json: bool) -> None:
    """Remove a toolchain."""
    from compiler.toolchain_install import remove as delete

    recipe = _recipe(name)
    delete(recipe)
    row = _row(recipe)
    emit(row, as_json=as_json, render=lambda: facts("", row))


def _recipe(name: str) -> Recipe:
    from edge_bundle.errors import NotFoundError
    from edge_runtime.toolchains.recipe import RECIPES

    if name not in RECIPES:
        raise NotFoundError(what="toolchain", name=name, advice=f"known: {', '.join(RECIPES)}")
    return RECIPES[name]


def _row(recipe: Recipe) -> dict[str, str]:
    from edge_runtime.toolchains.place import folder_of, is_installed

    return {
        "name": recipe.name,
        "version": f"{recipe.version_of} {recipe.version}",
        "installed": str(folder_of(recipe)) if is_installed(recipe) else "no",
        "title": recipe.title,
    }


def _table(rows: list[dict[str, str]]) -> RenderableType:
    columns = ("name", "version", "installed", "title")
    return table("", columns, [tuple(row[column] for column in columns) for row in rows])
