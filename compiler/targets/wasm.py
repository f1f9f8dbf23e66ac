"""WebAssembly: Skerry's own code generator (``compiler/wasm``)."""

from __future__ import annotations

import importlib.util

from compiler.compile_options import compile_options
from compiler.targets.target import Lowered, TargetJob
from compiler.toolchain import versions
from compiler.wasm.options import WasmOptions
from compiler.wasm.variant import variant_files
from edge_bundle.errors import RuntimeMissingError, UnsupportedOperatorError
from edge_runtime.wasm.files import module_file


def lower(job: TargetJob) -> Lowered:
    """WebAssembly modules, one for each batch size, and the weights that they share.

    Raises:
        RuntimeMissingError: wasmtime, which assembles and runs them, is not installed.
        UnsupportedOperatorError: no code is known for an operator; names it, the node and the profile.
        CompileError: the model does not hold for a batch size.
        InvalidInputError: an option of the profile has an unknown value.

    """
    if importlib.util.find_spec("wasmtime") is None:
        raise RuntimeMissingError(runtime="wasm", extra="wasm")
    profile, batches = job.profile, job.batches
    options = WasmOptions(
        relaxed=profile.options.get("relaxed-simd") == "on", winograd=compile_options(profile)["winograd"] == "on"
    )
    try:
        files = variant_files(job.graph.model, batches.wanted, batches.offered, options)
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
