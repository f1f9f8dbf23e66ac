"""Where toolchains lie, and when one counts as installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_bundle.errors import RuntimeMissingError
from edge_runtime.toolchains.place import folder_of, is_installed, python_of, toolchains_dir
from edge_runtime.toolchains.recipe import RECIPES, RKNN


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"XDG_DATA_HOME": "/data"}, Path("/data/skerry/toolchains")),
        ({"XDG_DATA_HOME": "relative"}, Path.home() / ".local/share/skerry/toolchains"),
        ({"XDG_DATA_HOME": ""}, Path.home() / ".local/share/skerry/toolchains"),
        ({}, Path.home() / ".local/share/skerry/toolchains"),
    ],
)
def test_the_users_own_data_folder(environment: dict[str, str], wanted: Path) -> None:
    assert toolchains_dir(environment) == wanted


def test_another_recipe_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    newer = replace(RKNN, check="print()")
    assert folder_of(newer) != folder_of(RKNN)
    (folder_of(RKNN) / "bin").mkdir(parents=True)
    assert not is_installed(RKNN), "a folder without a Python is nothing"
    (folder_of(RKNN) / "bin" / "python").touch()
    assert is_installed(RKNN)
    assert not is_installed(newer)
    assert python_of(RKNN, runtime="r") == folder_of(RKNN) / "bin" / "python"


def test_not_installed_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(RuntimeMissingError, match="runtime rockchip: not installed") as caught:
        python_of(RKNN, runtime="rockchip")
    assert caught.value.advice == "skerry toolchain install rknn"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_every_package_is_pinned_once(recipe: object) -> None:
    assert isinstance(recipe, type(RKNN))
    pins = [pin for group in recipe.packages for pin in group.pins]
    assert all(pin.count("==") == 1 for pin in pins)
    assert len({pin.split("==")[0] for pin in pins}) == len(pins)
    assert recipe.version
