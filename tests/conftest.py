"""Shared by every test: the ``heavy`` marker, whose tests run only where their parts are installed."""

from __future__ import annotations

import os

import pytest

HEAVY_SWITCH = "SKERRY_HEAVY"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip ``heavy`` tests, saying how to run them, unless the switch is set."""
    if os.environ.get(HEAVY_SWITCH) == "1":
        return
    skip = pytest.mark.skip(
        reason=f"heavy: run with {HEAVY_SWITCH}=1 (after `npm ci` in tests/cdn_hooks and tests/wasm/js)"
    )
    for item in items:
        if "heavy" in item.keywords:
            item.add_marker(skip)
