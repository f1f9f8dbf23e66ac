"""One module as a self-contained web page: time by kernel and node, memory, steps. No script, no outside resource."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from compiler.wasm_tools.anatomy import Anatomy
from compiler.wasm_tools.chart import flame, memory_map
from compiler.wasm_tools.timing import TimedStep, Times

TEMPLATE = "page.html.j2"


def render_page(title: str, anatomy: Anatomy, steps: tuple[TimedStep, ...], times: Times) -> str:
    """The page. Deterministic for equal figures."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = resources.files("compiler.wasm_tools").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(
        title=title,
        anatomy=anatomy,
        steps=steps,
        times=times,
        flame=Markup(flame(steps, times.run_us)),  # noqa: S704 - ours, its texts escaped
        memory=Markup(memory_map(anatomy)),  # noqa: S704
    )
