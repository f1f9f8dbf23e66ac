"""Options that fix open shapes: sizes of symbolic dimensions, and batch sizes."""

from __future__ import annotations

import re
from typing import Any

import click

MAX_SIZE = (1 << 31) - 1
"""Largest size of a dimension: what a tensor's shape may hold."""

_DIM = re.compile(r"(?P<name>[^=]+)=(?P<size>[1-9][0-9]{0,9})", re.ASCII)
_BATCHES = re.compile(r"[1-9][0-9]{0,3}(,[1-9][0-9]{0,3})*", re.ASCII)


class _Dim(click.ParamType[tuple[str, int]]):
    """``NAME=SIZE`` as a pair."""

    name = "NAME=SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        found = _DIM.fullmatch(value) if isinstance(value, str) else None
        if found is None or int(found["size"]) > MAX_SIZE:
            self.fail(f"expected NAME=SIZE with a size of 1 to {MAX_SIZE}, got {value!r}", param, ctx)
        return found["name"], int(found["size"])


class _Batches(click.ParamType[tuple[int, ...]]):
    """Batch sizes with commas between them."""

    name = "SIZES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if not isinstance(value, str) or _BATCHES.fullmatch(value) is None:
            self.fail(f"expected batch sizes like 1,8, got {value!r}", param, ctx)
        return tuple(sorted({int(size) for size in value.split(",")}))


DIM = _Dim()
BATCHES = _Batches()
