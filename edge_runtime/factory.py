"""Open the engine that a variant names. Importing this module imports no runtime and no numpy."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from edge_bundle.errors import CompileOnlyError, EngineError, RuntimeMissingError
from edge_bundle.manifest import VariantManifest
from edge_runtime.engine import Engine, EngineSource


@dataclass(frozen=True)
class _EngineEntry:
    """Where an engine is, which modules its runtime's extra installs, and whether its runs may overlap."""

    module: str
    name: str
    extra: str
    needs: tuple[str, ...]
    overlaps: bool = False


_ENGINES = {
    "litert": _EngineEntry(
        module="edge_runtime.litert_engine",
        name="LiteRtEngine",
        extra="litert",
        needs=("numpy", "ai_edge_litert"),
    ),
    "onnxruntime": _EngineEntry(
        module="edge_runtime.onnxruntime_engine",
        name="OnnxRuntimeEngine",
        extra="onnxruntime",
        needs=("numpy", "onnxruntime"),
    ),
    "openvino": _EngineEntry(
        module="edge_runtime.openvino_engine",
        name="OpenVinoEngine",
        extra="openvino",
        needs=("numpy", "openvino"),
    ),
    "qnn": _EngineEntry(
        module="edge_runtime.qnn.engine",
        name="QnnEngine",
        extra="qnn",
        needs=("numpy", "onnxruntime", "onnxruntime_qnn"),
    ),
    "rockchip-simulator": _EngineEntry(
        module="edge_runtime.rockchip.simulator",
        name="RockchipSimulatorEngine",
        extra="",
        needs=(),
    ),
    "wasm": _EngineEntry(
        module="edge_runtime.wasm.engine",
        name="WasmEngine",
        extra="wasm",
        needs=("wasmtime",),
        overlaps=True,
    ),
}

RUNTIMES = tuple(sorted(_ENGINES))
"""Runtimes that have an engine."""

COMPILE_ONLY = frozenset({"ethos-u", "rockchip"})
"""Runtimes of devices that Skerry has no engine for: variants are made for them, and no agent runs them."""


def open_engine(source: EngineSource) -> Engine:
    """Load a variant into its runtime.

    Raises:
        RuntimeMissingError: the runtime is not installed here; its advice names the extra to install.
        CompileOnlyError: the runtime lives in firmware.
        EngineError: no such runtime, a broken installation, or the runtime cannot load the variant.

    """
    entry = _ENGINES.get(source.runtime)
    if source.runtime in COMPILE_ONLY:
        raise CompileOnlyError(runtime=source.runtime)
    if entry is None:
        raise EngineError(
            runtime=source.runtime,
            detail=f"expected one of {', '.join(RUNTIMES)}, got {source.runtime!r}",
            advice="the variant is for another kind of device, or was made by a newer Skerry",
        )
    try:
        module = importlib.import_module(entry.module)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name in entry.needs:
            raise RuntimeMissingError(runtime=source.runtime, extra=entry.extra) from None
        raise EngineError(
            runtime=source.runtime,
            detail=f"installed but cannot be imported: {error}",
            advice=f"pip install --force-reinstall 'skerry[{entry.extra}]'",
        ) from error
    opener = cast(Callable[[EngineSource], Engine], getattr(module, entry.name))
    return opener(source)


def concurrent_runs(variant: VariantManifest | EngineSource) -> int:
    """How many runs of one engine may be under way at once: ``threads`` where each takes one thread, else 1."""
    entry = _ENGINES.get(variant.runtime)
    return variant.threads if entry is not None and entry.overlaps else 1


def source_of(manifest: VariantManifest, files: Mapping[str, bytes], *, cache_dir: Path | None = None) -> EngineSource:
    """How to open the variant that a manifest describes, from its unpacked artifact.

    ``cache_dir`` is where this node may keep compiled code, if it may.
    """
    return EngineSource(
        runtime=manifest.runtime,
        files=files,
        entrypoint=manifest.entrypoint,
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        threads=manifest.threads,
        options=manifest.options,
        cache_dir=cache_dir,
    )
