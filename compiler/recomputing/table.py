"""Signed figures beside those measured again, for a terminal. Printing is the caller's."""

from __future__ import annotations

from itertools import groupby

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compiler.recomputing.recomputed import Row, Value
from edge_bundle.printable import printable

DIGEST_CHARS = 12
"""Hex digits of a digest that are shown."""

VERDICTS = {True: ("holds", "green"), False: ("DIFFERS", "bold red"), None: ("shown", "dim")}


def recompute_tables(rows: tuple[Row, ...]) -> RenderableType:
    """One table per variant."""
    return Group(*(_table(profile, tuple(some)) for profile, some in groupby(rows, key=lambda row: row.profile)))


def _table(profile: str, rows: tuple[Row, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=_text(f"recomputed {profile}"), title_justify="left", pad_edge=False)
    table.add_column("figure")
    table.add_column("signed", justify="right", no_wrap=True)
    table.add_column("recomputed", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    before = ""
    for row in rows:
        word, style = VERDICTS[row.ok]
        note = "as above" if row.note and row.note == before else row.note
        verdict = Text(word, style=style).append(printable(f": {note}") if note else "", style="dim")
        table.add_row(_text(row.figure), _text(number(row.signed)), _text(number(row.recomputed)), verdict)
        before = row.note
    return table


def _text(words: str) -> Text:
    """Words of a signed file. Text, not str: they may hold square brackets, which are markup in a str."""
    return Text(printable(words))


def number(value: Value) -> str:
    """A figure without needless digits, a digest by its first."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str():
            return value.removeprefix("sha256:")[:DIGEST_CHARS]
        case _:
            return f"{value:.6g}"
