"""One graph through the toolkit, in the toolkit's own environment, in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compiler.rockchip.layers import PlacedLayer, read_layers
from compiler.tool_process import ToolCall, run_tool
from edge_bundle.errors import ToolFailedError
from edge_bundle.tensor import TensorSpec
from edge_runtime.rockchip.job import BUILT_FILE, ENVIRONMENT, LOG_FILE, worker_command, write_job
from edge_runtime.toolchains.place import python_of
from edge_runtime.toolchains.recipe import RKNN

TOOL = f"{RKNN.version_of} {RKNN.version}"

TIMEOUT_S = 600.0
"""Longest that the toolkit may take, in seconds; MobileNetV2 takes 5."""

MAX_SAID_BYTES = 16 << 20
"""Read of what the toolkit says, in bytes, from its end: MobileNetV2's 56 layers take 0.05 MB."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """The file that the toolkit wrote, and where it says that each layer runs."""

    model: bytes = field(repr=False)
    layers: tuple[PlacedLayer, ...]


def build(
    model: bytes, platform: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], *, runtime: str
) -> Built:
    """Compile an ONNX file in QDQ form with static shapes for a chip.

    Raises:
        RuntimeMissingError: the toolchain is not installed; the advice says how.
        ToolFailedError: it crashed, hung, refused the graph, or wrote no file or no table of layers.

    """
    python = python_of(RKNN, runtime=runtime)
    with tempfile.TemporaryDirectory(prefix="skerry-") as name:
        folder = Path(name)
        write_job(folder, model, platform, inputs, outputs)
        call = ToolCall(
            tool=TOOL,
            command=worker_command(python, folder, "build"),
            folder=folder,
            timeout_s=TIMEOUT_S,
            environment=ENVIRONMENT,
            advice="leave the profile out, or export the model with operators that the toolkit takes",
        )
        run = run_tool(call)
        written, said = folder / BUILT_FILE, folder / LOG_FILE
        if not written.is_file():
            raise ToolFailedError(tool=TOOL, what="ended without a file", log=run.log)
        return Built(model=written.read_bytes(), layers=_layers(_read_end(said)))


def _layers(log: str) -> tuple[PlacedLayer, ...]:
    try:
        return read_layers(log)
    except ValueError as error:
        raise ToolFailedError(tool=TOOL, what=f"does not say where the layers run: {error}", log=log) from error


def _read_end(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - MAX_SAID_BYTES))
        return file.read().decode(errors="replace")
