"""The compile report as data, for ``--json`` and for files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from compiler.compilation import Refusal
from compiler.compile import CompileResult
from compiler.metrics.text import drop_of


def report(result: CompileResult) -> dict[str, Any]:
    """Everything in the result as JSON builtins; ``drop`` is how much worse than the fp32 reference, in its unit."""
    return {
        "name": result.name,
        "version": result.version,
        "bundle_digest": result.bundle_digest,
        "release_index_digest": result.release_index_digest,
        "model_digest": result.model_digest,
        "bundle_dir": str(result.bundle_dir),
        "ml_bom": str(result.ml_bom_path),
        "provenance": str(result.provenance_path),
        "attestations": str(result.attestations_path),
        "signed_by": list(result.signed_by),
        "reference": msgspec.to_builtins(result.reference),
        "variants": [
            {
                "manifest": msgspec.to_builtins(variant.manifest),
                "proof": msgspec.to_builtins(variant.proof),
                "drop": drop_of(variant.proof.accuracy, result.reference),
            }
            for variant in result.variants
        ],
        "refused": [_refusal(one) for one in result.refused],
        "races": [msgspec.to_builtins(race) for race in result.races],
        "quantized": [
            {
                "scheme": str(one.scheme),
                "profiles": list(one.profiles),
                "judge": one.judge,
                "layers": [asdict(layer) for layer in one.layers],
                "notes": list(one.notes),
            }
            for one in result.quantized
        ],
        "passes": [asdict(stage) for stage in result.stages],
    }


def _refusal(one: Refusal) -> dict[str, str]:
    return {
        "profile": one.profile.name,
        "runtime": one.profile.runtime,
        "precision": one.profile.precision.value,
        "pass": one.stage,
        "error": one.error.name,
        "reason": str(one.error),
        "advice": one.error.advice,
    }
