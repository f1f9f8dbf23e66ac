"""One context binary, compiled in a process of its own and held against what was asked for."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from compiler.qnn.job import CONTEXT_FILE, JOB_FILE, MODEL_FILE, REPORT_FILE, ContextJob, ContextReport
from compiler.tool_process import ToolCall, ToolRun, module_command, run_tool
from edge_bundle.errors import CompileError, FormatError, ToolFailedError
from edge_runtime.qnn.target import HtpTarget
from edge_runtime.qnn.wrapper import Wrapper, read_wrapper

TIMEOUT_S = 600.0
"""Longest that one context may take, in seconds; MobileNetV2 takes below 3, models of language take minutes."""

FALLBACKS = (
    "Invalid HTP architecture",
    "Invalid soc_model",
    "Unrecognized soc_model",
    "SetupBackend failed",
    "fell back to",
    "Invalid HTP graph finalization optimization mode",
    r"Only one of 'backend_type' and 'backend_path'",
)
"""What the toolchain writes when it goes on with another device, or without any."""

MODULE = "compiler.qnn.compile_context"


@dataclass(frozen=True, kw_only=True)
class CompiledContext:
    """The ONNX wrapper with the binary inside, its facts, where each node of the graph went, and the tool's log."""

    data: bytes = field(repr=False)
    wrapper: Wrapper
    nodes: tuple[tuple[str, str, str], ...]
    log: str = field(repr=False)


def compile_context(
    model: bytes, target: HtpTarget, *, profile: str, timeout_s: float = TIMEOUT_S, module: str = MODULE
) -> CompiledContext:
    """Compile a model of static shapes. The same model gives the same bytes; errors name the profile.

    Raises:
        ToolFailedError: the toolchain crashed, hung, fell back, or wrote a context for another device.
        CompileError: the toolchain refuses the model, or gives all of it to the CPU.

    """
    with tempfile.TemporaryDirectory(prefix="skerry-qnn-") as name:
        folder = Path(name)
        job = ContextJob(htp_arch=target.arch.removeprefix("v"), soc_model=str(target.soc.model))
        (folder / JOB_FILE).write_bytes(msgspec.json.encode(job))
        (folder / MODEL_FILE).write_bytes(model)
        call = ToolCall(
            tool=f"Qualcomm's compiler for profile {profile}",
            command=module_command(module, folder),
            folder=folder,
            timeout_s=timeout_s,
            fallback=FALLBACKS,
            advice=f"leave profile {profile} out; docs/qnn.md says what is known of the toolchain",
        )
        run = run_tool(call)
        report = _report(folder, call, run)
        data = _context(folder, call, report)
    wrapper = _read(data, call, run)
    check_target(wrapper, target, call, run)
    return CompiledContext(data=data, wrapper=wrapper, nodes=report.nodes, log=run.log)


def check_target(wrapper: Wrapper, target: HtpTarget, call: ToolCall, run: ToolRun) -> None:
    """Hold what the toolchain says it compiled for against what was asked for.

    Raises:
        ToolFailedError: they differ: it went on with another device, without a word.

    """
    got = (wrapper.architecture, wrapper.soc_model)
    if got != (target.arch, target.soc.model):
        what = f"fell back: expected code for {target.arch}, chip {target.soc.model}, got {got[0]}, chip {got[1]}"
        raise ToolFailedError(tool=call.tool, what=what, log=run.log, advice=call.advice)


def _report(folder: Path, call: ToolCall, run: ToolRun) -> ContextReport:
    try:
        report = msgspec.json.decode((folder / REPORT_FILE).read_bytes(), type=ContextReport)
    except (OSError, msgspec.DecodeError) as error:
        raise ToolFailedError(
            tool=call.tool, what=f"left no report: {error}", log=run.log, advice=call.advice
        ) from error
    if report.error:
        raise CompileError(stage="lower", detail=f"{call.tool} refuses the model: {report.error}", advice=call.advice)
    return report


def _context(folder: Path, call: ToolCall, report: ContextReport) -> bytes:
    """The context; there is none where the device took no node at all."""
    try:
        return (folder / CONTEXT_FILE).read_bytes()
    except FileNotFoundError:
        operators = ", ".join(sorted({operator for _, operator, _ in report.nodes})) or "none"
        detail = f"{call.tool} takes no node of the model (operators: {operators})"
        raise CompileError(stage="lower", detail=detail, advice=call.advice) from None


def _read(data: bytes, call: ToolCall, run: ToolRun) -> Wrapper:
    try:
        return read_wrapper(data, name=CONTEXT_FILE)
    except FormatError as error:
        raise ToolFailedError(
            tool=call.tool, what=f"wrote something unknown: {error}", log=run.log, advice=call.advice
        ) from error
