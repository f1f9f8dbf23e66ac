"""Records and clocks for telemetry tests."""

from __future__ import annotations

from dataclasses import dataclass

from edge_bundle.telemetry import EventRecord, ServingRecord


class Hands:
    """A clock that the test moves; Unix seconds."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True)
class Variant:
    """What a recorder needs to know of a variant."""

    name: str = "digits"
    version: str = "1.0.0"
    variant_digest: str = "sha256:" + "a" * 64
    profile: str = "cpu-fp32"


def serving_record(requests: int = 1) -> ServingRecord:
    return ServingRecord(
        model="digits",
        version="1.0.0",
        variant_digest="sha256:" + "a" * 64,
        profile="cpu-fp32",
        start_ms=0,
        end_ms=1000,
        requests=requests,
        misses=requests,
        samples=requests,
    )


def event_record(kind: str = "activated") -> EventRecord:
    return EventRecord(at_ms=0, kind=kind)
