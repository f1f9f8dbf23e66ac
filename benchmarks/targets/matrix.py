"""The matrix of models and profiles: for a terminal, and as Markdown for ``docs/targets.md``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.docs.tables import table
from benchmarks.targets.outcome import Outcome, Status
from edge_bundle.proof import Execution

LOSSLESS_DB = 100.0
"""Above this nothing but the order of float additions differs."""

_COLOURS = {Status.COMPILED: "green", Status.REFUSED: "yellow", Status.FAILED: "bold red"}


def matrix(outcomes: Sequence[Outcome]) -> RenderableType:
    """A row per profile, a column per model; then the reasons of what was refused."""
    models, profiles = _names(outcomes)
    by_place = {(one.profile, one.model): one for one in outcomes}
    grid = Table(box=None, pad_edge=False, title="SQNR against float, median latency", title_justify="left")
    for head in ("profile", "runs on", *models):
        grid.add_column(head, no_wrap=True)
    for profile in profiles:
        here = [by_place.get((profile, model)) for model in models]
        grid.add_row(profile, _runs_on(here), *(_coloured(one) for one in here))
    reasons = Table(box=None, pad_edge=False, title="refused", title_justify="left")
    for head in ("profile", "models", "reason"):
        reasons.add_column(head, overflow="fold")
    for profile, names, reason in refusals(outcomes):
        reasons.add_row(profile, names, Text(reason))
    return Group(grid, "", reasons)


def matrix_markdown(outcomes: Sequence[Outcome]) -> str:
    """A row per profile; a cell has SQNR, agreement, latency and placement, as far as there are any."""
    models, profiles = _names(outcomes)
    by_place = {(one.profile, one.model): one for one in outcomes}
    rows = []
    for profile in profiles:
        here = [by_place.get((profile, model)) for model in models]
        rows.append((f"`{profile}`", _runs_on(here), *(", ".join(_figures(one)) if one else "" for one in here)))
    return table(("profile", "runs on", *models), rows)


def page_part(outcomes: Sequence[Outcome], machine: str) -> str:
    """What goes into ``docs/targets.md``: the matrix, and the reasons of what was refused."""
    counts = ", ".join(f"{sum(one.status is status for one in outcomes)} {status.value}" for status in Status)
    return f"{machine}: {counts}.\n\n{matrix_markdown(outcomes)}\n{refusals_markdown(outcomes)}"


def refusals_markdown(outcomes: Sequence[Outcome]) -> str:
    """Why what was refused was refused."""
    rows = [(f"`{profile}`", models, reason) for profile, models, reason in refusals(outcomes)]
    return table(("profile", "models", "reason"), rows) if rows else "Nothing was refused.\n"


def refusals(outcomes: Sequence[Outcome]) -> list[tuple[str, str, str]]:
    """Profile, models with the same reason, and the reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in outcomes:
        if one.status is not Status.COMPILED:
            reason = one.reason.replace(f"profile {one.profile}", "the profile")
            found.setdefault((one.profile, f"{reason} [{one.error}]" if one.error else reason), []).append(one.model)
    return [(profile, ", ".join(models), reason) for (profile, reason), models in sorted(found.items())]


def _names(outcomes: Sequence[Outcome]) -> tuple[list[str], list[str]]:
    """Models in the order of the run; profiles by runtime and name."""
    models = list(dict.fromkeys(one.model for one in outcomes))
    profiles = sorted({(one.runtime, one.profile) for one in outcomes})
    return models, [profile for _, profile in profiles]


def _runs_on(here: Sequence[Outcome | None]) -> str:
    one = next(filter(None, here))
    return f"{one.runtime} {one.precision}"


def _coloured(one: Outcome | None) -> Text:
    return Text("\n".join(_figures(one)), style=_COLOURS[one.status]) if one else Text("")


def _figures(one: Outcome) -> list[str]:
    """The cell of one outcome, figure by figure."""
    if one.status is not Status.COMPILED:
        return [one.status.value]
    figures = [decibel(one.sqnr_db)]
    if one.agreement is not None:
        figures.append(f"{one.agreement:.1%} agree".replace("%", " %"))
    if one.p50_us is not None:
        figures.append(f"{one.p50_us:,.0f} us")
    elif one.estimate_us is not None:
        figures.append(f"est. {one.estimate_us:,.0f} us")
    if one.execution != Execution.DEVICE.value:
        figures.append(one.execution)
    if one.placement_pct is not None:
        figures.append(f"{one.placement_pct:.0f} % on device".replace("100 % on", "all on"))
    if one.kept_layers:
        figures.append(f"{one.kept_layers} kept")
    return figures


def decibel(sqnr_db: float | None) -> str:
    """``35.2 dB``, or ``lossless``."""
    return "lossless" if sqnr_db is None or sqnr_db > LOSSLESS_DB else f"{sqnr_db:.1f} dB"
