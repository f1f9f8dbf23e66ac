"""Health, metadata and statistics of the Open Inference Protocol v2, and ``/healthz``."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from edge_agent.serving.deployment import Deployment, Deployments
from edge_agent.serving.problem import problem_of
from edge_agent.serving.v2_binary import EXTENSION
from edge_agent.telemetry.meter import Counts
from edge_bundle.contract import TensorRule
from edge_bundle.errors import SkerryError

SERVER_NAME = "skerry"
_NS_PER_US = 1000


class MetadataHandlers:
    """The read-only endpoints. ``agent_version`` is what the server metadata reports."""

    def __init__(self, deployments: Deployments, agent_version: str) -> None:
        self._deployments, self._agent_version = deployments, agent_version

    async def server(self, _request: web.Request) -> web.Response:
        """``GET /v2``."""
        extensions = [EXTENSION, "statistics"]
        return _json({"name": SERVER_NAME, "version": self._agent_version, "extensions": extensions})

    async def live(self, _request: web.Request) -> web.Response:
        """``GET /v2/health/live``: the process answers."""
        return _json({"live": True})

    async def ready(self, _request: web.Request) -> web.Response:
        """``GET /v2/health/ready``: at least one model is served, and every model in the table is."""
        ready = bool(self._deployments.all())
        return _json({"ready": ready}, status=200 if ready else 503)

    async def healthz(self, _request: web.Request) -> web.Response:
        """``GET /healthz``: live, with the releases being served."""
        served = {item.served.name: item.served.version for item in self._deployments.all()}
        return _json({"status": "ok", "models": served})

    async def model(self, request: web.Request) -> web.Response:
        """``GET /v2/models/{model}[/versions/{version}]``."""
        try:
            deployment = _deployment(self._deployments, request)
        except SkerryError as error:
            return problem_of(error)
        return _json(_model_metadata(deployment))

    async def model_ready(self, request: web.Request) -> web.Response:
        """``GET .../ready``."""
        try:
            deployment = _deployment(self._deployments, request)
        except SkerryError as error:
            return problem_of(error)
        return _json({"name": deployment.served.name, "ready": True})

    async def stats(self, request: web.Request) -> web.Response:
        """``GET /v2/models/stats`` and ``GET .../stats`` (Triton's statistics extension; times in nanoseconds)."""
        try:
            named = "model" in request.match_info
            chosen = (_deployment(self._deployments, request),) if named else self._deployments.all()
        except SkerryError as error:
            return problem_of(error)
        return _json({"model_stats": [model_stats(deployment) for deployment in chosen]})


def model_stats(deployment: Deployment) -> dict[str, Any]:
    """One entry of ``model_stats``, with what Skerry counts beside it under ``skerry``."""
    served, total = deployment.served, deployment.meter.total()
    return {
        "name": served.name,
        "version": served.version,
        "inference_count": total.samples,
        "execution_count": deployment.runner.runs,
        "inference_stats": {
            "success": _duration(total.answered, total.latency_us.total),
            "fail": _duration(total.rejected + total.failed, 0.0),
            "cache_hit": _duration(total.hits, 0.0),
            "cache_miss": _duration(total.misses, 0.0),
        },
        "batch_stats": [],
        "skerry": _skerry_stats(deployment, total),
    }


def _skerry_stats(deployment: Deployment, total: Counts) -> dict[str, Any]:
    latency = {
        f"p{q}_us": None if total.latency_us.count == 0 else total.latency_us.quantile(q / 100) for q in (50, 90, 99)
    }
    stats: dict[str, Any] = {
        "variant_digest": deployment.served.variant_digest,
        "profile": deployment.served.profile,
        "requests": total.requests,
        "rejected": total.rejected,
        "failed": total.failed,
        "clipped": total.clipped,
        "flagged": total.flagged,
        "engine_us_per_row": deployment.runner.us_per_row,
        **latency,
    }
    why = deployment.served.instead_of
    if why is not None:
        stats["instead_of"] = {"profile": why.profile, "error": why.error, "detail": why.detail}
    if deployment.reuse is not None:
        cache = deployment.reuse.cache
        counts = {name: getattr(cache.counts, name) for name in cache.counts.__dataclass_fields__}
        stats["cache"] = {"enabled": cache.enabled, "entries": len(cache), "bytes": cache.nbytes, **counts}
    return stats


def _duration(count: int, total_us: float) -> dict[str, int]:
    return {"count": count, "ns": round(total_us * _NS_PER_US)}


def _model_metadata(deployment: Deployment) -> dict[str, Any]:
    served, contract = deployment.served, deployment.served.contract
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": f"skerry_{served.manifest.runtime}",
        "inputs": [_tensor_metadata(rule) for rule in contract.inputs],
        "outputs": [_tensor_metadata(rule) for rule in contract.outputs],
    }


def _tensor_metadata(rule: TensorRule) -> dict[str, Any]:
    return {"name": rule.name, "datatype": rule.dtype.value, "shape": list(rule.shape)}


def _deployment(deployments: Deployments, request: web.Request) -> Deployment:
    names = request.match_info
    return deployments.get(names["model"], names.get("version"))


def _json(document: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(document), content_type="application/json")
