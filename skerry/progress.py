"""Progress of long work on stderr: bars on a terminal, one line per stage elsewhere, nothing when asked for JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from skerry.native_output import native_output_on_stderr

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from compiler.progress import Progress


class PlainLines:
    """One line per finished stage, for logs and pipes."""

    def __init__(self) -> None:
        self._stage, self._began = "", 0.0

    def start(self, stage: str, total: int) -> None:
        """Remember when the stage began."""
        del total
        self._stage, self._began = stage, time.monotonic()

    def advance(self, steps: int = 1) -> None:
        """Lines show stages, not steps."""

    def done(self) -> None:
        """Say how long the stage took."""
        click.echo(f"  {self._stage:<48} {time.monotonic() - self._began:6.2f} s", err=True)


class RichBars:
    """One moving bar, for the stage under way; it goes when the stage is over."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def start(self, stage: str, total: int) -> None:
        """Show a bar; it pulses while the number of steps is unknown. That of a stage which failed goes."""
        self.done()
        self._task = self._bars.add_task(stage, total=total or None)

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def done(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


@contextmanager
def progress_bars(*, quiet: bool = False) -> Iterator[Progress]:
    """The kind of progress that fits where stderr goes; runtimes that work meanwhile write nothing to stdout."""
    with native_output_on_stderr(), _progress(quiet=quiet) as progress:
        yield progress


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    if quiet:
        from compiler.progress import Silent

        yield Silent()
    elif not sys.stderr.isatty():
        yield PlainLines()
    else:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        from skerry.output import console

        columns = (TextColumn("  {task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with RichProgress(*columns, console=console(stderr=True), transient=True) as bars:
            yield RichBars(bars)
