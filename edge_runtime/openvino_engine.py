"""OpenVINO on the CPU or Intel's NPU. Artifact: OpenVINO IR, ``NAME.xml`` with its weights in ``NAME.bin``.

Nothing else is taken. OpenVINO reads ONNX too, but follows its external-data entries to any path of the machine:
weights from there would be covered by no digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_bundle.errors import AlreadyClosedError, EngineError
from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import Tensor, TensorSpec
from edge_runtime.arrays import row_slice, to_array, to_tensor
from edge_runtime.checks import check_inputs, choose_options
from edge_runtime.engine import EngineSource
from edge_runtime.openvino_compiled import compiled_model, operations
from edge_runtime.openvino_device import CPU, DEVICES, Device, shared_core
from edge_runtime.quiet_import import import_quietly
from edge_runtime.rows import common_rows, is_open, open_names

openvino = import_quietly("openvino")

OPTIONS = {"device": tuple(DEVICES), "pinning": ("off", "on")}
"""``device``: where the model runs, all of it. ``pinning``: bind threads to cores (CPU only); off, since two engines or
agents would bind to the same cores."""


class OpenVinoEngine:
    """A model compiled for one of OpenVINO's devices. Satisfies ``Engine``."""

    def __init__(self, source: EngineSource) -> None:
        options = choose_options(source, OPTIONS)
        device = DEVICES[options["device"]]
        self._runtime = source.runtime
        self.inputs: tuple[TensorSpec, ...] = source.inputs
        self.outputs: tuple[TensorSpec, ...] = source.outputs
        self.runtime_version: str = openvino.__version__.partition("-")[0]  # the rest names the build
        core = shared_core()
        try:
            properties = device.properties(core, source.threads, options)
            compiled = compiled_model(core, source, device, properties)
            self.placement: PlacementProof | None = _placement(core, source, device)
            self._request: Any = compiled.create_infer_request()
        except (RuntimeError, TypeError, ValueError) as error:
            raise EngineError(
                runtime=source.runtime, detail=f"cannot load: {_text(error)}", advice=device.advice
            ) from None
        self._ports = {spec.name: compiled.output(spec.name) for spec in source.outputs}
        self._by_row = not device.open_batch and bool(open_names(source.inputs))

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One inference (see ``Engine.run``)."""
        if self._request is None:
            raise AlreadyClosedError(what="the openvino engine")
        check_inputs(self._runtime, self.inputs, inputs)
        feed = {name: to_array(tensor) for name, tensor in inputs.items()}
        try:
            return self._run_rows(feed) if self._by_row else self._infer(feed)
        except (RuntimeError, TypeError, ValueError) as error:
            raise EngineError(runtime=self._runtime, detail=f"inference failed: {_text(error)}") from None

    def close(self) -> None:
        """Free the compiled model. Closing again does nothing."""
        self._request = None
        self._ports = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _infer(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
        # A scalar cannot be shared read-only (openvino.utils.data_helpers), so it is copied. Shared outputs are views
        # of the runtime's memory; to_tensor copies them out.
        arrays = {name: array if array.ndim else array.copy() for name, array in feed.items()}
        results = self._request.infer(arrays, share_inputs=True, share_outputs=True)
        return {name: to_tensor(results[port]) for name, port in self._ports.items()}

    def _run_rows(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
        """Row by row; an output without rows is that of the last one."""
        names = open_names(self.inputs)
        rows = common_rows(self._runtime, (len(feed[name]) for name in names))
        parts = [self._infer(row_slice(feed, names, row, 1)) for row in range(rows)]
        joined = {}
        for spec in self.outputs:
            tensors = [to_array(part[spec.name]) for part in parts]
            joined[spec.name] = to_tensor(np.concatenate(tensors)) if is_open(spec) else parts[-1][spec.name]
        return joined


def _placement(core: Any, source: EngineSource, device: Device) -> PlacementProof | None:
    """A device other than the CPU takes a model whole or not at all, and ``Device.check`` read back that it did."""
    if device is CPU:
        return None
    nodes = operations(core, source)
    return PlacementProof(device=device.name, nodes=nodes, on_device=nodes)


def _text(error: Exception) -> str:
    """The message in one line, without the source positions of OpenVINO's own C++ files."""
    lines = (line for line in str(error).splitlines() if not line.startswith("Exception from"))
    return " ".join(" ".join(lines).split()) or type(error).__name__
