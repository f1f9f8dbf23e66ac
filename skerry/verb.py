"""Building blocks of commands: groups that load their verbs when asked, and commands that all know ``--verbose``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

_C = TypeVar("_C", bound=Callable[..., Any])


@dataclass
class Invocation:
    """What holds for one run of the program, whichever verb it names."""

    verbose: bool = False


def _set_verbose(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Invocation).verbose = True


def verbose_option(command: _C) -> _C:
    """Add ``--verbose``, accepted before and after the verb."""
    return click.option(
        "--verbose", is_flag=True, expose_value=False, is_eager=True, callback=_set_verbose,
        help="Show the trace of an error.",
    )(command)  # fmt: skip


def json_option(command: _C) -> _C:
    """Add ``--json``: the canonical machine form on stdout instead of tables."""
    return click.option("--json", "as_json", is_flag=True, help="Print canonical JSON instead of tables.")(command)


class LazyGroup(click.Group):
    """A group whose verbs are imported when they are named, so that ``skerry agent run`` stays light."""

    def __init__(self, *args: Any, verbs: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the table."""
        del ctx
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb (``module:attribute``), and nothing else."""
        del ctx
        if cmd_name not in self._verbs:
            return None
        module, attribute = self._verbs[cmd_name].split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._verbs[cmd_name]} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a verb; an unknown one is answered with the names that come close."""
        name = args[0]
        if name not in self._verbs and not name.startswith("-"):
            raise click.exceptions.NoSuchCommand(name, possibilities=self._verbs, ctx=ctx)
        return super().resolve_command(ctx, args)
