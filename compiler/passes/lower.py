"""Pass 7, lower: each profile gets its runtime's own files.

Requires: a fused graph; for an int8 profile the quantized graph of its scheme.
Ensures:
    1. one artifact per profile, in the request's order, whose entrypoint is among its files;
    2. no artifact is larger than its profile's ``limits.max_artifact_bytes``;
    3. the profile's runtime loads the artifact (an operator that it cannot run is named here).
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from compiler.batches import Batches, batch_sizes
from compiler.compilation import Compilation, Lowered
from compiler.compile_options import compile_options
from compiler.graph import Graph
from compiler.one_line import one_line
from compiler.passes.ensures import ensure
from compiler.progress import Progress
from compiler.scheme import scheme_of
from compiler.toolchain import versions
from compiler.variant_source import source_of_lowered
from compiler.wasm.options import WasmOptions
from compiler.wasm.variant import variant_files
from edge_bundle.errors import (
    CompileError,
    EngineError,
    InvalidInputError,
    LimitExceededError,
    RuntimeMissingError,
    UnsupportedOperatorError,
)
from edge_bundle.manifest import Precision
from edge_runtime.factory import open_engine
from edge_runtime.quiet_import import import_quietly
from edge_runtime.wasm.files import module_file
from hardware_profiles.schema import Profile

NAME = "lower"


def run(state: Compilation, progress: Progress) -> Compilation:
    """Make every profile's artifact and load it once.

    Raises:
        CompileError: the profile's runtime cannot take the model; names the profile.
        RuntimeMissingError: the profile's runtime is not installed here.
        InvalidInputError: there is no compiler for the profile's runtime.
        LimitExceededError: the artifact is larger than the profile allows.

    """
    progress.start(NAME, len(state.request.profiles))
    batches = batch_sizes(state.sources.contract, state.request)
    lowered = []
    for profile in state.request.profiles:
        variant = lower(_graph_for(state, profile), profile, batches)
        _check_size(variant)
        _try_load(state, variant)
        lowered.append(variant)
        progress.advance()
    progress.done()
    return replace(state, lowered=tuple(lowered))


def check(state: Compilation) -> None:
    """Rule 1; rules 2 and 3 raise while lowering."""
    wanted = tuple(profile.name for profile in state.request.profiles)
    ensure(tuple(v.profile.name for v in state.lowered) == wanted, stage=NAME, promise="one artifact per profile")
    for variant in state.lowered:
        ensure(variant.entrypoint in variant.files, stage=NAME, promise="the entrypoint is among the files")


def lower(graph: Graph, profile: Profile, batches: Batches) -> Lowered:
    """The artifact of one graph for one profile; ``batches`` are the sizes that get code of their own.

    Raises:
        CompileError, RuntimeMissingError, InvalidInputError: as ``run``.

    """
    lowering = LOWERINGS.get(profile.runtime)
    if lowering is None:
        raise InvalidInputError(
            file=f"profile {profile.name}",
            key="runtime",
            expected=f"one of {', '.join(sorted(LOWERINGS))}",
            got=repr(profile.runtime),
        )
    return lowering(graph, profile, batches)


def to_onnxruntime(graph: Graph, profile: Profile, _batches: Batches) -> Lowered:
    """The ONNX model itself, for any batch size."""
    return Lowered(profile=profile, files={"model.onnx": graph.model}, entrypoint="model.onnx", toolchain=versions())


def to_wasm(graph: Graph, profile: Profile, batches: Batches) -> Lowered:
    """WebAssembly modules, one for each batch size, and the weights that they share.

    Raises:
        RuntimeMissingError: wasmtime, which assembles and runs them, is not installed.
        UnsupportedOperatorError: no code is known for an operator; names it, the node and the profile.
        CompileError: the model does not hold for a batch size.
        InvalidInputError: an option of the profile has an unknown value.

    """
    if importlib.util.find_spec("wasmtime") is None:
        raise RuntimeMissingError(runtime="wasm", extra="wasm")
    options = WasmOptions(
        relaxed=profile.options.get("relaxed-simd") == "on", winograd=compile_options(profile)["winograd"] == "on"
    )
    try:
        files = variant_files(graph.model, batches.wanted, batches.offered, options)
    except UnsupportedOperatorError as error:
        raise UnsupportedOperatorError(
            operator=error.operator,
            node=error.node,
            reason=f"{error.reason} (profile {profile.name})",
            advice=error.advice or f"leave profile {profile.name} out; docs/wasm.md lists what is covered",
        ) from error
    return Lowered(
        profile=profile, files=files, entrypoint=module_file(min(batches.wanted)), toolchain=versions("wasmtime")
    )


def to_openvino(graph: Graph, profile: Profile, _batches: Batches) -> Lowered:
    """OpenVINO IR, weights in full precision, for any batch size.

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
            model = openvino.Core().read_model(graph.model, b"")
            _name_by_position(model)
            openvino.save_model(model, target, compress_to_fp16=False)
        except (RuntimeError, ValueError, TypeError) as error:
            raise _refused(profile, error) from error
        files = {name: (Path(folder) / name).read_bytes() for name in ("model.bin", "model.xml")}
    return Lowered(profile=profile, files=files, entrypoint="model.xml", toolchain=versions("openvino"))


def _name_by_position(model: Any) -> None:
    """Operations without a name of their own get one from a counter of the process, which no second build repeats.

    The slash keeps the new names apart from those of the graph's own nodes (``Relu_3``).
    """
    for position, operation in enumerate(model.get_ordered_ops()):
        if operation.get_friendly_name() == operation.get_name():
            operation.set_friendly_name(f"made/{operation.get_type_name()}_{position}")


LOWERINGS: Mapping[str, Callable[[Graph, Profile, Batches], Lowered]] = {
    "onnxruntime": to_onnxruntime,
    "openvino": to_openvino,
    "wasm": to_wasm,
}
"""Runtime -> how its artifact is made."""


def _graph_for(state: Compilation, profile: Profile) -> Graph:
    if profile.precision is Precision.INT8:
        return state.quantized[scheme_of(profile)]
    return state.current


def _check_size(variant: Lowered) -> None:
    size, limit = sum(map(len, variant.files.values())), variant.profile.limits.max_artifact_bytes
    if size > limit:
        raise LimitExceededError(
            what=f"artifact for profile {variant.profile.name}",
            limit=limit,
            got=size,
            unit="bytes",
            advice="use a smaller model or a lower precision, or leave the profile out",
        )


def _try_load(state: Compilation, variant: Lowered) -> None:
    try:
        open_engine(source_of_lowered(variant, state.sources.contract)).close()
    except RuntimeMissingError:
        raise
    except EngineError as error:
        raise _refused(variant.profile, error) from error


def _refused(profile: Profile, error: Exception) -> CompileError:
    return CompileError(
        stage=NAME,
        detail=f"profile {profile.name} cannot run the model: {one_line(error)}",
        advice=f"leave profile {profile.name} out, or export the model with operators that {profile.runtime} supports",
    )
