"""The compile report as one self-contained HTML page: no script, no outside resource, light and dark."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from compiler.compile import CompileResult
from compiler.metrics.text import interval_text, share_text
from compiler.plots import plots
from compiler.report_table import drop, short_digest

TEMPLATE = "report.html.j2"


def render_html(result: CompileResult) -> str:
    """The page. Deterministic for equal figures."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["interval"] = interval_text
    environment.filters["drop"] = drop
    environment.filters["share"] = share_text
    environment.filters["short"] = short_digest
    source = resources.files("compiler").joinpath(TEMPLATE).read_text(encoding="utf-8")
    proofs = [variant.proof for variant in result.variants]
    drawn = [(plot.title, plot.note, Markup(plot.svg)) for plot in plots(proofs, result.reference)]  # noqa: S704 - ours
    return environment.from_string(source).render(result=result, plots=drawn)
