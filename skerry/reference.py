"""``python -m skerry.reference FILE``: writes the command reference from the help texts, so that it cannot rot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from skerry.cli import cli

WIDTH = 100
HEADER = """\
# Command reference

Written by `make docs` from the help of every command; a test compares the two.
"""


def reference() -> str:
    """The whole page: every command with its help text, in the order of the table of verbs."""
    sections = [f"## {path}\n\n```text\n{text.rstrip()}\n```\n" for path, text in _helps(cli, "skerry", None)]
    return "\n".join([HEADER, *sections])


def _helps(command: click.Command, path: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    info = path.rsplit(" ", 1)[-1]
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=info, parent=parent, **settings)
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _helps(child, f"{path} {name}", context)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference())
