"""The compile report as one self-contained HTML page: no script, no outside resource, light and dark."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from compiler.compile import CompileResult
from compiler.metrics.text import interval_text
from compiler.reports import proof_text
from compiler.reports.plots.page import plots
from compiler.reports.tables import short_digest

TEMPLATE = "page.html.j2"


def render_html(result: CompileResult) -> str:
    """The page. Deterministic for equal figures."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["interval"] = interval_text
    environment.filters["short"] = short_digest
    source = resources.files("compiler.reports").joinpath(TEMPLATE).read_text(encoding="utf-8")
    proofs = [variant.proof for variant in result.variants]
    drawn = [
        (plot, Markup(plot.svg))  # noqa: S704 - our own drawing
        for plot in plots(proofs, result.reference, result.quantized)
    ]
    return environment.from_string(source).render(
        result=result, proofs=proofs, plots=drawn, text=proof_text, kept=proof_text.kept_layers(proofs)
    )
