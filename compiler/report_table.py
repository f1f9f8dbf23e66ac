"""The compile report for a terminal: rich tables. Printing them is the caller's."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table

from compiler.compile import CompileResult, VariantResult
from compiler.metrics.text import drop_of, drop_text, interval_text, share_text
from compiler.recompute import Row
from edge_bundle.proof import AccuracyProof

DIGEST_CHARS = 12
"""Hex digits of a digest that are shown."""

UNLIMITED = 10_000
"""Columns under which a table is measured to learn what it would like to have."""

KB = 1000
MIB = 1 << 20


FIGURES = ("accuracy (95 % CI)", "drop", "agrees", "p50 us", "p99 us", "kB", "MiB")
"""Columns with numbers, to the right; ``MiB`` is peak memory, ``kB`` the artifact."""

QUALITY = ("profile", "accuracy (95 % CI)", "drop", "agrees", "digest")
COST = ("profile", "runtime", "p50 us", "p99 us", "kB", "MiB")


@dataclass(frozen=True)
class Fitting:
    """The first of ``choices`` that the terminal has room for, else the last: no figure is cut or broken in two."""

    choices: tuple[RenderableType, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by rich with the width at hand."""
        room = options.update_width(UNLIMITED)
        fits = (choice for choice in self.choices if console.measure(choice, options=room).maximum <= options.max_width)
        yield next(fits, self.choices[-1])


def variants_table(result: CompileResult) -> Fitting:
    """One line per variant: what was measured, and its digest.

    Below 118 columns without the runtime, which the profile implies; below 98, two tables of at most 72.
    """
    title = f"{result.name} {result.version}"
    cells = [_cells(variant, result.reference) for variant in result.variants]
    whole = _table(title, ("profile", "runtime", *FIGURES, "digest"), cells)
    short = _table(title, ("profile", *FIGURES, "digest"), cells)
    return Fitting((whole, short, Group(_table(title, QUALITY, cells), _table("", COST, cells))))


def _table(title: str, columns: tuple[str, ...], rows: list[dict[str, str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(column, justify="right" if column in FIGURES else "left", overflow="fold")
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    return table


def passes_table(result: CompileResult) -> Table:
    """One line per pass: the graph after it."""
    table = Table(box=box.SIMPLE_HEAD, title="passes", title_justify="left")
    table.add_column("pass", no_wrap=True)
    for column in ("nodes", "parameters", "graph kB"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("operators")
    before: dict[str, int] | None = None
    for stage in result.stages:
        counts = dict(stage.op_counts)
        if counts == before:
            continue
        before = counts
        operators = ", ".join(f"{name} {count}" for name, count in counts.items())
        table.add_row(
            stage.name,
            str(sum(counts.values())),
            f"{stage.parameters:,}",
            f"{stage.graph_bytes / KB:.1f}",
            operators,
        )
    return table


def recompute_table(rows: tuple[Row, ...]) -> Table:
    """Signed figures beside the ones measured again."""
    table = Table(box=box.SIMPLE_HEAD, title="recomputed", title_justify="left")
    table.add_column("profile", no_wrap=True)
    table.add_column("figure", no_wrap=True)
    table.add_column("signed", justify="right", no_wrap=True)
    table.add_column("recomputed", justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        verdict = {True: "[green]equal[/green]", False: "[bold red]DIFFERS[/bold red]", None: "[dim]shown[/dim]"}[
            row.ok
        ]
        table.add_row(row.profile, row.figure, number(row.signed), number(row.recomputed), verdict)
    return table


def drop(got: AccuracyProof, reference: AccuracyProof) -> str:
    """How much worse than the fp32 model, in points or the metric's own unit."""
    return drop_text(got.metric, drop_of(got, reference))


def number(value: float | bool | None) -> str:
    """A figure without needless digits."""
    if value is None:
        return "not measured"
    return str(value).lower() if isinstance(value, bool) else f"{value:.6g}"


def short_digest(digest: str) -> str:
    """The first hex digits."""
    return digest.removeprefix("sha256:")[:DIGEST_CHARS]


def _cells(variant: VariantResult, reference: AccuracyProof) -> dict[str, str]:
    proof = variant.proof
    return {
        "profile": proof.profile,
        "runtime": f"{variant.manifest.runtime} {proof.precision.value}",
        "accuracy (95 % CI)": interval_text(proof.accuracy),
        "drop": drop(proof.accuracy, reference),
        "agrees": share_text(proof.agreement.top1),
        "p50 us": f"{proof.latency.p50_us:.1f}" if proof.latency else "",
        "p99 us": f"{proof.latency.p99_us:.1f}" if proof.latency else "",
        "kB": f"{proof.artifact_bytes / KB:.1f}",
        "MiB": f"{proof.peak_rss_bytes / MIB:.1f}",
        "digest": short_digest(proof.variant_digest),
    }
