"""Deno, Chromium and the npm parts that the heavy tests need; what is absent skips the test and says how to get it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NPM_PARTS = HERE / "node_modules"
INSTALL = "run `npm ci --prefix tests/wasm/js`"


def npm_part(pattern: str) -> Path:
    """The file of an npm package that ``pattern`` finds below ``node_modules``."""
    found = sorted(NPM_PARTS.glob(pattern))
    if not found:
        pytest.skip(f"there is no {pattern}: {INSTALL}")
    return found[0]


def deno_binary() -> Path:
    """The pinned Deno."""
    return npm_part("@deno/linux-*/deno")


def chromium_binary() -> str:
    """Chromium of the PATH."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no chromium on the PATH: install Debian's package `chromium`")
    return found
