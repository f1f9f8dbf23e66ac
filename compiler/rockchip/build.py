"""One graph through the toolkit, in the toolkit's own environment, in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compiler.rockchip.layers import PlacedLayer, read_layers
from compiler.tool_process import MAX_LOG_BYTES, ToolCall, run_tool
from edge_bundle.errors import ToolFailedError
from edge_bundle.tensor import TensorSpec
from edge_runtime.rockchip.job import BUILT_FILE, ENVIRONMENT, worker_command, write_job
from edge_runtime.toolchains.place import python_of
from edge_runtime.toolchains.recipe import RKNN

TOOL = f"{RKNN.version_of} {RKNN.version}"

TIMEOUT_S = 600.0
"""Longest that the toolkit may take, in seconds; MobileNetV2 takes 5."""


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
        )
        log = run_tool(call).log
        written = folder / BUILT_FILE
        if not written.is_file():
            raise ToolFailedError(tool=TOOL, what="ended without a file", log=log)
        try:
            layers = read_layers(log)
        except ValueError as error:
            what = f"does not say where the layers run: {error} (the last {MAX_LOG_BYTES} bytes of its log are kept)"
            raise ToolFailedError(tool=TOOL, what=what, log=log) from error
        return Built(model=written.read_bytes(), layers=layers)
