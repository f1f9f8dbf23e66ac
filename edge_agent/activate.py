"""Proving a verified variant on this very device: open its engine, replay its golden vectors."""

from __future__ import annotations

from pathlib import Path

from edge_agent.models import Served
from edge_bundle.golden import check_golden
from edge_bundle.manifest import NumericClass
from edge_bundle.walk import VerifiedVariant
from edge_runtime.engine import Engine
from edge_runtime.factory import open_engine, source_of


def prove(variant: VerifiedVariant, *, cache_dir: Path | None = None) -> Served:
    """Open the engine and check every golden vector; only the verified type is accepted.

    ``cache_dir`` is where this node keeps what a runtime compiled. Raises ``RuntimeMissingError``, ``EngineError`` or
    ``GoldenMismatchError``; the engine is closed then.
    """
    manifest = variant.manifest
    engine = open_engine(source_of(manifest, variant.files, cache_dir=cache_dir))
    try:
        replay(engine, variant)
    except BaseException:
        engine.close()
        raise
    return Served(
        name=manifest.name,
        version=manifest.version,
        variant_digest=variant.variant_digest,
        bundle_digest=variant.bundle_digest,
        model_digest=manifest.model_digest,
        contract=variant.contract,
        contract_digest=manifest.contract_digest,
        manifest=manifest,
        proof=variant.proof,
        engine=engine,
    )


def replay(engine: Engine, variant: VerifiedVariant) -> None:
    """Run every golden vector; ``GoldenMismatchError`` names the first that this device does not reproduce.

    A ``portable-exact`` variant promises the same bytes everywhere (its answers are shared between nodes), so the
    contract's tolerance does not apply to it.
    """
    exact = variant.manifest.numeric_class is NumericClass.PORTABLE_EXACT
    tolerance = None if exact else variant.contract.golden
    for number, golden in enumerate(variant.goldens):
        got = engine.run(golden.inputs)
        check_golden(golden.outputs, got, tolerance, runtime=variant.manifest.runtime, vector=number)
