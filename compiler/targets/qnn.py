"""Qualcomm's tensor processor: a context binary for each batch size, compiled ahead of time by the vendor's tool."""

from __future__ import annotations

import importlib.util

from compiler.importer.onnx_rewrite import bind_dimensions
from compiler.qnn.context import CompiledContext, compile_context
from compiler.qnn.placement import check_placement
from compiler.targets.target import Lowered, TargetJob
from compiler.toolchain import versions
from edge_bundle.errors import RuntimeMissingError
from edge_bundle.proof import Execution
from edge_bundle.tensor import DYNAMIC
from edge_runtime.qnn.files import INDEX_FILE, Context, ContextIndex, context_file, write_index
from edge_runtime.qnn.placement import worst
from edge_runtime.qnn.target import HtpTarget, htp_target, is_emulated

NEEDS = ("onnxruntime", "onnxruntime_qnn")


def lower(job: TargetJob) -> Lowered:
    """An index and one context for each wanted batch size; a batch that is merely offered gets none.

    Every context is a whole copy of the weights, so that a larger batch has to be asked for.

    Raises:
        InvalidInputError: the profile names an unknown architecture or chip, or two that do not fit.
        RuntimeMissingError: onnxruntime-qnn is not installed.
        ToolFailedError: the toolchain crashed, hung or fell back.
        CompileError: the toolchain refuses the graph; names the profile.
        PlacementError: nodes are left to the CPU and the profile does not allow it.

    """
    profile = job.profile
    target = htp_target(profile.options, where=f"profile {profile.name}")
    if any(importlib.util.find_spec(name) is None for name in NEEDS):
        raise RuntimeMissingError(runtime="qnn", extra="qnn")
    contexts = {batch: _context(job, batch, target) for batch in sorted(job.batches.wanted)}
    files = {context_file(batch): context.data for batch, context in contexts.items()}
    return Lowered(
        profile=profile,
        files={**files, INDEX_FILE: write_index(_index(contexts, target))},
        entrypoint=INDEX_FILE,
        toolchain=versions("onnxruntime-qnn"),
        execution=Execution.EMULATOR if is_emulated() else Execution.DEVICE,
        placement=worst([check_placement(context, target, profile) for context in contexts.values()]),
    )


def _context(job: TargetJob, batch: int, target: HtpTarget) -> CompiledContext:
    shapes = {spec.name: (batch, *spec.shape[1:]) for spec in job.graph.inputs if spec.shape[:1] == (DYNAMIC,)}
    model = bind_dimensions(job.graph.model, shapes, stage="lower")
    return compile_context(model, target, profile=job.profile.name)


def _index(contexts: dict[int, CompiledContext], target: HtpTarget) -> ContextIndex:
    return ContextIndex(
        htp_arch=target.arch,
        soc=target.soc.name,
        soc_model=target.soc.model,
        sdk_version=next(iter(contexts.values())).wrapper.sdk_version,
        contexts=tuple(Context(batch=batch, file=context_file(batch)) for batch in contexts),
    )
