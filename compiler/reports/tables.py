"""The compile report for a terminal: rich tables. Printing them is the caller's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from compiler.compile import CompileResult, VariantResult
from compiler.metrics.text import interval_text, metric_title
from compiler.reports import proof_text
from edge_bundle.printable import printable
from edge_bundle.proof import AccuracyProof, Proof

DIGEST_CHARS = 12
"""Hex digits of a digest that are shown."""

UNLIMITED = 10_000
"""Columns under which a table is measured to learn what it would like to have."""

MAX_KEPT = 24
"""Layers that are listed; the page and ``--json`` have them all."""

KB = 1000
MIB = 1 << 20

QUALITY = ("accuracy (95 % CI)", "drop", "paired (95 % CI)", "agrees", "SQNR dB")
COST = ("p50 us", "p90 us", "p99 us", "kB", "MiB")
"""``MiB`` is peak memory, ``kB`` the artifact."""

SHORT_QUALITY = ("accuracy (95 % CI)", "drop", "agrees", "SQNR dB")
OPTIONAL = ("on device", "measured")
"""Columns that are left out where no variant has anything to say in them."""

FIGURES = frozenset({*QUALITY, *COST, "to the winner"})
"""Columns that are aligned to the right."""


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
    """One line per variant: what was measured, and its digest; two tables where the terminal is too narrow for one."""
    title = f"{result.name} {result.version}"
    cells = [_cells(variant, result.reference) for variant in result.variants]
    optional = tuple(column for column in OPTIONAL if any(row[column] for row in cells))
    named = metric_title(result.reference.metric)

    def table(title: str, *columns: str) -> Table:
        return _variants(title, columns, cells, named)

    whole = table(title, "profile", "runtime", *QUALITY, *COST, *optional, "digest")
    quality = table(title, "profile", *QUALITY)
    cost = table("", "profile", "runtime", *COST, *optional, "digest")
    short = [table(title, "profile", *SHORT_QUALITY), table("", "profile", *COST, "digest")]
    rest = [table("", "profile", "runtime", *optional)] if optional else []
    return Fitting((whole, Group(quality, cost), Group(quality, *short[1:], *rest), Group(*short, *rest)))


def notes_tables(result: CompileResult) -> Group:
    """Whatever else there is to say: refused profiles with the reason, races, slices, layers kept in more bits."""
    proofs = [variant.proof for variant in result.variants]
    kept = [
        (profiles, f"{layer.operator} {layer.layer}", layer.precision, layer.reason)
        for profiles, layer in proof_text.kept_layers(proofs)
    ]
    more = [("", f"and {len(kept) - MAX_KEPT} more", "", "")] if len(kept) > MAX_KEPT else []
    return Group(
        *_slices(proofs),
        *_listed("layers kept in more bits", ("profiles", "layer", "precision", "reason"), [*kept[:MAX_KEPT], *more]),
        *_listed("races", ("profile", "candidate", "p50 us", "to the winner", "result"), _races(result)),
        *_listed("refused", ("profile", "pass", "reason", "what to do"), _refusals(result)),
    )


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


def _text(words: str) -> Text:
    """Words of a model, a data set or a tool: nothing in them is markup, or moves the cursor."""
    return Text(printable(words))


def short_digest(digest: str) -> str:
    """The first hex digits."""
    return digest.removeprefix("sha256:")[:DIGEST_CHARS]


def _slices(proofs: Sequence[Proof]) -> Iterable[Fitting]:
    """A column for each slice, or a row where there is no room."""
    names = sorted({name for proof in proofs for name in proof.slices})
    columns = ("profile", *names)
    by_profile = [
        (proof.profile, *(interval_text(proof.slices[name]) if name in proof.slices else "" for name in names))
        for proof in proofs
    ]
    rows = [(name, *row) for index, name in enumerate(names, 1) for row in ((one[0], one[index]) for one in by_profile)]
    named = metric_title(proofs[0].accuracy.metric) if proofs else ""
    title = f"{named} by slice (95 % CI)"
    for wide in _listed(title, columns, by_profile if names else ()):
        yield Fitting((wide, *_listed(title, ("slice", "profile", named), rows)))


def _refusals(result: CompileResult) -> Iterable[tuple[str, ...]]:
    for one in result.refused:
        yield one.profile.name, one.stage, f"{one.error} [{one.error.name}]", one.error.advice


def _races(result: CompileResult) -> Iterable[tuple[str, ...]]:
    for race in result.races:
        for one in race.field:
            yield (
                race.profile,
                f"{one.runtime} {one.precision.value}",
                "" if one.p50_us is None else f"{one.p50_us:.1f}",
                "" if one.behind is None else f"{one.behind:.2f}x",
                one.refusal or ("won" if one.won else "slower"),
            )


def _listed(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[Table]:
    """A table with room for sentences, if there are rows; names and reasons are text, not markup."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, collapse_padding=True)
    for column in columns:
        table.add_column(_text(column), overflow="fold", justify="right" if column in FIGURES else "left")
    for row in rows:
        table.add_row(*map(_text, row))
    if table.row_count:
        yield table


def _variants(title: str, columns: tuple[str, ...], rows: list[dict[str, str]], named: str) -> Table:
    """``named`` is what the contract calls accuracy: of an error, for one, less is better."""
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, collapse_padding=True)
    for column in columns:
        heading = column.replace("accuracy", named)
        table.add_column(heading, justify="right" if column in FIGURES else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(row[column]) for column in columns))
    return table


def _cells(variant: VariantResult, reference: AccuracyProof) -> dict[str, str]:
    proof = variant.proof
    p50, p90, p99 = proof_text.latency_texts(proof)
    return {
        "profile": proof.profile,
        "runtime": f"{variant.manifest.runtime} {proof.precision.value}",
        "accuracy (95 % CI)": interval_text(proof.accuracy),
        "drop": proof_text.loss_text(proof.accuracy, reference),
        "paired (95 % CI)": proof_text.paired_text(proof.paired, proof.accuracy.metric),
        "agrees": proof_text.agreement_text(proof.agreement),
        "SQNR dB": proof_text.sqnr_text(proof.agreement),
        "p50 us": p50,
        "p90 us": p90,
        "p99 us": p99,
        "kB": f"{proof.artifact_bytes / KB:,.1f}",
        "MiB": f"{proof.peak_rss_bytes / MIB:.1f}",
        "on device": proof_text.placement_text(proof.placement) if proof.placement else "",
        "measured": proof_text.execution_text(proof),
        "digest": short_digest(proof.variant_digest),
    }
