"""The compile report as data, for ``--json`` and for files."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import msgspec

from compiler.compile import CompileResult
from compiler.metrics.text import drop_of


def report(result: CompileResult) -> dict[str, Any]:
    """Everything in the result as JSON builtins; ``drop``: how much worse than fp32, in the metric's own unit."""
    return {
        "name": result.name,
        "version": result.version,
        "bundle_digest": result.bundle_digest,
        "release_index_digest": result.release_index_digest,
        "model_digest": result.model_digest,
        "bundle_dir": str(result.bundle_dir),
        "ml_bom": str(result.ml_bom_path),
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
        "passes": [asdict(stage) for stage in result.stages],
    }


def report_bytes(result: CompileResult) -> bytes:
    """The report as an indented UTF-8 file."""
    return (json.dumps(report(result), indent=2, ensure_ascii=False) + "\n").encode()
