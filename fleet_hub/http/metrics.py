"""Counters in the Prometheus text format, version 0.0.4.

Written by hand: a dozen numbers need no client library (https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


class Metrics:
    """Counts since the start of this process."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: Counter[tuple[str, str]] = Counter()
        self.telemetry_batches: Counter[str] = Counter()
        self.polls = 0

    def count_request(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count one answered request under its route's pattern, never under its path."""
        self._requests[method, route, status] += 1
        self._seconds[method, route] += elapsed_s  # type: ignore[assignment]  # typeshed: counts are int

    def families(self) -> str:
        """What this object counts, as text."""
        return "".join(
            (
                family(
                    "skerry_hub_requests_total",
                    "counter",
                    "Requests answered.",
                    (
                        ({"method": method, "route": route, "status": str(status)}, count)
                        for (method, route, status), count in sorted(self._requests.items())
                    ),
                ),
                family(
                    "skerry_hub_request_seconds_total",
                    "counter",
                    "Time spent answering requests.",
                    (
                        ({"method": method, "route": route}, seconds)
                        for (method, route), seconds in sorted(self._seconds.items())
                    ),
                ),
                family("skerry_hub_polls_total", "counter", "Polls of nodes.", [({}, self.polls)]),
                family(
                    "skerry_hub_telemetry_batches_total",
                    "counter",
                    "Telemetry batches received.",
                    (({"result": result}, count) for result, count in sorted(self.telemetry_batches.items())),
                ),
            )
        )


def family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    """One metric family."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items())
        lines.append(f"{name}{{{inside}}} {value}" if inside else f"{name} {value}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
