"""What commands print: canonical JSON for machines, tables for people."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from edge_bundle.printable import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

PIPE_WIDTH = 100
"""Columns when the output is not a terminal: enough for a whole digest and its name, and for a mail or a log."""


class _Trimmed(io.TextIOBase):
    """A stream on which no line ends in blanks: rich fills every cell of a table."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Pass on the text; rich writes whole lines."""
        return self._stream.write(re.sub(r" +$", "", text, flags=re.MULTILINE))

    def flush(self) -> None:
        """Pass on."""
        self._stream.flush()


def console(*, stderr: bool = False) -> Console:
    """A console on stdout (or stderr), plain and ``PIPE_WIDTH`` wide when that is not a terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty():
        return Console(stderr=stderr, highlight=False)
    return Console(file=cast("TextIO", _Trimmed(stream)), highlight=False, width=PIPE_WIDTH)


def emit(value: object, *, as_json: bool, render: Callable[[], RenderableType]) -> None:
    """Print a result: ``value`` (Structs, dataclasses, builtins) as canonical JSON, or else what ``render`` makes."""
    if as_json:
        import msgspec

        from edge_bundle.canonical import dumps

        click.echo(dumps(msgspec.to_builtins(value, enc_hook=str)).decode())
        return
    rendered = render()
    if isinstance(rendered, str):
        click.echo(rendered)
    else:
        console().print(rendered)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
    """A plain table; columns whose name ends in ``#`` are aligned to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    # Text, not str: labels, details and advice may hold square brackets, which are markup in a str.
    result = Table(
        title=Text(title) if title else None, title_justify="left", title_style="bold",
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True,
    )  # fmt: skip
    for column in columns:
        result.add_column(column.rstrip("#"), justify="right" if column.endswith("#") else "left", overflow="fold")
    for row in rows:
        result.add_row(*map(_shown, row))
    return result


def facts(title: str, values: Mapping[str, object]) -> RenderableType:
    """Two columns, names and values; nested mappings become dotted names."""
    from rich.table import Table
    from rich.text import Text

    result = Table.grid(padding=(0, 2))
    result.add_column(no_wrap=True)
    result.add_column(overflow="fold")
    result.title, result.title_justify, result.title_style = Text(title) if title else None, "left", "bold"
    for name, value in _flatten("", values):
        result.add_row(_shown(f"  {name}"), _shown(value))
    return result


def _shown(cell: object) -> Text:
    from rich.text import Text

    return Text("" if cell is None else printable(str(cell), keep="\n"))


def _flatten(prefix: str, values: Mapping[str, object]) -> Iterable[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(f"{prefix}{name}.", value)
        elif isinstance(value, (list, tuple)):
            yield prefix + name, " ".join(str(item) for item in value)
        elif isinstance(value, Path):
            yield prefix + name, os.path.normpath(value)
        else:
            yield prefix + name, value


def shorten_digests(text: str) -> str:
    """The text with every SHA-256 digest cut to twelve digits."""
    return re.sub(r"sha256:([0-9a-f]{12})[0-9a-f]{52}", r"sha256:\1..", text)


def short(digest: str) -> str:
    """A digest for tables: its first twelve hexadecimal digits."""
    return digest.removeprefix("sha256:")[:12]


def pairs(values: Mapping[str, str]) -> str:
    """Labels and counts as ``key=value`` words."""
    return " ".join(f"{key}={value}" for key, value in sorted(values.items()))


def ago(at_ms: int) -> str:
    """A time in Unix milliseconds as its distance from now."""
    if not at_ms:
        return "never"
    seconds = max(0.0, time.time() - at_ms / 1000)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
