"""ONNX Runtime: the graph itself is the artifact, for any batch size."""

from __future__ import annotations

from compiler.targets.target import Lowered, TargetJob
from compiler.toolchain import versions


def lower(job: TargetJob) -> Lowered:
    """The ONNX model itself."""
    return Lowered(
        profile=job.profile, files={"model.onnx": job.graph.model}, entrypoint="model.onnx", toolchain=versions()
    )
