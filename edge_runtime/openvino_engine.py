"""OpenVINO on the CPU. Artifact: OpenVINO IR, ``NAME.xml`` with its weights in ``NAME.bin``.

Nothing else is taken. OpenVINO reads ONNX too, but follows its external-data entries to any path of the machine:
weights from there would be covered by no digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Self

from edge_bundle.errors import AlreadyClosedError, EngineError
from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import DType, Tensor, TensorSpec
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.checks import ModelTensor, check_inputs, check_model, choose_options, companion_file, entry_file
from edge_runtime.engine import EngineSource
from edge_runtime.quiet_import import import_quietly

openvino = import_quietly("openvino")

OPTIONS = {"pinning": ("off", "on")}
"""``pinning``: bind threads to cores. Off, since two engines or agents would bind to the same cores."""

DEVICE = "CPU"
IR_SUFFIX, WEIGHTS_SUFFIX = ".xml", ".bin"

_DTYPES = {
    openvino.Type.boolean: DType.BOOL,
    openvino.Type.u8: DType.UINT8,
    openvino.Type.u16: DType.UINT16,
    openvino.Type.u32: DType.UINT32,
    openvino.Type.u64: DType.UINT64,
    openvino.Type.i8: DType.INT8,
    openvino.Type.i16: DType.INT16,
    openvino.Type.i32: DType.INT32,
    openvino.Type.i64: DType.INT64,
    openvino.Type.f16: DType.FP16,
    openvino.Type.f32: DType.FP32,
    openvino.Type.f64: DType.FP64,
}


class OpenVinoEngine:
    """A model compiled for OpenVINO's CPU device. Satisfies ``Engine``."""

    def __init__(self, source: EngineSource) -> None:
        options = choose_options(source, OPTIONS)
        self._runtime = source.runtime
        self.inputs: tuple[TensorSpec, ...] = source.inputs
        self.outputs: tuple[TensorSpec, ...] = source.outputs
        self.runtime_version: str = openvino.__version__.partition("-")[0]  # the rest names the build
        self.placement: PlacementProof | None = None
        core = openvino.Core()
        try:
            model = _read(core, source)
            check_model(source, _declared(model.inputs), _declared(model.outputs))
            _fix_shapes(model, source.inputs)
            compiled = core.compile_model(model, DEVICE, _properties(source.threads, options))
            _check_properties(source, compiled)
            self._request: Any = compiled.create_infer_request()
        except (RuntimeError, TypeError, ValueError) as error:
            raise EngineError(runtime=source.runtime, detail=f"cannot load: {_text(error)}") from None
        self._ports = {spec.name: compiled.output(spec.name) for spec in source.outputs}

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One inference (see ``Engine.run``)."""
        if self._request is None:
            raise AlreadyClosedError(what="the openvino engine")
        check_inputs(self._runtime, self.inputs, inputs)
        feed = {name: to_array(tensor) for name, tensor in inputs.items()}
        try:
            # Shared outputs are views of the runtime's memory; to_tensor copies them out.
            results = self._request.infer(feed, share_inputs=True, share_outputs=True)
        except (RuntimeError, TypeError, ValueError) as error:
            raise EngineError(runtime=self._runtime, detail=f"inference failed: {_text(error)}") from None
        return {name: to_tensor(results[port]) for name, port in self._ports.items()}

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


def _read(core: Any, source: EngineSource) -> Any:
    entrypoint = PurePosixPath(source.entrypoint)
    if entrypoint.suffix != IR_SUFFIX:
        raise EngineError(
            runtime=source.runtime,
            detail=f"entrypoint: expected OpenVINO IR ({IR_SUFFIX}), got {source.entrypoint!r}",
            advice="compile the model for a profile with this runtime",
        )
    model = entry_file(source)
    weights = companion_file(source, str(entrypoint.with_suffix(WEIGHTS_SUFFIX)))
    return core.read_model(model=model, weights=weights)


def _fix_shapes(model: Any, inputs: tuple[TensorSpec, ...]) -> None:
    """Fix every size that the specs fix: left open, sizes that do not belong together are not noticed at run time."""
    model.reshape({spec.name: openvino.PartialShape(list(spec.shape)) for spec in inputs})


def _properties(threads: int, options: Mapping[str, str]) -> dict[str, Any]:
    """Float32 arithmetic (left alone, OpenVINO takes bf16 where the CPU has it), one stream, fixed threads."""
    return {
        "INFERENCE_PRECISION_HINT": openvino.Type.f32,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": options["pinning"] == "on",
        "PERFORMANCE_HINT": openvino.properties.hint.PerformanceMode.LATENCY,
    }


def _check_properties(source: EngineSource, compiled: Any) -> None:
    """A hint is only a wish: read back what the device made of it. Raises ``EngineError``."""
    wanted = {"INFERENCE_PRECISION_HINT": openvino.Type.f32, "INFERENCE_NUM_THREADS": source.threads, "NUM_STREAMS": 1}
    for name, want in wanted.items():
        got = compiled.get_property(name)
        if got != want:
            raise EngineError(runtime=source.runtime, detail=f"device {DEVICE}, {name}: expected {want}, got {got}")


def _declared(ports: list[Any]) -> list[ModelTensor]:
    """What the model says of its inputs or outputs, once for each name of a tensor that has several."""
    return [
        ModelTensor(name, _DTYPES.get(port.element_type, str(port.element_type)), _shape(port.partial_shape))
        for port in ports
        for name in sorted(port.names)
    ]


def _shape(shape: Any) -> tuple[int | None, ...] | None:
    if shape.rank.is_dynamic:
        return None
    return tuple(None if size.is_dynamic else size.get_length() for size in shape)


def _text(error: Exception) -> str:
    """The message in one line, without the source positions of OpenVINO's own C++ files."""
    lines = (line for line in str(error).splitlines() if not line.startswith("Exception from"))
    return " ".join(" ".join(lines).split()) or type(error).__name__
