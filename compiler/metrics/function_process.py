"""A user's metric, called in a process of its own: it may crash, hang or print as it likes.

``python -m compiler.metrics.function_process FOLDER NAME`` is the child: it runs ``metric.py`` from the folder over
``outputs.npy``, ``targets.npy`` and ``inputs.npz`` (where the function asks for inputs), and writes ``result.npy``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compiler.metrics.function_file import FunctionFile
from compiler.tool_process import ToolCall, complaint, module_command, watch_tool
from edge_bundle.errors import InvalidInputError
from edge_runtime.one_line import one_line

TIMEOUT_S = 300.0
"""Longest that one call may take, in seconds."""

MAX_FIGURE = 2.0**500
"""Largest number that a function may give: sums of such are still float64."""

HEADER_BYTES = 4096
"""Most that a result takes beside its numbers; ``numpy.save`` writes 128 bytes."""

NUMBER_BYTES = 16
"""Of the longest kind of number that numpy has."""

SOURCE, OUTPUTS, TARGETS, INPUTS, RESULT = "metric.py", "outputs.npy", "targets.npy", "inputs.npz", "result.npy"


def call(
    function: FunctionFile,
    outputs: NDArray[np.generic],
    targets: NDArray[np.generic],
    inputs: Mapping[str, NDArray[np.generic]],
) -> NDArray[np.float64]:
    """What the function gives for outputs and targets [samples, ...]: one number [], or one per sample [samples].

    Raises:
        InvalidInputError: it raised, hung, or gave something else; file and function are named.

    """
    with tempfile.TemporaryDirectory(prefix="skerry-") as name:
        folder = Path(name)
        (folder / SOURCE).write_bytes(function.source)
        np.save(folder / OUTPUTS, outputs, allow_pickle=False)
        np.save(folder / TARGETS, targets, allow_pickle=False)
        if function.wants_inputs:
            np.savez(folder / INPUTS, allow_pickle=False, **inputs)
        _run_child(function, folder)
        result = _read(function, folder / RESULT, len(outputs))
    return _checked(function, result, len(outputs))


def _run_child(function: FunctionFile, folder: Path) -> None:
    command = (*module_command(__spec__.name, folder), function.name)
    # Where the caller is: the function may read files that lie there.
    call = ToolCall(tool=function.name, command=command, folder=Path.cwd(), timeout_s=TIMEOUT_S)
    run = watch_tool(call)
    if run.status is None:
        raise _wrong(function, f"an answer within {TIMEOUT_S:g} s", "none")
    what = complaint(call, run) or "no result"
    if run.status or not (folder / RESULT).is_file():
        raise _wrong(function, "a result", f"{what}: {run.last_line}" if run.last_line else what)


def _read(function: FunctionFile, path: Path, samples: int) -> NDArray[np.generic]:
    """What the child left; the size first, since nothing in a file keeps its promises."""
    size, limit = path.stat().st_size, HEADER_BYTES + NUMBER_BYTES * samples
    if size > limit:
        raise _wrong(function, _numbers(samples), f"{size} bytes of them")
    try:
        result: NDArray[np.generic] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        raise _wrong(function, _numbers(samples), one_line(error)) from error
    return result


def _checked(function: FunctionFile, result: NDArray[np.generic], samples: int) -> NDArray[np.float64]:
    if result.dtype.kind not in "biuf" or result.shape not in ((), (samples,)):
        raise _wrong(function, _numbers(samples), f"{result.dtype} of shape {result.shape}")
    with np.errstate(over="ignore"):
        figures = result.astype(np.float64)
    if not np.isfinite(figures).all() or (np.abs(figures) > MAX_FIGURE).any():
        raise _wrong(function, f"finite numbers up to {MAX_FIGURE:.0e}", "NaN, infinity or more")
    return figures


def _numbers(samples: int) -> str:
    return f"one number, or one for each of {samples} samples"


def _wrong(function: FunctionFile, expected: str, got: str) -> InvalidInputError:
    return InvalidInputError(
        file=str(function.path),
        key=function.name,
        expected=expected,
        got=got,
        advice="the metric is called with (outputs, targets[, inputs]) as numpy arrays, one row per sample",
    )


def run_function(folder: Path, name: str) -> None:
    """In the child: run the file, call the function, keep what it gives."""
    source = folder / SOURCE
    namespace = {"__name__": "metric", "__file__": str(source)}
    exec(compile(source.read_bytes(), str(source), "exec"), namespace)  # noqa: S102 - the owner's own metric
    arguments = [np.load(folder / file, allow_pickle=False) for file in (OUTPUTS, TARGETS)]
    inputs = {"inputs": dict(np.load(folder / INPUTS))} if (folder / INPUTS).exists() else {}
    function: object = namespace[name]
    result = np.asarray(function(*arguments, **inputs))  # type: ignore[operator]
    if result.dtype.hasobject:
        raise TypeError(f"expected numbers, got {one_line(result.tolist())}")
    np.save(folder / RESULT, result, allow_pickle=False)


if __name__ == "__main__":
    run_function(Path(sys.argv[1]), sys.argv[2])
