"""OpenVINO's devices: what is asked of each, and what is read back from the model it compiled.

A hint is only a wish. Left alone, the CPU takes bf16 where it has it, and an imported blob forgets what it was compiled
with; so the same properties are given at compile and at import, and read back after both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from edge_bundle.errors import DeviceMissingError, PlacementError
from edge_runtime.engine import EngineSource
from edge_runtime.quiet_import import import_quietly

openvino = import_quietly("openvino")

NPU_ADVICE = (
    "install Intel's NPU driver, which brings the compiler (OpenVINO's Linux wheel has none), or name profiles for "
    "such machines under fallback.profiles of the contract"
)


@dataclass(frozen=True)
class Device:
    """One kind of device. ``precision`` is what floats are computed in.

    Where ``open_batch`` is false, code is compiled for one row.
    """

    name: str
    precision: Any
    open_batch: bool
    advice: str = ""

    def properties(self, core: Any, threads: int, options: Mapping[str, str]) -> dict[str, Any]:
        """What a model is compiled and imported with. Raises ``DeviceMissingError``."""
        found = core.available_devices
        if not any(_is_device(name, self.name) for name in found):
            raise DeviceMissingError(
                runtime="openvino", expected=self.name, got=", ".join(found) or "none", advice=self.advice
            )
        wanted: dict[str, Any] = {"PERFORMANCE_HINT": openvino.properties.hint.PerformanceMode.LATENCY}
        if "INFERENCE_PRECISION_HINT" in core.get_property(self.name, "SUPPORTED_PROPERTIES"):
            wanted["INFERENCE_PRECISION_HINT"] = self.precision
        if self.name == CPU.name:
            wanted |= {
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": options["pinning"] == "on",
            }
        return wanted

    def check(self, compiled: Any, source: EngineSource, properties: Mapping[str, Any]) -> None:
        """Hold what the device made of the wishes against them. Raises ``PlacementError``."""
        devices = execution_devices(compiled)
        if not devices or not all(_is_device(name, self.name) for name in devices):
            got = ", ".join(devices) or "none"
            raise PlacementError(runtime=source.runtime, device=self.name, expected="every node on it", got=got)
        for name in ("INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS"):
            if name in properties and (got := compiled.get_property(name)) != properties[name]:
                raise PlacementError(
                    runtime=source.runtime,
                    device=self.name,
                    expected=f"{name} {properties[name]}",
                    got=str(got),
                    advice="choose threads and options that this machine's device takes",
                )


CPU = Device("CPU", openvino.Type.f32, open_batch=True)
NPU = Device("NPU", openvino.Type.f16, open_batch=False, advice=NPU_ADVICE)

DEVICES = {device.name: device for device in (CPU, NPU)}


@cache
def shared_core() -> Any:
    """The one ``Core`` of this process; it is never let go.

    With it the CPU plugin puts a signal stack of its own in place of the thread's, and on its way out puts back what it
    found. Two that end in another order than they began leave a stack that is unmapped, and the next signal that
    a trap of wasmtime or ``faulthandler`` would have handled kills the process.
    """
    return openvino.Core()


def execution_devices(compiled: Any) -> list[str]:
    """Where a compiled model runs; the NPU's plugin gives one text, the others a list."""
    found = compiled.get_property("EXECUTION_DEVICES")
    return [found] if isinstance(found, str) else list(found)


def driver_version(core: Any, device: Device) -> str:
    """What compiled code depends on besides OpenVINO and the CPU."""
    return str(core.get_property(device.name, "NPU_DRIVER_VERSION")) if device is NPU else ""


def _is_device(name: str, kind: str) -> bool:
    """``NPU``, and ``NPU.3720`` where there are several."""
    return name == kind or name.startswith(f"{kind}.")
