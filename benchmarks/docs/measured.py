"""Parts that were measured: what the benchmarks left in ``build/`` as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FILES = {
    "conformance": ("conformance.md", "make conformance"),
    "benchmark": ("bench-wasm.md", "make bench-wasm"),
    "accuracy": ("accuracy.md", "python -m benchmarks.accuracy"),
}
"""Part of ``docs/wasm.md`` -> its file, and the command that writes the file."""

TARGET_FILES = {"matrix": ("targets.md", "make targets")}
"""The same for ``docs/targets.md``."""

LITERT_FILES = {name: (f"bench-litert-{name}.md", "make bench-litert") for name in ("steps", "agreement", "speed")}
"""The same for ``docs/litert.md``."""

QUANTIZATION_FILES = {"comparison": ("bench-quant.md", "make bench-quant")}
"""The same for ``docs/quantization.md``."""


def measured_parts(build: Path, files: Mapping[str, tuple[str, str]] = FILES) -> dict[str, str]:
    """The parts whose files are there, each with the command that made it."""
    return {
        name: f"Made by `{command}`.\n\n{path.read_text(encoding='utf-8')}"
        for name, (file, command) in files.items()
        if (path := build / file).is_file()
    }
