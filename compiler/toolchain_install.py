"""Make a toolchain's own environment: in a folder beside its place, moved there once it works."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compiler.tool_process import ToolCall, run_tool
from edge_bundle.errors import ConflictError, InvalidInputError
from edge_runtime.toolchains.place import folder_of, is_installed, python_in
from edge_runtime.toolchains.recipe import Packages, Recipe

VENV_TIMEOUT_S = 300.0
"""Longest that an empty environment may take, in seconds."""

PIP_TIMEOUT_S = 3600.0
"""Longest that one call of pip may take, in seconds: it may have to fetch some 200 MB over a slow line."""

CHECK_TIMEOUT_S = 300.0
"""Longest that the finished environment may take to show that it works, in seconds."""

_ISOLATED = {"PYTHONPATH": "", "PYTHONNOUSERSITE": "1"}
"""Neither our packages nor the user's own may stand in for those of the environment."""


def install(recipe: Recipe) -> Path:
    """The toolchain's folder; made if it is not there yet. A failure leaves nothing behind.

    Raises:
        InvalidInputError: the vendor has no wheels for this Python.
        ConflictError: another process is at it.
        ToolFailedError: pip or the check failed, hung or crashed; ``log`` has what it wrote.

    """
    place = folder_of(recipe)
    if is_installed(recipe):
        return place
    _check_python(recipe)
    place.parent.mkdir(parents=True, exist_ok=True)
    with _alone(place.parent), _staging(recipe, place.parent) as folder:
        if not is_installed(recipe):  # else another process was faster
            staging = folder / "environment"
            _make(recipe, staging)
            shutil.rmtree(place, ignore_errors=True)
            staging.rename(place)
    return place


def remove(recipe: Recipe) -> bool:
    """Delete the toolchain; whether it was there. Raises ``ConflictError`` while one is installed."""
    place = folder_of(recipe)
    if not place.exists():
        return False
    with _alone(place.parent), _staging(recipe, place.parent) as folder:
        place.rename(folder / "environment")  # at once: a toolchain half deleted must not look installed
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Whoever holds this is the only one; the kernel lets go of it when the process ends, however it does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConflictError(
            what=f"toolchains in {folder}",
            expected="one process that installs or removes",
            got="another one at it",
            advice="wait until it is done",
        ) from error
    finally:
        os.close(descriptor)


@contextmanager
def _staging(recipe: Recipe, folder: Path) -> Iterator[Path]:
    """A folder that goes away; what a killed process left there, some 2 GB, goes first."""
    prefix = f".{recipe.name}-"
    for left in folder.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder) as name:
        yield Path(name)


def _make(recipe: Recipe, folder: Path) -> None:
    base = (sys.executable, "-P", "-m", "venv", str(folder))
    run_tool(ToolCall(tool="venv", command=base, folder=folder.parent, timeout_s=VENV_TIMEOUT_S, environment=_ISOLATED))
    for packages in recipe.packages:
        run_tool(
            ToolCall(
                tool="pip",
                command=pip_command(packages, folder),
                folder=folder.parent,
                timeout_s=PIP_TIMEOUT_S,
                environment=_ISOLATED,
                advice="see that this machine reaches PyPI, or say in pip's configuration where the packages are",
            )
        )
    run_tool(
        ToolCall(
            tool=f"{recipe.version_of} {recipe.version}",
            command=(str(python_in(folder)), "-P", "-c", recipe.check),
            folder=folder.parent,
            timeout_s=CHECK_TIMEOUT_S,
            environment=_ISOLATED,
            advice="the packages are there but do not work together on this machine; nothing was installed",
        )
    )


def pip_command(packages: Packages, folder: Path) -> tuple[str, ...]:
    """Exactly the pinned packages, as wheels: nothing is built here, and nothing is pulled in beside them."""
    command = [str(python_in(folder)), "-P", "-m", "pip", "install", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-input", "--disable-pip-version-check", "--retries", "2"]
    if packages.extra_index:
        command += ["--extra-index-url", packages.extra_index]
    return (*command, *packages.pins)


def _check_python(recipe: Recipe) -> None:
    if sys.version_info[:2] not in recipe.pythons:
        known = " or ".join(f"{major}.{minor}" for major, minor in recipe.pythons)
        raise InvalidInputError(
            file=f"toolchain {recipe.name}",
            key="python",
            expected=f"Python {known}, which {recipe.version_of} {recipe.version} has wheels for",
            got=f"{sys.version_info.major}.{sys.version_info.minor}",
            advice=f"run Skerry under Python {known} to compile for this target",
        )
