"""Which runtimes are installed, told from package metadata alone: no runtime is imported for it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata

DISTRIBUTIONS = {
    "litert": ("ai-edge-litert", "tflite-runtime"),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
    "openvino": ("openvino",),
    "qnn": ("onnxruntime-qnn",),
    "wasm": ("wasmtime",),
}
"""Runtime to the packages that bring it, the usual one first (its extra has the runtime's name)."""


def installed_version(package: str) -> str | None:
    """The version of an installed package, or ``None``."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def installed_runtimes(version_of: Callable[[str], str | None] = installed_version) -> dict[str, str]:
    """Runtime to version, for those that are installed."""
    found: dict[str, str] = {}
    for runtime, packages in DISTRIBUTIONS.items():
        version = next((v for v in map(version_of, packages) if v is not None), None)
        if version is not None:
            found[runtime] = version
    return found
