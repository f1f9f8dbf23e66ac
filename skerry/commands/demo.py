"""``skerry demo``: the whole path, shown and checked on this machine."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skerry.exit_codes import ExitCode
from skerry.options import FILE
from skerry.verb import json_option, verbose_option

if TYPE_CHECKING:
    from skerry.demo.claims import Claim

EXAMPLE = Path("examples") / "digits"


@click.command()
@click.option(
    "--example",
    type=FILE,
    default=EXAMPLE,
    show_default=True,
    help="Folder with one .onnx file, contract.toml, calibration.npz and evaluation.npz.",
)
@click.option(
    "--more",
    type=FILE,
    help="Folder of further examples, each a folder like --example: compiled to WebAssembly and served (act 7).",
)
@click.option("--report", type=FILE, help="Write every claim and whether it holds to this JSON file.")
@click.option("--keep", type=FILE, help="Work in this new folder and keep it, instead of a temporary one.")
@json_option
@verbose_option
@click.pass_context
def demo(
    context: click.Context, *, example: Path, more: Path | None, report: Path | None, keep: Path | None, as_json: bool
) -> None:  # fmt: skip
    """Show the whole path and four attacks, for real, on loopback.

    Compiles, signs, rolls out, serves, caches and reports. Exit code 1 if any claim made on the way does not hold.
    """
    from edge_bundle.canonical import dumps
    from edge_bundle.errors import NotFoundError

    if not example.is_dir():
        advice = "give --example FOLDER, or run it in a clone of Skerry's repository"
        raise NotFoundError(what="example folder", name=str(example), advice=advice)
    began = time.monotonic()
    with _folder(keep) as root:
        claims = _play(root.absolute(), example.absolute(), _examples(more), quiet=as_json)
    summary = {
        "ok": all(claim.ok for claim in claims),
        "seconds": round(time.monotonic() - began, 1),
        "claims": claims,
    }
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_bytes(dumps(summary) + b"\n")
    if as_json:
        click.echo(dumps(summary).decode())
    else:
        held = sum(claim.ok for claim in claims)
        click.echo(f"\n{held} of {len(claims)} claims hold, {summary['seconds']} s")
    if not summary["ok"]:
        context.exit(ExitCode.CHECK_FAILED)


def _examples(more: Path | None) -> tuple[Path, ...]:
    """Every folder below ``more`` that has a contract."""
    from edge_bundle.errors import NotFoundError

    if more is None:
        return ()
    found = tuple(sorted(path.parent.absolute() for path in more.glob("*/contract.toml")))
    if not found:
        advice = "make them with: python -m examples.real_models.prepare MODELS FOLDER"
        raise NotFoundError(what="folder with examples", name=str(more), advice=advice)
    return found


def _play(root: Path, example: Path, more: tuple[Path, ...], *, quiet: bool) -> list[Claim]:
    from rich.console import Console

    from skerry.demo.play import play
    from skerry.demo.show import Show
    from skerry.demo.workplace import Workplace
    from skerry.output import console
    from skerry.progress import progress_bars

    with progress_bars(quiet=quiet) as bars:
        stage = Show(Console(quiet=True) if quiet else console())
        try:
            return asyncio.run(_cancelled_by_sigterm(play(Workplace(root, example, bars, more), stage)))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


async def _cancelled_by_sigterm(work: Coroutine[None, None, list[Claim]]) -> list[Claim]:
    """End at SIGTERM as at Ctrl-C: only where the work waits, so that no child is started and then forgotten."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="skerry-demo-") as name:
        yield Path(name)
