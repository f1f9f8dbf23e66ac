"""Context binaries for Qualcomm's tensor processor. Artifact: ``context.json`` and ``b<batch>.onnx`` (``files.py``).

Nothing is compiled on the node: a context is loaded or refused. On x86-64 the vendor's emulator runs it, as the device
that the variant's options name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from edge_bundle.errors import AlreadyClosedError, EngineError, FormatError, InvalidInputError, PlacementError
from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import Tensor, TensorSpec
from edge_runtime.arrays import Array, joined_rows, row_slice, to_array, to_tensor
from edge_runtime.checks import check_inputs, choose_options, companion_file, entry_file
from edge_runtime.engine import EngineSource
from edge_runtime.one_line import one_line
from edge_runtime.qnn import plugin
from edge_runtime.qnn.device import check_device
from edge_runtime.qnn.files import Context, ContextIndex, read_index
from edge_runtime.qnn.io import check_tensors
from edge_runtime.qnn.placement import placement_of, worst
from edge_runtime.qnn.target import ARCHITECTURES, SOCS, HtpTarget, htp_target
from edge_runtime.qnn.wrapper import Wrapper, read_wrapper
from edge_runtime.rows import check_batches, common_rows, open_names, split_rows

OPTIONS = {"htp-arch": ARCHITECTURES, "soc": tuple(SOCS), "performance": ("default", "burst", "balanced")}
"""``htp-arch`` and ``soc``: what the code is for; both must be there. ``performance``: how the processor is clocked."""


@dataclass(frozen=True)
class _Loaded:
    """A session for one batch size."""

    batch: int
    session: Any


class QnnEngine:
    """The contexts of one variant. Satisfies ``Engine``."""

    def __init__(self, source: EngineSource) -> None:
        options = choose_options(source, OPTIONS)
        self._runtime = source.runtime
        self.inputs: tuple[TensorSpec, ...] = source.inputs
        self.outputs: tuple[TensorSpec, ...] = source.outputs
        self.runtime_version: str = plugin.version()
        self._names = [spec.name for spec in source.outputs]
        self._open = open_names(source.inputs)
        try:
            target = htp_target(source.options, where="variant")
            index = read_index(entry_file(source))
            wrappers = [_checked_wrapper(source, index, context) for context in index.contexts]
        except (InvalidInputError, FormatError) as error:
            raise EngineError(runtime=source.runtime, detail=str(error), advice=error.advice) from error
        check_device(index, target)
        self._loaded = [_load(source, context, options, target) for context in reversed(index.contexts)]
        self.placement: PlacementProof | None = _placement(self._loaded, wrappers, target)
        check_batches(source, self._loaded[-1].batch)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One inference (see ``Engine.run``). Rows are split over the batch sizes at hand, the largest first."""
        if not self._loaded:
            raise AlreadyClosedError(what="the qnn engine")
        check_inputs(self._runtime, self.inputs, inputs)
        feed = {name: to_array(tensor) for name, tensor in inputs.items()}
        if not self._open:
            return self._tensors(self._infer(self._loaded[-1].session, feed))
        rows = common_rows(self._runtime, (len(feed[name]) for name in self._open))
        parts = [
            self._infer(one.session, row_slice(feed, self._open, start, one.batch))
            for one, start in split_rows(self._loaded, rows)
        ]
        return self._tensors(joined_rows(parts))

    def close(self) -> None:
        """Free the contexts. Closing again does nothing."""
        self._loaded = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _infer(self, session: Any, feed: Mapping[str, Array]) -> list[Array]:
        try:
            results: list[Array] = session.run(self._names, dict(feed))
        except plugin.ERRORS as error:
            raise _engine_error(self._runtime, "inference failed", error) from None
        return results

    def _tensors(self, arrays: list[Array]) -> dict[str, Tensor]:
        return {name: to_tensor(array) for name, array in zip(self._names, arrays, strict=True)}


def _checked_wrapper(source: EngineSource, index: ContextIndex, context: Context) -> Wrapper:
    """The wrapper's facts, which must be those of the index."""
    wrapper = read_wrapper(companion_file(source, context.file), name=context.file)
    want = (index.htp_arch, index.soc_model, index.sdk_version)
    got = (wrapper.architecture, wrapper.soc_model, wrapper.sdk_version)
    if want != got:
        raise FormatError(what=context.file, expected=_facts(want), got=_facts(got))
    return wrapper


def _facts(facts: tuple[str, int, str]) -> str:
    return f"code for {facts[0]}, chip {facts[1]}, by SDK {facts[2]}"


def _load(source: EngineSource, context: Context, options: Mapping[str, str], target: HtpTarget) -> _Loaded:
    """A session whose nodes come from the context alone: there is nothing in the file to compile from."""
    provider = {
        "htp_arch": target.arch.removeprefix("v"),
        "soc_model": str(target.soc.model),
        "htp_performance_mode": options["performance"],
    }
    settings = plugin.session_options(provider, {}, threads=source.threads, log_level=plugin.LOG_FATAL_ONLY)
    try:
        session = plugin.onnxruntime.InferenceSession(source.files[context.file], settings)
    except plugin.ERRORS as error:
        raise _engine_error(source.runtime, f"cannot load {context.file}", error) from None
    check_tensors(source, session, context.batch)
    return _Loaded(context.batch, session)


def _placement(loaded: list[_Loaded], wrappers: list[Wrapper], target: HtpTarget) -> PlacementProof:
    """Read back from the sessions; every context of a file must be on the device.

    Raises:
        PlacementError: a context is not on the device.

    """
    placements = [placement_of(plugin.assigned(one.session), target.device) for one in loaded]
    for placement, wrapper in zip(placements, reversed(wrappers), strict=True):
        if placement.on_device != wrapper.contexts:
            expected, got = f"{wrapper.contexts} contexts on the device", f"{placement.on_device}"
            raise PlacementError(runtime="qnn", device=target.device, expected=expected, got=got)
    return worst(placements)


def _engine_error(runtime: str, what: str, error: Exception) -> EngineError:
    return EngineError(runtime=runtime, detail=f"{what}: {one_line(error)}")
