"""``/metrics``: counters in the Prometheus text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from edge_agent.serving.deployment import Deployment, Deployments
from edge_agent.telemetry.meter import Meter
from edge_agent.telemetry.recorder import Recorder

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUANTILES = (0.5, 0.9, 0.99)


class MetricsHandler:
    """Answers ``GET /metrics``."""

    def __init__(self, deployments: Deployments, recorder: Recorder) -> None:
        self._deployments, self._recorder = deployments, recorder

    async def __call__(self, _request: web.Request) -> web.Response:
        """Render every meter and every cache."""
        lines = [
            *_meter_lines(self._recorder.meters()),
            *_event_lines(self._recorder.events_dropped),
            *_fallback_lines(self._deployments.all()),
            *_cache_lines(self._deployments.all()),
        ]
        return web.Response(
            body="".join(f"{line}\n" for line in lines).encode(), headers={"Content-Type": CONTENT_TYPE}
        )


def _meter_lines(meters: tuple[Meter, ...]) -> Iterator[str]:
    totals = [(_labels(meter), meter.total()) for meter in meters]
    yield "# HELP skerry_requests_total Requests by outcome."
    yield "# TYPE skerry_requests_total counter"
    for labels, total in totals:
        for outcome in ("hits", "misses", "rejected", "failed"):
            name = {"hits": "hit", "misses": "miss"}.get(outcome, outcome)
            yield f'skerry_requests_total{{{labels},outcome="{name}"}} {getattr(total, outcome)}'
    for what, text in (
        ("samples", "Rows answered."),
        ("clipped", "Answers with a clipped tensor."),
        ("flagged", "Answers with a flagged tensor."),
    ):
        yield f"# HELP skerry_{what}_total {text}"
        yield f"# TYPE skerry_{what}_total counter"
        for labels, total in totals:
            yield f"skerry_{what}_total{{{labels}}} {getattr(total, what)}"
    yield "# HELP skerry_request_seconds Handling time of answered requests."
    yield "# TYPE skerry_request_seconds summary"
    for labels, total in totals:
        sketch = total.latency_us
        for q in QUANTILES:
            yield f'skerry_request_seconds{{{labels},quantile="{q}"}} {_seconds(sketch.quantile(q))}'
        yield f"skerry_request_seconds_sum{{{labels}}} {_seconds(sketch.total)}"
        yield f"skerry_request_seconds_count{{{labels}}} {sketch.count}"


def _event_lines(dropped: int) -> Iterator[str]:
    yield "# HELP skerry_events_dropped_total Events lost because none was taken away for telemetry in time."
    yield "# TYPE skerry_events_dropped_total counter"
    yield f"skerry_events_dropped_total {dropped}"


def _fallback_lines(deployments: tuple[Deployment, ...]) -> Iterator[str]:
    yield "# HELP skerry_fallback Models that another profile's variant answers for, and the error behind it."
    yield "# TYPE skerry_fallback gauge"
    for item in deployments:
        why = item.served.instead_of
        if why is not None:
            yield f'skerry_fallback{{{_labels(item.meter)},instead_of="{why.profile}",error="{why.error}"}} 1'


def _cache_lines(deployments: tuple[Deployment, ...]) -> Iterator[str]:
    caches = [(_labels(item.meter), item.reuse.cache) for item in deployments if item.reuse is not None]
    for what, text, kind in (
        ("entries", "Answers in the output cache.", "gauge"),
        ("bytes", "Memory of the output cache.", "gauge"),
        ("evicted_total", "Answers dropped to stay within bounds.", "counter"),
        ("mismatches_total", "Recomputed answers that differed from the stored one.", "counter"),
    ):
        yield f"# HELP skerry_cache_{what} {text}"
        yield f"# TYPE skerry_cache_{what} {kind}"
        for labels, cache in caches:
            values = {
                "entries": len(cache),
                "bytes": cache.nbytes,
                "evicted_total": cache.counts.evicted,
                "mismatches_total": cache.counts.mismatches,
            }
            yield f"skerry_cache_{what}{{{labels}}} {values[what]}"


def _labels(meter: Meter) -> str:
    """Label values need no escaping: names, versions, profiles and digests hold no quotes, backslashes or newlines."""
    return (
        f'model="{meter.model}",version="{meter.version}",profile="{meter.profile}",'
        f'variant="{meter.variant_digest.removeprefix("sha256:")[:12]}"'
    )


def _seconds(microseconds: float) -> str:
    return f"{microseconds / 1e6:.9g}".replace("nan", "NaN")
