"""``skerry wasm``: look into WebAssembly modules, and take them elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from skerry.options import FILE
from skerry.output import emit, facts
from skerry.shape_options import DIM
from skerry.verb import json_option, verbose_option
from skerry.whole_file import write_whole

if TYPE_CHECKING:
    from rich.console import RenderableType

    from compiler.wasm.options import WasmOptions
    from compiler.wasm_tools.anatomy import Anatomy
    from compiler.wasm_tools.timing import Times
    from edge_runtime.wasm.abi import ModuleInfo

MODULE_SUFFIX = ".wasm"

_C = TypeVar("_C", bound=Callable[..., Any])


def source_options(command: _C) -> _C:
    """Options that say which module SOURCE means."""
    for option in (
        click.option("--no-winograd", is_flag=True, help="Compile float 3x3 convolutions as direct sums."),
        click.option("--dim", "dims", type=DIM, multiple=True, help="Size of a symbolic dimension; repeat."),
        click.option("--batch", type=click.IntRange(1, 4096), default=1, show_default=True, help="Rows in one run."),
        click.option("--profile", help="Variant of a bundle that has several for WebAssembly."),
    ):
        command = option(command)
    return command


@click.group()
def wasm() -> None:
    """Look into WebAssembly modules, and take them elsewhere.

    SOURCE is a .wasm file, a bundle (folder or .tar) with a WebAssembly variant, or an ONNX file, which is compiled.
    """


@wasm.command()
@click.argument("source", type=FILE)
@source_options
@click.option(
    "--seconds", type=click.FloatRange(0.05, 600), default=1.0, show_default=True, help="Time to measure for."
)
@click.option("--html", type=FILE, help="Write the figures as a web page with a flame-like chart.")
@json_option
@verbose_option
def inspect(
    source: Path, *, profile: str | None, batch: int, dims: tuple[tuple[str, int], ...], no_winograd: bool,
    seconds: float, html: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Show time, code and memory of each node and kernel of SOURCE.

    Times are the shortest of many runs on this machine, under wasmtime, on one thread, with noise as input.
    """
    from rich.console import Group

    from compiler.wasm_tools.anatomy import dissect
    from compiler.wasm_tools.instance import Instance
    from compiler.wasm_tools.page import render_page
    from compiler.wasm_tools.timing import by_kernel, noise, time_steps, timed
    from skerry.step_tables import kernels_table, steps_table

    module, info = _module(source, profile, _options(batch, dims, winograd=not no_winograd))
    anatomy = dissect(module, info)
    with Instance(module, info) as instance:
        times = time_steps(instance, [noise(info)], seconds=seconds)
    steps = timed(anatomy.steps, times)
    kernels = by_kernel(steps)
    if html is not None:
        write_whole(html, render_page(source.name, anatomy, steps, times).encode())
    value = {
        "module": anatomy,
        "run_us": times.run_us,
        "steps": steps,
        "kernels": [{"op": one.op, "steps": len(one.steps), "us": one.us, "share": one.share} for one in kernels],
    }
    summary = _summary(source, anatomy, times)
    emit(value, as_json=as_json, render=lambda: Group(summary, "", steps_table(steps), "", kernels_table(kernels)))


@wasm.command()
@click.argument("source", type=FILE)
@source_options
@click.option("--step", help="Only the code of this node (or step number), and the kernels that it calls.")
@verbose_option
def disasm(
    source: Path,
    *,
    profile: str | None,
    batch: int,
    dims: tuple[tuple[str, int], ...],
    no_winograd: bool,
    step: str | None,
) -> None:
    """Print the instructions of SOURCE, function by function."""
    from compiler.wasm_tools.disassemble import disassemble

    module, info = _module(source, profile, _options(batch, dims, winograd=not no_winograd))
    for line in disassemble(module, info, step=step):
        click.echo(line)


@wasm.command()
@click.argument("source", type=FILE)
@source_options
@click.option("--out", type=FILE, required=True, help="The .wasm file to write.")
@click.option("--js", is_flag=True, help="Write an ES module beside it that loads and runs it (NAME.mjs).")
@json_option
@verbose_option
def export(
    source: Path,
    *,
    profile: str | None,
    batch: int,
    dims: tuple[tuple[str, int], ...],
    no_winograd: bool,
    out: Path,
    js: bool,
    as_json: bool,
) -> None:
    """Write SOURCE as one stand-alone .wasm file, weights inside.

    With --js it runs in Node, Deno, workerd and browsers, without any further file.
    """
    from edge_bundle.digest import sha256_digest

    _check_target(out)
    module, info = _module(source, profile, _options(batch, dims, winograd=not no_winograd))
    written = {out: module}
    if js:
        written[out.with_suffix(".mjs")] = _loader()
    for path, data in written.items():
        write_whole(path, data)
    value = {
        "files": [str(path) for path in written],
        "bytes": len(module),
        "digest": sha256_digest(module),
        "inputs": {place.name: f"{place.dtype.value} {list(place.shape)}" for place in info.inputs},
        "outputs": {place.name: f"{place.dtype.value} {list(place.shape)}" for place in info.outputs},
    }
    emit(value, as_json=as_json, render=lambda: facts("", value))


def _module(source: Path, profile: str | None, options: WasmOptions) -> tuple[bytes, ModuleInfo]:
    from compiler.wasm_tools.source import checked, standalone_module

    module = standalone_module(_model_in(source), profile=profile, options=options)
    return module, checked(module).info


def _options(batch: int, dims: tuple[tuple[str, int], ...], *, winograd: bool) -> WasmOptions:
    from compiler.wasm.options import WasmOptions

    return WasmOptions(batch=batch, dims=dict(dims), winograd=winograd)


def _model_in(source: Path) -> Path:
    """The ONNX file in a folder that holds one, as for `skerry compile`; any other source as it is."""
    from skerry.model_file import find_model

    return find_model(source) if any(source.glob("*.onnx")) else source


def _check_target(out: Path) -> None:
    """The model and the JavaScript beside it are never in the way of the module."""
    if out.suffix != MODULE_SUFFIX or out.is_dir():
        got = "a folder" if out.is_dir() else repr(out.name)
        raise click.BadParameter(f"expected a file whose name ends in {MODULE_SUFFIX}, got {got}", param_hint="'--out'")


def _loader() -> bytes:
    from importlib import resources

    return resources.files("skerry").joinpath("js", "skerry_module.js").read_bytes()


def _summary(source: Path, anatomy: Anatomy, times: Times) -> RenderableType:
    info = anatomy.info
    return facts(source.name, {
        "inputs": " ".join(f"{one.name}:{one.dtype.value}{list(one.shape)}" for one in info.inputs),
        "outputs": " ".join(f"{one.name}:{one.dtype.value}{list(one.shape)}" for one in info.outputs),
        "features": " ".join(info.features),
        "code": f"{anatomy.code_bytes:,} bytes, {anatomy.shared_bytes:,} of them shared by steps",
        "weights": f"{anatomy.weights_bytes:,} bytes",
        "memory": f"{anatomy.memory_bytes:,} bytes: "
        + ", ".join(f"{region.name} {region.bytes:,}" for region in info.memory.regions),
        "one run": f"{times.run_us:.1f} us (shortest of {times.rounds})",
        "source": info.source,
    })  # fmt: skip
