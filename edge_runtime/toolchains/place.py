"""Where toolchains lie: ``$XDG_DATA_HOME/skerry/toolchains/NAME-DIGEST``, one folder per recipe.

A folder is there whole or not at all, since it is moved into place when it works (``compiler/toolchain_install.py``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from edge_bundle.errors import RuntimeMissingError
from edge_runtime.toolchains.recipe import Recipe

_DIGEST_CHARACTERS = 12
"""Of the recipe's digest in a folder's name: enough to tell recipes of one name apart."""


def toolchains_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of all toolchains of this user (XDG Base Directory Specification; a relative path is ignored)."""
    base = Path(environment.get("XDG_DATA_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".local" / "share"
    return base / "skerry" / "toolchains"


def folder_of(recipe: Recipe) -> Path:
    """Where the toolchain is, or would be."""
    return toolchains_dir() / f"{recipe.name}-{recipe.digest[:_DIGEST_CHARACTERS]}"


def is_installed(recipe: Recipe) -> bool:
    """Whether the toolchain is there, as this recipe says."""
    return python_in(folder_of(recipe)).exists()


def python_of(recipe: Recipe, *, runtime: str) -> Path:
    """The Python of an installed toolchain. Raises ``RuntimeMissingError``, whose advice is how to install it."""
    if not is_installed(recipe):
        raise RuntimeMissingError(runtime=runtime, advice=f"skerry toolchain install {recipe.name}")
    return python_in(folder_of(recipe))


def python_in(folder: Path) -> Path:
    """The Python of the environment in a folder."""
    return folder / "bin" / "python"
