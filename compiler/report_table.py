"""The compile report for a terminal: rich tables. Printing them is the caller's."""

from __future__ import annotations

from rich import box
from rich.table import Table

from compiler.compile import CompileResult, VariantResult
from compiler.recompute import Row
from edge_bundle.proof import AccuracyProof

DIGEST_CHARS = 12
"""Hex digits of a digest that are shown."""

KB = 1000
MIB = 1 << 20


def variants_table(result: CompileResult) -> Table:
    """One line per variant: what was measured, and its digest. 99 columns wide; in less, cells wrap and stay whole."""
    title = f"{result.name} {result.version}"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, collapse_padding=True)
    for column in ("profile", "runtime"):
        table.add_column(column, overflow="fold")
    for column in ("accuracy (95 % CI)", "drop", "agrees", "p50 us", "p99 us", "kB", "MiB"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("digest", overflow="fold")
    for variant in result.variants:
        table.add_row(*_cells(variant, result.reference))
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


def interval(proof: AccuracyProof) -> str:
    """``99.20 % (97.96-99.69)``."""
    return f"{proof.value:.2%} ({proof.low * 100:.2f}-{proof.high * 100:.2f})".replace("%", " %")


def number(value: float | bool | None) -> str:
    """A figure without needless digits."""
    if value is None:
        return "not measured"
    return str(value).lower() if isinstance(value, bool) else f"{value:.6g}"


def short_digest(digest: str) -> str:
    """The first hex digits."""
    return digest.removeprefix("sha256:")[:DIGEST_CHARS]


def _cells(variant: VariantResult, reference: AccuracyProof) -> tuple[str, ...]:
    proof = variant.proof
    return (
        proof.profile,
        f"{variant.manifest.runtime} {proof.precision.value}",
        interval(proof.accuracy),
        f"{(reference.value - proof.accuracy.value) * 100:+.2f}",
        f"{proof.agreement.top1:.1%}".replace("%", " %"),
        f"{proof.latency.p50_us:.1f}",
        f"{proof.latency.p99_us:.1f}",
        f"{proof.artifact_bytes / KB:.1f}",
        f"{proof.peak_rss_bytes / MIB:.1f}",
        short_digest(proof.variant_digest),
    )
