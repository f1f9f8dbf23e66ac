"""Toolchains of their own: real environments, real pip, from packages made here; a broken one never looks installed."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from compiler import toolchain_install
from compiler.toolchain_install import install, pip_command, remove
from edge_bundle.errors import ConflictError, InvalidInputError, ToolFailedError
from edge_runtime.toolchains.place import is_installed, python_in, toolchains_dir
from edge_runtime.toolchains.recipe import RKNN, Packages, Recipe

RECIPE = Recipe(
    name="sample",
    title="A sample",
    version_of="sample-kit",
    pythons=((sys.version_info.major, sys.version_info.minor),),
    packages=(Packages(pins=("sample-kit==1.2",)),),
    check="import sample_kit; assert sample_kit.ANSWER == 42",
)


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One wheel in a folder of its own, no index, and a data folder that is empty."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    info = "sample_kit-1.2.dist-info"
    with zipfile.ZipFile(wheels / "sample_kit-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("sample_kit/__init__.py", "ANSWER = 42\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: sample-kit\nVersion: 1.2\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


def left_behind() -> list[str]:
    folder = toolchains_dir()
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


def test_it_is_installed_once_and_removed() -> None:
    place = install(RECIPE)
    assert is_installed(RECIPE)
    assert left_behind() == [place.name]
    python = python_in(place)
    made = python.lstat().st_mtime_ns
    assert install(RECIPE) == place
    assert python.lstat().st_mtime_ns == made, "the second call makes nothing"
    assert remove(RECIPE)
    assert not remove(RECIPE)
    assert left_behind() == []


@pytest.mark.heavy  # an environment takes seconds
def test_an_environment_that_does_not_work_is_not_installed() -> None:
    broken = replace(RECIPE, check="import sample_kit; assert sample_kit.ANSWER == 43, 'wrong answer'")
    with pytest.raises(ToolFailedError) as caught:
        install(broken)
    assert caught.value.tool == "sample-kit 1.2"
    assert "AssertionError: wrong answer" in str(caught.value)
    assert not is_installed(broken)
    assert left_behind() == []


@pytest.mark.heavy  # an environment takes seconds
def test_a_package_that_is_not_there() -> None:
    missing = replace(RECIPE, packages=(Packages(pins=("sample-kit==9.9",)),))
    with pytest.raises(ToolFailedError, match=r"pip failed with exit status 1.*sample-kit==9\.9") as caught:
        install(missing)
    assert "pip's configuration" in caught.value.advice
    assert left_behind() == []


def test_a_pip_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain_install, "VENV_TIMEOUT_S", 0.01)
    with pytest.raises(ToolFailedError, match="venv hung"):
        install(RECIPE)
    assert left_behind() == []


def test_what_a_killed_installation_left_goes_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain_install, "VENV_TIMEOUT_S", 0.01)
    staging = toolchains_dir() / ".sample-killed" / "environment"
    staging.mkdir(parents=True)
    (staging / "half").write_bytes(b"x")
    with pytest.raises(ToolFailedError, match="venv hung"):
        install(RECIPE)
    assert left_behind() == []


def test_two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second must not take the first one's folder for one that was left behind."""
    started: list[Recipe] = []

    def make(recipe: Recipe, folder: Path) -> None:
        started.append(recipe)
        with pytest.raises(ConflictError, match="expected one process that installs or removes, got another"):
            install(RECIPE)
        assert folder.parent.exists()
        python_in(folder).parent.mkdir(parents=True)
        python_in(folder).touch()

    monkeypatch.setattr(toolchain_install, "_make", make)
    place = install(RECIPE)
    assert left_behind() == [place.name]
    assert len(started) == 1


def test_another_python() -> None:
    with pytest.raises(InvalidInputError) as caught:
        install(replace(RECIPE, pythons=((3, 6), (3, 7))))
    assert caught.value.expected == "Python 3.6 or 3.7, which sample-kit 1.2 has wheels for"
    assert left_behind() == []


def test_nothing_is_built_and_nothing_comes_along() -> None:
    command = pip_command(RKNN.packages[0], Path("/place"))
    assert command[0] == "/place/bin/python"
    assert {"--no-deps", "--only-binary"} <= set(command)
    assert command[-1].startswith("torch==")
    assert "--extra-index-url" in command
    assert "--extra-index-url" not in pip_command(RKNN.packages[1], Path("/place"))
