"""Figures that no measurement has are refused when a proof is read, and not wherever one of them is used."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from edge_bundle.canonical import decode
from edge_bundle.errors import FormatError
from edge_bundle.proof import PlacementProof, Proof
from tests.edge_bundle.samples import sample_proof

PLACEMENT = PlacementProof(device="npu", nodes=2, on_device=1, elsewhere=("Softmax s",))

ODD: dict[str, tuple[tuple[str, ...], str]] = {
    "NaN": (("latency", "p50_us"), "NaN"),
    "infinity": (("latency", "p99_us"), "1e999"),
    "a negative time": (("latency", "p90_us"), "-1.0"),
    "a negative count": (("accuracy", "samples"), "-1"),
    "a count beyond JSON": (("peak_rss_bytes",), str(2**60)),
    "a fraction of a byte": (("artifact_bytes",), "0.5"),
    "a share beyond all": (("agreement", "top1"), "1.5"),
    "more on the device than there are": (("placement", "on_device"), "3"),
    "fewer nodes than are named": (("placement", "nodes"), "1"),
    "a negative thread count": (("determinism", "threads"), "[-1]"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_figures(name: str) -> None:
    path, text = ODD[name]
    document: dict[str, Any] = msgspec.to_builtins(
        msgspec.structs.replace(sample_proof("cpu-fp32", "sha256:" + "0" * 64), placement=PLACEMENT)
    )
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = "HERE"
    data = json.dumps(document).replace('"HERE"', text).encode()
    with pytest.raises(FormatError, match="proof: expected "):
        decode(data, Proof, what="proof")


def test_plain_ones() -> None:
    proof = msgspec.structs.replace(sample_proof("cpu-fp32", "sha256:" + "0" * 64), placement=PLACEMENT)
    assert decode(msgspec.json.encode(proof), Proof, what="proof") == proof
