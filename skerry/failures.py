"""Errors as people read them: one line that says what happened, one that says what to do."""

from __future__ import annotations

import sys
import traceback

import click

from edge_bundle.errors import SkerryError
from edge_bundle.printable import printable
from skerry.exit_codes import ExitCode, exit_code_of

_EXTRAS = {
    "alembic": "hub", "sqlalchemy": "hub",
    "ai_edge_litert": "litert", "ethosu": "ethos-u", "onnxruntime_qnn": "qnn", "openvino": "openvino",
    "jinja2": "compiler", "matplotlib": "compiler", "numpy": "compiler", "onnx": "compiler", "onnxruntime": "compiler",
    "wasm_tools": "compiler", "wasmtime": "wasm",
}  # fmt: skip
"""Which extra brings a package that the bare install, the agent's, leaves out."""


def report(error: Exception, *, verbose: bool) -> ExitCode:
    """Write an error to stderr and return the exit code it stands for."""
    if verbose:
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return ExitCode.USAGE
    sentence, advice, code = _describe(error)
    click.echo(f"skerry: error: {printable(sentence)}", err=True)
    for note in getattr(error, "__notes__", ()):
        click.echo(f"  {printable(note)}", err=True)
    if advice:
        click.echo(f"advice: {printable(advice)}", err=True)
    return code


def _describe(error: Exception) -> tuple[str, str, ExitCode]:
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        advice = f"see '{context.command_path} --help'" if context is not None else ""
        return error.format_message(), advice, ExitCode.USAGE
    if isinstance(error, ModuleNotFoundError) and (extra := _extra_with(error)):
        sentence = f"this needs {error.name}, which is not installed"
        return sentence, f"pip install 'skerry[{extra}]'", ExitCode.UNAVAILABLE
    code = exit_code_of(error)
    if isinstance(error, SkerryError):
        return f"{error} [{error.name}]", error.advice, code
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error or type(error).__name__}", "", code
    advice = "this is a fault of Skerry itself; run again with --verbose and report the trace"
    return f"{type(error).__name__}: {error}", advice, code


def _extra_with(error: ModuleNotFoundError) -> str | None:
    return _EXTRAS.get((error.name or "").partition(".")[0])
