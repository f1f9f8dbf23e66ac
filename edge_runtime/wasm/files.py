"""What the files of a WebAssembly variant are called: a module for each batch size, and the weights that they share."""

from __future__ import annotations

import re

WEIGHTS_FILE = "weights.bin"
MODULE_SUFFIX = ".wasm"

_BATCH_FILE = re.compile(r"b([1-9][0-9]{0,3})\.wasm", re.ASCII)


def module_file(batch: int) -> str:
    """Name of the module of one batch size."""
    return f"b{batch}{MODULE_SUFFIX}"


def batch_of(name: str) -> int | None:
    """The batch size that a module's name says, or ``None`` for any other name."""
    found = _BATCH_FILE.fullmatch(name)
    return int(found[1]) if found else None
