"""LiteRT (TensorFlow Lite): a TFLite flatbuffer, written directly (``compiler/tflite``)."""

from __future__ import annotations

from compiler.targets.target import Lowered, TargetJob
from compiler.tflite.variant import variant_files
from compiler.toolchain import versions
from edge_bundle.errors import UnsupportedOperatorError
from edge_runtime.litert_files import model_file


def lower(job: TargetJob) -> Lowered:
    """TFLite models, one for each batch size.

    Raises:
        RuntimeMissingError: ai-edge-litert, whose schema is used, is not installed.
        UnsupportedOperatorError: no rule covers a node; names operator, node and profile.
        CompileError: the model does not hold for a batch size.

    """
    try:
        files = variant_files(job.graph, job.batches)
    except UnsupportedOperatorError as error:
        raise UnsupportedOperatorError(
            operator=error.operator,
            node=error.node,
            reason=f"{error.reason} (profile {job.profile.name})",
            advice=f"leave profile {job.profile.name} out; docs/litert.md lists what is covered",
        ) from error
    return Lowered(
        profile=job.profile,
        files=files,
        entrypoint=model_file(min(job.batches.wanted)),
        toolchain=versions("ai-edge-litert", "flatbuffers"),
    )
