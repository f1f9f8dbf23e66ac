"""The interpreter's package: ``ai-edge-litert``, or ``tflite-runtime`` where only that is installed.

``tflite-runtime`` is its older name: the last wheels are of 2.14, for Python up to 3.11 and NumPy 1. Importing this
module raises ``ModuleNotFoundError`` where neither is installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from types import ModuleType

PACKAGES = (("ai_edge_litert.interpreter", "ai-edge-litert"), ("tflite_runtime.interpreter", "tflite-runtime"))
"""Module and distribution, the one to prefer first."""


def choose(import_module: Callable[[str], ModuleType] = importlib.import_module) -> tuple[ModuleType, str]:
    """The first package that is installed: its interpreter module, and its distribution.

    A package that is there but cannot be imported is an error, not a reason to take the other one.

    Raises:
        ModuleNotFoundError: neither is installed; it names the preferred one.

    """
    for module, distribution in PACKAGES:
        try:
            return import_module(module), distribution
        except ModuleNotFoundError as error:
            if error.name not in (module, module.partition(".")[0]):
                raise
    raise ModuleNotFoundError(f"No module named {PACKAGES[0][0]!r}", name=PACKAGES[0][0].partition(".")[0])


interpreter, _DISTRIBUTION = choose()

VERSION = metadata.version(_DISTRIBUTION)
"""Version of the package in use."""
