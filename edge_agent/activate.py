"""Proving a verified variant on this very device: open its engine, see where it runs, replay its golden vectors.

Another process does the first of that first: a native runtime that crashes on the variant takes that one with it, and
not the agent with everything that it serves (``edge_runtime/trial.py``).

How far an answer may be off (rule by numeric class):
    1. ``portable-exact``: not one bit, anywhere; its answers are shared between nodes;
    2. ``host-exact``: not one bit where CPU, runtime version and thread count are those of the proof;
    3. else: the contract's ``golden`` tolerance.
"""

from __future__ import annotations

from pathlib import Path

from edge_agent.models import Served
from edge_bundle.contract import GoldenTolerance
from edge_bundle.golden import check_golden
from edge_bundle.manifest import NumericClass
from edge_bundle.placement import check_placement
from edge_bundle.walk import VerifiedVariant
from edge_runtime.engine import Engine
from edge_runtime.factory import open_engine, source_of
from edge_runtime.trial import try_out
from hardware_profiles.same_host import measured_on_same_host


def prove(variant: VerifiedVariant, *, cache_dir: Path | None = None, try_first: bool = True) -> Served:
    """Open the engine, hold its placement against the proof, and check every golden vector.

    Only the verified type is accepted. ``cache_dir`` is where this node keeps what a runtime compiled; without
    ``try_first`` nothing is tried in another process.

    Raises (the engine is closed then):
        RuntimeMissingError: the runtime is not installed here.
        CompileOnlyError: nothing but the device's firmware can run the variant.
        WrongTargetError: compiled code for another device.
        PlacementError: fewer nodes run on the device than was proven; says how many.
        GoldenMismatchError: this device gives other answers; says by how much.
        EngineTimeoutError: the runtime does not come to an end in the other process.
        EngineError: the runtime fails, or crashes in the other process.

    """
    manifest = variant.manifest
    source = source_of(manifest, variant.files, cache_dir=cache_dir)
    if try_first:
        try_out(source, variant.goldens[0].inputs)
    engine = open_engine(source)
    try:
        check_placement(variant.proof.placement, engine.placement, runtime=manifest.runtime)
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
    """Run every golden vector; ``GoldenMismatchError`` names the first that this device does not reproduce."""
    allowed = tolerance(engine, variant)
    for number, golden in enumerate(variant.goldens):
        got = engine.run(golden.inputs)
        check_golden(golden.outputs, got, allowed, runtime=variant.manifest.runtime, vector=number)


def tolerance(engine: Engine, variant: VerifiedVariant) -> GoldenTolerance | None:
    """Rules 1 to 3; ``None`` allows not one bit."""
    manifest = variant.manifest
    match manifest.numeric_class:
        case NumericClass.PORTABLE_EXACT:
            return None
        case NumericClass.HOST_EXACT if measured_on_same_host(
            variant.proof.measured_on, runtime_version=engine.runtime_version, threads=manifest.threads
        ):
            return None
        case _:
            return variant.contract.golden
