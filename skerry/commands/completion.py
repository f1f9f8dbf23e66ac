"""``skerry completion``: the script that makes a shell complete verbs, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from skerry.verb import verbose_option

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@verbose_option
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a SHELL.

    For bash, add to ~/.bashrc: eval "$(skerry completion bash)"
    """
    source = get_completion_class(shell)
    if source is None:
        raise click.UsageError(f"no completion for {shell}", ctx=context)
    click.echo(source(context.find_root().command, {}, "skerry", "_SKERRY_COMPLETE").source())
