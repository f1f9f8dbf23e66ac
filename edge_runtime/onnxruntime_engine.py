"""ONNX Runtime on the CPU. Artifact: one ONNX file with its weights inside.

Weights in other files (external data) are refused: no digest would cover them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Self

from edge_bundle.errors import AlreadyClosedError, EngineError
from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import Tensor, TensorSpec
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.checks import check_inputs, check_model, choose_options, entry_file
from edge_runtime.engine import EngineSource
from edge_runtime.one_line import one_line
from edge_runtime.onnxruntime_tensors import declared
from edge_runtime.quiet_import import import_quietly
from hardware_profiles.detect import detect

onnxruntime = import_quietly("onnxruntime")
binding = import_quietly("onnxruntime.capi.onnxruntime_pybind11_state")

OPTIONS = {"spinning": ("off", "on"), "int8-kernels": ("auto", "exact"), "weights": ("as-stored", "unpacked")}
"""``spinning``: idle worker threads burn their core instead of sleeping, for lower latency with ``threads`` > 1.

``int8-kernels``: ``exact`` asks on every CPU for those that AVX2 without VNNI needs (``exact_int8_kernels``).

``weights``: ``unpacked`` turns quantized weights into float32 once, when the model is loaded, and not in every run: for
variants whose activations are float (6 times faster for DS-CNN in int8, 27 times for the autoencoder in int4). Fused
integer layers need theirs as stored.
"""

_LOG_FATAL_ONLY = 4
"""What goes wrong is raised, not also written to the process's stderr."""

_NO_FOLDER = "/dev/null/none"
"""Where external data would have to be: nothing can exist below a device. ONNX Runtime itself refuses absolute paths
and paths that lead out of the folder (since 1.24; before, it read them even for a model given as bytes)."""

_ERRORS: tuple[type[Exception], ...] = (
    *(kind for kind in vars(binding).values() if isinstance(kind, type) and issubclass(kind, Exception)),
    RuntimeError,
    ValueError,
)
"""The binding's exceptions have no common base; ``RuntimeError`` and ``ValueError`` come from pybind11 and Python."""

_VNNI = frozenset({"avx_vnni", "avx512_vnni"})


class OnnxRuntimeEngine:
    """An ONNX Runtime session on the CPU execution provider. Satisfies ``Engine``."""

    def __init__(self, source: EngineSource) -> None:
        options = choose_options(source, OPTIONS)
        model = entry_file(source)
        try:
            self._session: Any = onnxruntime.InferenceSession(
                model, _session_options(source.threads, options), providers=["CPUExecutionProvider"]
            )
        except _ERRORS as error:
            raise _engine_error(source.runtime, "cannot load", error) from None
        self._runtime = source.runtime
        self.inputs: tuple[TensorSpec, ...] = source.inputs
        self.outputs: tuple[TensorSpec, ...] = source.outputs
        self.runtime_version: str = onnxruntime.__version__
        self.placement: PlacementProof | None = None
        self._names = [spec.name for spec in source.outputs]
        check_model(source, declared(self._session.get_inputs()), declared(self._session.get_outputs()))

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One inference (see ``Engine.run``)."""
        if self._session is None:
            raise AlreadyClosedError(what="the onnxruntime engine")
        check_inputs(self._runtime, self.inputs, inputs)
        feed = {name: to_array(tensor) for name, tensor in inputs.items()}
        try:
            arrays = self._session.run(self._names, feed)
        except _ERRORS as error:
            raise _engine_error(self._runtime, "inference failed", error) from None
        return {name: to_tensor(array) for name, array in zip(self._names, arrays, strict=True)}

    def close(self) -> None:
        """Free the session. Closing again does nothing."""
        self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _session_options(threads: int, options: Mapping[str, str]) -> Any:
    """Fixed threads, nothing random, no memory kept beyond what a run needs."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    settings.use_deterministic_compute = True
    # The arena only grows, by doubling; without it a run of the models measured here costs at most 3 % more.
    settings.enable_cpu_mem_arena = False
    settings.log_severity_level = _LOG_FATAL_ONLY
    settings.add_session_config_entry("session.model_external_initializers_file_folder_path", _NO_FOLDER)
    settings.add_session_config_entry("session.intra_op.allow_spinning", "01"[options["spinning"] == "on"])
    exact = "1" if options["int8-kernels"] == "exact" else exact_int8_kernels(detect().cpu_flags)
    settings.add_session_config_entry("session.x64quantprecision", exact)
    settings.add_session_config_entry("session.disable_quant_qdq", "01"[options["weights"] == "unpacked"])
    return settings


def exact_int8_kernels(cpu_flags: Collection[str]) -> str:
    """The value of ``session.x64quantprecision``: "1" where the fast int8 kernels would saturate, else "0".

    AVX2 and AVX512 without VNNI add pairs of u8 x s8 products in 16 bits, which overflows; the exact kernels keep the
    proof's accuracy there. With VNNI both are exact, and asking for them costs 74 % (ResNet-8, one thread).
    """
    return "0" if _VNNI & set(cpu_flags) else "1"


def _engine_error(runtime: str, what: str, error: Exception) -> EngineError:
    """The runtime's message names the operator and node that it stumbled over."""
    return EngineError(runtime=runtime, detail=f"{what}: {one_line(error)}")
