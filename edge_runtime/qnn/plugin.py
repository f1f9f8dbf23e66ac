"""Qualcomm's execution provider as a plugin of ONNX Runtime: registered once per process, sessions that stay on it.

The emulator for x86-64 writes one line (``# LIBNATIVE: ...``) to the standard output of the process when it is first
used; no option turns that off. On a device there is no such line.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from edge_bundle.errors import EngineError
from edge_runtime.one_line import one_line
from edge_runtime.qnn.wrapper import PROVIDER
from edge_runtime.quiet_import import import_quietly

onnxruntime = import_quietly("onnxruntime")
onnxruntime_qnn = import_quietly("onnxruntime_qnn")
binding = import_quietly("onnxruntime.capi.onnxruntime_pybind11_state")

LOG_FATAL_ONLY = 4
"""What goes wrong is raised, not also written to the process's stderr."""

LOG_WARNINGS = 2
"""The toolchain tells of what it ignored by warnings alone."""

ERRORS: tuple[type[Exception], ...] = (
    *(kind for kind in vars(binding).values() if isinstance(kind, type) and issubclass(kind, Exception)),
    RuntimeError,
    ValueError,
)
"""The binding's exceptions have no common base; ``RuntimeError`` and ``ValueError`` come from pybind11 and Python."""

_NO_FOLDER = "/dev/null/none"
"""Where tensors outside the file would have to be: nothing can exist below a device."""

_register_once = threading.Lock()


def version() -> str:
    """The version of the plugin's package."""
    return str(onnxruntime_qnn.__version__)


def device() -> Any:
    """The device that the plugin offers: the NPU where the driver shows one, else whatever carries the emulator.

    Raises:
        EngineError: the plugin cannot be loaded, or offers nothing.

    """
    with _register_once:
        found = _offered()
        if not found:
            try:
                onnxruntime.register_execution_provider_library(PROVIDER, onnxruntime_qnn.get_library_path())
            except ERRORS as error:
                raise EngineError(runtime="qnn", detail=f"the plugin cannot be loaded: {one_line(error)}") from None
            found = _offered()
    if not found:
        raise EngineError(runtime="qnn", detail="expected a device that the plugin offers, got none")
    npu = onnxruntime.OrtHardwareDeviceType.NPU
    return next((one for one in found if one.device.type == npu), found[0])


def session_options(options: Mapping[str, str], entries: Mapping[str, str], *, threads: int, log_level: int) -> Any:
    """Settings of a session on the plugin's device.

    ``options`` are the provider's; the backend is always the one of the installed package. ``entries`` are ONNX
    Runtime's own. Quantizing inputs and dequantizing outputs stay on the device, which would be left to the CPU else.
    """
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = log_level
    fixed = {
        "session.record_ep_graph_assignment_info": "1",
        "session.model_external_initializers_file_folder_path": _NO_FOLDER,
        "session.intra_op.allow_spinning": "0",
    }
    for key, value in {**fixed, **entries}.items():
        settings.add_session_config_entry(key, value)
    backend = {"backend_path": onnxruntime_qnn.get_qnn_htp_path(), "offload_graph_io_quantization": "0"}
    settings.add_provider_for_devices([device()], {**backend, **options})
    return settings


def assigned(session: Any) -> list[tuple[str, str, str]]:
    """Provider, operator and name of every node, as the session placed it."""
    return [
        (part.ep_name, node.op_type, node.name)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    ]


def _offered() -> list[Any]:
    return [one for one in onnxruntime.get_ep_devices() if one.ep_name == PROVIDER]
