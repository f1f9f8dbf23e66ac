"""How a lowered variant is opened by ``edge_runtime``: all inputs and outputs of the contract, in its order."""

from __future__ import annotations

from compiler.compile_options import engine_options
from compiler.targets.target import Lowered
from edge_bundle.contract import Contract
from edge_runtime.engine import EngineSource


def source_of_lowered(variant: Lowered, contract: Contract) -> EngineSource:
    """The engine source of a variant, as its manifest will describe it."""
    return EngineSource(
        runtime=variant.profile.runtime,
        files=variant.files,
        entrypoint=variant.entrypoint,
        inputs=tuple(rule.spec for rule in contract.inputs),
        outputs=tuple(rule.spec for rule in contract.outputs),
        threads=variant.profile.threads,
        options=engine_options(variant.profile),
    )


def reference_source(model: bytes, contract: Contract) -> EngineSource:
    """The fp32 reference: the imported model under ONNX Runtime on one thread."""
    return EngineSource(
        runtime="onnxruntime",
        files={"model.onnx": model},
        entrypoint="model.onnx",
        inputs=tuple(rule.spec for rule in contract.inputs),
        outputs=tuple(rule.spec for rule in contract.outputs),
    )
