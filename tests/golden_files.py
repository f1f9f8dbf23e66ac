"""Golden files: expected text kept in the repository. `SKERRY_UPDATE_GOLDEN=1 pytest ...` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

UPDATE_VARIABLE = "SKERRY_UPDATE_GOLDEN"
DATA = Path(__file__).parent / "data"


def updating() -> bool:
    """Whether golden files are to be written anew."""
    return os.environ.get(UPDATE_VARIABLE) == "1"


def assert_golden(path: Path, got: str) -> None:
    """Compare with the golden file, or write it when the update variable is set to 1."""
    if updating():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(got, encoding="utf-8")
    assert path.exists(), f"{path} is missing: run once with {UPDATE_VARIABLE}=1"
    want = path.read_text(encoding="utf-8")
    assert got == want, f"{path.name} differs: look at the change, then run once with {UPDATE_VARIABLE}=1"
