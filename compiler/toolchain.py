"""Versions of what a compile uses; they go into manifests and provenance."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

BASE = ("numpy", "onnx", "onnxruntime", "skerry")
"""Packages whose version can change the compiled bytes of any variant."""


def versions(*extra: str) -> dict[str, str]:
    """Installed versions of the base packages and ``extra``, sorted; Python as major.minor."""
    names = sorted({*BASE, *extra})
    found = {name: _version(name) for name in names}
    found["python"] = ".".join(platform.python_version_tuple()[:2])
    return dict(sorted(found.items()))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
