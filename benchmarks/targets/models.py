"""The models: the digits example, and those that lie outside the repository."""

from __future__ import annotations

from pathlib import Path

from benchmarks.child import REPOSITORY
from examples.real_models.prepare import RECIPES, prepare

DIGITS = REPOSITORY / "examples" / "digits"


def prepare_models(models: Path, out: Path) -> tuple[list[Path], list[str]]:
    """Folders that are ready to compile, the smallest model first, and the names of models that are not there."""
    folders, missing = [DIGITS], []
    for name, recipe in RECIPES.items():
        if (models / recipe.file).is_file():
            prepare(name, recipe, models.absolute(), out / name)
            folders.append(out / name)
        else:
            missing.append(name)
    return folders, missing
