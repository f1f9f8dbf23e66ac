"""Real models are prepared where they are; what is not there is named and left out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from examples.real_models.prepare import RECIPES, main


def test_models_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["prepare", str(tmp_path / "none"), str(out)])
    main()
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" is left out: no ")[0] for line in said] == list(RECIPES)
    assert not list(out.iterdir())
