"""A CycloneDX 1.6 ML-BOM of a bundle (https://cyclonedx.org/docs/1.6/json/): models, data sets and tools by digest.

Reproducible: no time, and the serial number is derived from the bundle digest (RFC 9562, UUID version 8).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from compiler.compilation import Sources
from compiler.publishing.model_card import reference_card, variant_card
from edge_bundle.bundle import BundleRefs
from edge_bundle.contract import Contract
from edge_bundle.digest import hex_of
from edge_bundle.manifest import VariantManifest
from edge_bundle.proof import AccuracyProof, Proof

SPEC_VERSION = "1.6"


def ml_bom(
    sources: Sources,
    variants: tuple[tuple[VariantManifest, Proof], ...],
    reference: AccuracyProof,
    refs: BundleRefs,
    toolchain: Mapping[str, str],
) -> bytes:
    """The document as indented UTF-8 JSON; ``reference`` is the accuracy of the source model in fp32."""
    contract = sources.contract
    ref = f"{contract.name}:{contract.version}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{_serial(hex_of(refs.bundle_digest))}",
        "version": 1,
        "metadata": _metadata(contract, ref, refs, toolchain),
        "components": [
            _source_model(sources, ref, reference),
            *(_variant(contract, manifest, proof) for manifest, proof in variants),
            *_datasets(sources),
            *_metric(sources),
        ],
        "dependencies": _dependencies([manifest.profile for manifest, _ in variants], ref),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _metadata(contract: Contract, ref: str, refs: BundleRefs, toolchain: Mapping[str, str]) -> dict[str, Any]:
    """The bundle as a whole, and the tools that made it."""
    return {
        "component": {
            "type": "application",
            "bom-ref": ref,
            "name": contract.name,
            "version": contract.version,
            "description": contract.description,
            "hashes": _hashes(refs.bundle_digest),
            "supplier": {"name": contract.owner},
        },
        "tools": {
            "components": [
                {"type": "application", "bom-ref": f"tool:{name}", "name": name, "version": version}
                for name, version in sorted(toolchain.items())
            ]
        },
    }


def _source_model(sources: Sources, ref: str, reference: AccuracyProof) -> dict[str, Any]:
    contract = sources.contract
    datasets = ["evaluation", *(["calibration"] if sources.calibration else [])]
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{ref}",
        "name": contract.name,
        "version": contract.version,
        "hashes": _hashes(sources.model_digest),
        "modelCard": reference_card(contract, [f"data:{name}" for name in datasets], reference),
    }


def _variant(contract: Contract, manifest: VariantManifest, proof: Proof) -> dict[str, Any]:
    properties = {
        "skerry:execution": proof.measured_on.execution.value,
        "skerry:numeric-class": manifest.numeric_class.value,
        "skerry:precision": manifest.precision.value,
        "skerry:quantization": proof.quantization.scheme if proof.quantization else None,
        "skerry:runtime": manifest.runtime,
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": f"variant:{manifest.profile}",
        "name": f"{manifest.name}/{manifest.profile}",
        "version": manifest.version,
        "hashes": _hashes(proof.variant_digest),
        "modelCard": variant_card(contract, proof),
        "properties": [{"name": name, "value": value} for name, value in properties.items() if value],
    }


def _datasets(sources: Sources) -> list[dict[str, Any]]:
    found = {"calibration": sources.calibration, "evaluation": sources.evaluation}
    return [
        {
            "type": "data",
            "bom-ref": f"data:{name}",
            "name": name,
            "hashes": _hashes(dataset.digest),
            "data": [{"type": "dataset", "name": name, "contents": {"properties": [_samples(dataset.samples)]}}],
        }
        for name, dataset in found.items()
        if dataset
    ]


def _metric(sources: Sources) -> list[dict[str, Any]]:
    """The file of a user's own metric."""
    digest, name = sources.judge.function_digest, sources.contract.accuracy.function
    if digest is None or name is None:
        return []
    return [{"type": "file", "bom-ref": "file:metric", "name": name.partition(":")[0], "hashes": _hashes(digest)}]


def _samples(count: int) -> dict[str, str]:
    return {"name": "skerry:samples", "value": str(count)}


def _dependencies(profiles: list[str], ref: str) -> list[dict[str, Any]]:
    variants = [f"variant:{profile}" for profile in profiles]
    return [
        {"ref": ref, "dependsOn": variants},
        *({"ref": variant, "dependsOn": [f"model:{ref}"]} for variant in variants),
    ]


def _hashes(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hex_of(digest)}]


def _serial(hex_digest: str) -> uuid.UUID:
    """128 digest bits with version 8 and the RFC variant set."""
    bits = int(hex_digest[:32], 16)
    bits = bits & ~(0xF << 76) | 0x8 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=bits)
