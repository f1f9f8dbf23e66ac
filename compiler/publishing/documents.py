"""What lies beside a bundle for people and other tools; nodes read none of it.

``NAME.cdx.json``: the CycloneDX ML-BOM. ``NAME.provenance.json``: the SLSA provenance as readable JSON, unsigned.
``NAME.intoto.jsonl``: both signed envelopes, one a line, as attestation tools take them (in-toto bundle, v1).
"""

from __future__ import annotations

import json
from pathlib import Path


def ml_bom_path(out_dir: Path) -> Path:
    """Where the ML-BOM of a bundle lies."""
    return out_dir.parent / f"{out_dir.name}.cdx.json"


def provenance_path(out_dir: Path) -> Path:
    """Where the readable provenance lies."""
    return out_dir.parent / f"{out_dir.name}.provenance.json"


def attestations_path(out_dir: Path) -> Path:
    """Where the signed envelopes lie."""
    return out_dir.parent / f"{out_dir.name}.intoto.jsonl"


def write_documents(out_dir: Path, *, ml_bom: bytes, provenance: bytes, envelopes: tuple[bytes, ...]) -> None:
    """Write all of them. ``provenance`` is the statement as canonical JSON, ``envelopes`` are DSSE envelopes."""
    ml_bom_path(out_dir).write_bytes(ml_bom)
    readable = json.dumps(json.loads(provenance), indent=2, ensure_ascii=False) + "\n"
    provenance_path(out_dir).write_text(readable, encoding="utf-8")
    attestations_path(out_dir).write_bytes(b"".join(envelope.rstrip() + b"\n" for envelope in envelopes))
