"""Import OpenVINO without its telemetry.

``import openvino`` reports the import to an outside server and writes ``~/intel`` unless the user opted out before.
When its package ``openvino_telemetry`` cannot be imported it uses a stub that does nothing
(``openvino/tools/ovc/telemetry_utils.py``), so that package is hidden while openvino is imported.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType


def import_openvino() -> ModuleType:
    """The ``openvino`` module. Raises ``ModuleNotFoundError`` where it is not installed."""
    hidden = "openvino_telemetry"
    if "openvino" in sys.modules or hidden in sys.modules:
        return importlib.import_module("openvino")
    sys.modules[hidden] = None  # type: ignore[assignment]  # the import system's way to say "not there"
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[hidden]
