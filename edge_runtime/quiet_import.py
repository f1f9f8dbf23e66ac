"""Import a runtime without its telemetry: an engine sends nothing to outside servers and writes nothing at home.

- ONNX Runtime (from 1.29 also on Linux) writes a device id below ``~/.cache/Microsoft`` and uploads events as soon as
  it is imported. It reads ``ORT_DISABLE_TELEMETRY`` once, at import; ``disable_telemetry_events()`` comes too late
  (microsoft/onnxruntime pull requests 27379 and 29843).
- OpenVINO writes ``~/intel`` and reports its import, unless the user opted out before. Where its package
  ``openvino_telemetry`` cannot be imported it takes a stub that does nothing
  (``openvino/tools/ovc/telemetry_utils.py``), so that package is hidden while openvino is imported.

Everything in this project that uses ``onnxruntime`` or ``openvino`` imports it through here first.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

_SWITCH = "ORT_DISABLE_TELEMETRY"
_HIDDEN = "openvino_telemetry"


def import_quietly(module: str) -> ModuleType:
    """The module of that full name, such as ``onnxruntime.quantization``.

    Raises ``ImportError`` as ``import`` does. A runtime that others imported before stays as it is.
    """
    os.environ[_SWITCH] = "1"  # stays set, for child processes too
    if _HIDDEN in sys.modules:
        return importlib.import_module(module)
    sys.modules[_HIDDEN] = None  # type: ignore[assignment]  # the import system's way to say "not there"
    try:
        return importlib.import_module(module)
    finally:
        sys.modules.pop(_HIDDEN, None)
