"""Time kernels: ``python -m benchmarks.kernels [--only PATTERN] [--rounds N] [--int8] [--no-winograd]``."""

from __future__ import annotations

import fnmatch

import click
from rich.console import Console
from rich.table import Table

from benchmarks.kernels.cases import Case, cases
from benchmarks.kernels.engines import Engine, Node, Wasmtime
from benchmarks.kernels.integers import compile_integer
from benchmarks.kernels.repeat import repeating
from benchmarks.node import node_binaries
from compiler.wasm.options import WasmOptions


@click.command()
@click.option("--only", default="*", help="Pattern of case names, as in a shell.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=15, help="Turns of each kernel.")
@click.option("--no-winograd", is_flag=True, help="Direct 3x3 convolutions.")
@click.option("--int8", is_flag=True, help="The integer kernels of the same shapes.")
def main(only: str, rounds: int, no_winograd: bool, int8: bool) -> None:
    """Microseconds and GFLOP/s (GOP/s) of every layer in every engine, then the sum of each model's layers."""
    chosen = [case for case in cases() if fnmatch.fnmatch(case.name, only)]
    options = WasmOptions(winograd=not no_winograd)
    modules = [compile_integer(case, options) if int8 else case.compile(options) for case in chosen]
    code = [repeating(module) for module in modules]
    engines = _engines()
    times = {engine.name: engine.time(code, rounds) for engine in engines}
    table = Table(
        "layer", "kernel", "n", "bytes", *(f"{engine.name} us" for engine in engines), *("GFLOP/s" for _ in engines)
    )
    for index, (case, module) in enumerate(zip(chosen, modules, strict=True)):
        step = module.info.steps[0]
        seconds = [times[engine.name][index] for engine in engines]
        rates = [f"{step.flops / one / 1e9:.1f}" for one in seconds]
        table.add_row(
            case.name, step.op, str(case.count), str(len(module.code)), *(f"{one * 1e6:.2f}" for one in seconds), *rates
        )
    _add_sums(table, chosen, times)
    Console(width=160).print(table)


def _add_sums(table: Table, chosen: list[Case], times: dict[str, list[float]]) -> None:
    for model in dict.fromkeys(case.model for case in chosen):
        sums = [
            sum(case.count * one for case, one in zip(chosen, column, strict=True) if case.model == model)
            for column in times.values()
        ]
        table.add_row(f"{model}: all layers", "", "", "", *(f"{total * 1e6:.1f}" for total in sums))


def _engines() -> list[Engine]:
    """Wasmtime, and every Node that is there."""
    return [Wasmtime(), *(Node(binary) for binary in node_binaries())]


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.kernels")
