"""The file of a user's metric: read and looked at without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path

from edge_bundle.digest import sha256_digest
from edge_bundle.errors import InvalidInputError
from edge_bundle.regular_file import read_regular
from edge_runtime.one_line import one_line

MAX_BYTES = 1 << 20
"""Largest file, in bytes; a metric takes a few lines."""

INPUTS = "inputs"
"""A parameter of this name asks for the model's inputs."""

_POSITIONAL = 2
"""Outputs and targets."""


@dataclass(frozen=True, kw_only=True)
class FunctionFile:
    """``name`` in the file at ``path``, which held ``source`` when it was read: what was read is what runs.

    ``digest`` is the source's, for the provenance. ``wants_inputs``: the function has a parameter ``inputs``.
    """

    path: Path
    name: str
    source: bytes = field(repr=False)
    digest: str
    wants_inputs: bool


def read_function(spec: str, folder: Path) -> FunctionFile:
    """``FILE.py:NAME`` of a contract, beside which ``folder`` holds the file.

    Raises:
        InvalidInputError: the file cannot be read, is no Python, or has no such function of (outputs, targets).
        LimitExceededError: the file is too large.

    """
    file_name, _, name = spec.partition(":")
    path = folder / file_name
    try:
        source = read_regular(path, max_bytes=MAX_BYTES)
    except OSError as error:
        raise InvalidInputError(
            file=str(path),
            expected="the Python file that accuracy.function names",
            got=error.strerror or str(error),
            advice="put it beside contract.toml (for --recompute, beside the evaluation set)",
        ) from error
    arguments = _definition(source, path, name).args
    wants_inputs = any(one.arg == INPUTS for one in (*arguments.args, *arguments.kwonlyargs))
    return FunctionFile(path=path, name=name, source=source, digest=sha256_digest(source), wants_inputs=wants_inputs)


def _definition(source: bytes, path: Path, name: str) -> ast.FunctionDef:
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: it nests too deeply
        raise InvalidInputError(file=str(path), expected="a Python file", got=one_line(error)) from error
    found = next((one for one in module.body if isinstance(one, ast.FunctionDef) and one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in module.body if isinstance(one, ast.FunctionDef)) or "none"
        raise InvalidInputError(file=str(path), key=name, expected="a function of that name", got=f"functions: {names}")
    positional = [*found.args.posonlyargs, *found.args.args]
    if len(positional) < _POSITIONAL:
        expected, got = "a function of (outputs, targets) or (outputs, targets, inputs)", f"({ast.unparse(found.args)})"
        raise InvalidInputError(file=str(path), key=name, expected=expected, got=got)
    return found
