"""Measure the WebAssembly target: ``python -m benchmarks.wasm [--only MODEL] [--precision P] [--steps]``."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from benchmarks.subjects import DEFAULT_MODELS
from benchmarks.wasm.instance import Instance
from benchmarks.wasm.models import MODELS, Precision, find_model, graph, inputs
from benchmarks.wasm.steps import kernels_table, steps_table, time_steps
from compiler.wasm.compile import compile_module

REDIRECTED_WIDTH = 120
"""Columns where the output is no terminal."""


@click.command()
@click.option("--only", multiple=True, type=click.Choice([model.name for model in MODELS]), help="Only this model.")
@click.option("--precision", multiple=True, type=click.Choice([p.value for p in Precision]), help="Only this one.")
@click.option("--steps", is_flag=True, help="Time each step under wasmtime, and nothing else.")
@click.option("--seconds", type=click.FloatRange(0.01, 60.0), default=1.0, help="Length of one measurement.")
@click.option("--models", type=click.Path(path_type=Path), default=DEFAULT_MODELS, help="Directory of the models.")
def main(only: tuple[str, ...], precision: tuple[str, ...], steps: bool, seconds: float, models: Path) -> None:
    """Measure, show tables, write rows as JSON."""
    console = Console(width=None if sys.stdout.isatty() else REDIRECTED_WIDTH)
    chosen = [
        (model, one)
        for model in MODELS
        for one in model.precisions
        if (not only or model.name in only) and (not precision or one.value in precision)
    ]
    if steps:
        for model, one in chosen:
            show_steps(console, model.name, one, models, seconds)


def show_steps(console: Console, name: str, precision: Precision, models: Path, seconds: float) -> None:
    """The tables of one module's steps."""
    module = compile_module(graph(name, precision, models), find_model(name).options())
    instance = Instance(module.standalone(), module.info)
    times = time_steps(instance, inputs(name, models)[:8], seconds=seconds)
    console.print(steps_table(times, title=f"{name} {precision.value}"))
    console.print(kernels_table(times))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.wasm")
