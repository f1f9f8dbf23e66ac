"""OpenVINO: its intermediate representation, weights as they are in the graph."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from compiler.targets.refused import refused
from compiler.targets.target import Lowered, TargetJob
from compiler.toolchain import versions
from edge_bundle.errors import RuntimeMissingError
from edge_runtime.quiet_import import import_quietly


def lower(job: TargetJob) -> Lowered:
    """OpenVINO IR, for any batch size.

    Raises:
        RuntimeMissingError: OpenVINO is not installed.
        CompileError: OpenVINO cannot convert the model.

    """
    try:
        openvino = import_quietly("openvino")
    except ModuleNotFoundError as error:
        raise RuntimeMissingError(runtime="openvino", extra="openvino") from error
    with tempfile.TemporaryDirectory(prefix="skerry-") as folder:
        target = Path(folder) / "model.xml"
        try:
            model = openvino.Core().read_model(job.graph.model, b"")
            _name_by_position(model)
            openvino.save_model(model, target, compress_to_fp16=False)
        except (RuntimeError, ValueError, TypeError) as error:
            raise refused(job.profile, error) from error
        files = {name: (Path(folder) / name).read_bytes() for name in ("model.bin", "model.xml")}
    return Lowered(profile=job.profile, files=files, entrypoint="model.xml", toolchain=versions("openvino"))


def _name_by_position(model: Any) -> None:
    """Operations without a name of their own get one from a counter of the process, which no second build repeats.

    The slash keeps the new names apart from those of the graph's own nodes (``Relu_3``).
    """
    for position, operation in enumerate(model.get_ordered_ops()):
        if operation.get_friendly_name() == operation.get_name():
            operation.set_friendly_name(f"made/{operation.get_type_name()}_{position}")
