"""Vela on one TFLite file: in a fresh process, with a time limit, its log captured."""

from __future__ import annotations

import enum
import importlib.util
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from compiler.ethos_u.device import Device
from compiler.ethos_u.report import Left, Summary, left_to_cpu, read_summary
from compiler.tool_process import ToolCall, module_command, run_tool
from compiler.toolchain import versions
from edge_bundle.errors import RuntimeMissingError, ToolFailedError

PACKAGE = "ethos-u-vela"
EXTRA = "ethos-u"

TIMEOUT_S = 300.0
"""Longest that Vela may take, in seconds; MobileNetV2 takes 1."""

_CHILD = "compiler.ethos_u.vela_process"
_ARGUMENTS = "arguments.json"
_MODEL = "model.tflite"
_WRITTEN = "out/model_vela.tflite"

_FALLBACK = (r"^Warning: No .* specified\. Using a default",)
"""Vela goes on with a machine that nobody asked for."""


class Aim(enum.StrEnum):
    """What Vela's scheduler looks for first."""

    SPEED = "Performance"
    MEMORY = "Size"


@dataclass(frozen=True, kw_only=True)
class VelaOutput:
    """The file that Vela wrote, and what it says of it."""

    model: bytes = field(repr=False)
    summary: Summary
    on_cpu: tuple[Left, ...]
    log: str = field(repr=False)


def tool_name() -> str:
    """``ethos-u-vela 5.2.0``.

    Raises:
        RuntimeMissingError: it is not installed.

    """
    if importlib.util.find_spec("ethosu") is None:
        raise RuntimeMissingError(runtime=EXTRA, extra=EXTRA)
    return f"{PACKAGE} {versions(PACKAGE)[PACKAGE]}"


def run_vela(tflite: bytes, device: Device, aim: Aim) -> VelaOutput:
    """Compile the file for the device.

    Raises:
        RuntimeMissingError: Vela is not installed.
        ToolFailedError: it crashed, hung, refused the file, took another machine than it was told, or wrote no result.

    """
    tool = tool_name()
    with tempfile.TemporaryDirectory(prefix="skerry-") as name:
        folder = Path(name)
        (folder / _MODEL).write_bytes(tflite)
        (folder / _ARGUMENTS).write_text(json.dumps(arguments(device, aim)))
        call = ToolCall(
            tool=tool,
            command=module_command(_CHILD, folder),
            folder=folder,
            timeout_s=TIMEOUT_S,
            fallback=_FALLBACK,
            advice="leave the profile out; the log says what Vela stumbled over",
        )
        log = run_tool(call).log
        return _read(tool, folder, log, device)


def arguments(device: Device, aim: Aim) -> list[str]:
    """Vela's own arguments. The arena's size is what it schedules for; it is a wish, and is checked afterwards."""
    return [
        _MODEL,
        "--accelerator-config",
        device.accelerator,
        "--config",
        "Arm/vela.ini",
        "--system-config",
        device.system_config,
        "--memory-mode",
        device.memory_mode,
        "--arena-cache-size",
        str(device.sram_bytes),
        "--optimise",
        aim.value,
        "--output-dir",
        "out",
    ]


def _read(tool: str, folder: Path, log: str, device: Device) -> VelaOutput:
    written, summaries = folder / _WRITTEN, sorted((folder / "out").glob("*_summary_*.csv"))
    if not written.is_file() or len(summaries) != 1:
        raise ToolFailedError(tool=tool, what="ended without a file and a summary of it", log=log)
    try:
        summary = read_summary(summaries[0].read_text(), all_in_sram=device.all_in_sram)
    except ValueError as error:
        raise ToolFailedError(tool=tool, what=f"wrote a summary that cannot be read: {error}", log=log) from error
    model = written.read_bytes()
    return VelaOutput(model=model, summary=summary, on_cpu=left_to_cpu(model, log), log=log)
