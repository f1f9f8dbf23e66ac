"""The flatbuffer schema of TFLite, as ``ai-edge-litert`` ships it."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from edge_bundle.errors import RuntimeMissingError


@cache
def schema() -> Any:
    """The generated module. Importing it loads no runtime.

    Raises:
        RuntimeMissingError: ai-edge-litert is not installed.

    """
    return _import("ai_edge_litert.schema_py_generated")


def new_builder(size: int) -> Any:
    """A builder of a flatbuffer, with room for ``size`` bytes. Raises ``RuntimeMissingError`` as ``schema`` does."""
    return _import("flatbuffers").Builder(size)


def code(name: str) -> int:
    """The number of a builtin operator, such as ``CONV_2D``."""
    number: int = getattr(schema().BuiltinOperator, name)
    return number


def member(union: str, name: str) -> int:
    """The number of an enumerator, such as ``Padding`` ``SAME``."""
    number: int = getattr(getattr(schema(), union), name)
    return number


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise RuntimeMissingError(runtime="litert", extra="litert") from error
