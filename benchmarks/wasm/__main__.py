"""Measure the WebAssembly target: ``python -m benchmarks.wasm [--only MODEL] [--precision P] [--engine E] [--steps]``.

Without a choice of models, precisions or engines everything is measured, and the rows are written. The peers in Node
come from ``npm ci --prefix benchmarks/wasm`` (``make bench-wasm`` sees to it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from benchmarks.rows import Row, fact, figure, write_rows
from benchmarks.subjects import DEFAULT_MODELS
from benchmarks.wasm.engines import EngineName
from benchmarks.wasm.host_call import host_call_us
from benchmarks.wasm.jobs import Job, make_jobs
from benchmarks.wasm.latency import Latency, Plan, measure
from benchmarks.wasm.models import MODELS, Precision
from benchmarks.wasm.module_figures import module_rows
from benchmarks.wasm.report import comparison_rows, latency_rows, latency_table, markdown, rows_table
from compiler.wasm_tools.anatomy import dissect
from compiler.wasm_tools.instance import Instance
from compiler.wasm_tools.timing import by_kernel, time_steps, timed
from hardware_profiles.detect import detect
from skerry.step_tables import kernels_table, steps_table

REDIRECTED_WIDTH = 120
"""Columns where the output is no terminal."""

HOST_CALL_S = 0.5
HOST_CALL_TARGET_US = 10.0
"""Calling a module, tensors in and out included, may cost so much."""


def _listed(names: Iterable[str]) -> Callable[[click.Context, click.Parameter, str], tuple[str, ...]]:
    """A callback for a comma-separated option."""
    known = tuple(names)

    def parse(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
        chosen = tuple(filter(None, value.split(",")))
        for name in chosen:
            if name not in known:
                raise click.BadParameter(f"expected some of {','.join(known)}, got {name!r}")
        return chosen

    return parse


@click.command()
@click.option("--only", default="", metavar="MODELS", callback=_listed(model.name for model in MODELS))
@click.option("--precision", default="", metavar="PRECISIONS", callback=_listed(Precision))
@click.option("--engine", default="", metavar="ENGINES", callback=_listed(EngineName))
@click.option("--steps", is_flag=True, help="Time each step under wasmtime, and nothing else.")
@click.option("--rounds", type=click.IntRange(2, 100), default=Plan.rounds, help="Rounds of segments.")
@click.option("--seconds", type=click.FloatRange(0.01, 60.0), default=Plan.seconds, help="Length of a segment.")
@click.option("--models", type=click.Path(path_type=Path), default=DEFAULT_MODELS, help="Directory of the models.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/bench-wasm.json"), help="Where rows go.")
def main(
    only: tuple[str, ...],
    precision: tuple[str, ...],
    engine: tuple[str, ...],
    steps: bool,
    rounds: int,
    seconds: float,
    models: Path,
    out: Path,
) -> None:
    """Measure and show tables; a whole run also writes its rows. Lists are separated by commas."""
    console = Console(width=None if sys.stdout.isatty() else REDIRECTED_WIDTH)
    jobs = list(make_jobs(models, only=only, precisions=precision, say=lambda text: console.print(text, markup=False)))
    if steps:
        for job in jobs:
            _show_steps(console, job, seconds)
        return
    engines = [EngineName(name) for name in engine] or list(EngineName)
    latencies = _measure(console, jobs, engines, Plan(rounds=rounds, seconds=seconds))
    console.print(latency_table(latencies))
    if only or precision or engine:
        return
    figures = [*comparison_rows(latencies), *_module_figures(jobs)]
    console.print(rows_table(figures))
    facts = list(_facts(latencies))
    write_rows([*figures, *latency_rows(latencies), *facts], out)
    out.with_suffix(".md").write_text(markdown(figures, latencies, facts))
    console.print(f"rows in {out}, tables in {out.with_suffix('.md')}")


def _measure(console: Console, jobs: Sequence[Job], engines: Sequence[EngineName], plan: Plan) -> list[Latency]:
    with Progress(console=console) as progress:
        total = sum(len(job.engines(engines)) for job in jobs) * (plan.rounds + 1)
        task = progress.add_task("latency", total=total)
        found = []
        for job in jobs:
            progress.update(task, description=job.name)
            if job.engines(engines):
                found.append(measure(job, engines, plan, lambda: progress.advance(task)))
        return found


def _module_figures(jobs: Sequence[Job]) -> Iterator[Row]:
    """Rows of every model that was compiled in each of its precisions, and the cost of a call."""
    for model in MODELS:
        made = [(job.onnx, job.compiled) for job in jobs if job.model is model and job.compiled is not None]
        if len(made) == len(model.precisions):
            yield from module_rows(model, made)
    yield figure("host_call_us", host_call_us(HOST_CALL_S), "us", HOST_CALL_TARGET_US)


def _facts(latencies: Sequence[Latency]) -> Iterator[Row]:
    """The machine and the versions: a figure holds for these."""
    machine = detect()
    yield fact("machine", f"{machine.cpu}, {machine.cores} cores, {machine.os} {machine.arch}, Python {machine.python}")
    versions = {engine: text for latency in latencies for engine, text in latency.versions.items()}
    for engine, text in versions.items():
        yield fact(f"version/{engine.value}", text)


def _show_steps(console: Console, job: Job, seconds: float) -> None:
    """The tables of one module's steps."""
    if job.compiled is None:
        return
    info, code = job.compiled.module.info, job.compiled.module.standalone()
    with Instance(code, info) as instance:
        times = time_steps(instance, job.rows, seconds=seconds)
    steps = timed(dissect(code, info).steps, times)
    total = sum(one.us for one in steps)
    console.print(f"{job.name}: one run {times.run_us:.2f} us, the sum of its steps {total:.2f} us", markup=False)
    console.print(steps_table(steps))
    console.print(kernels_table(by_kernel(steps)))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.wasm")
