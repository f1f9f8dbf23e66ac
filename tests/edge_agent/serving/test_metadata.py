"""Health, metadata, statistics and metrics."""

from __future__ import annotations

import asyncio

from edge_agent.telemetry.recorder import MAX_PENDING_EVENTS
from tests.edge_agent.serving.world import Reply, infer_body, served, serving


def fetch(*paths: str, empty: bool = False, sent: int = 0) -> list[Reply]:
    async def go() -> list[Reply]:
        models = () if empty else (served(),)
        async with serving(*models) as server:
            for _ in range(sent):
                await server.send(infer_body())
            if sent:
                await server.send({"inputs": []})
            return [await server.get(path) for path in paths]

    return asyncio.run(go())


def test_server_metadata_names_its_extensions() -> None:
    (reply,) = fetch("/v2")
    assert reply.json["name"] == "skerry"
    assert "binary_tensor_data" in reply.json["extensions"]


def test_model_metadata_is_the_contract() -> None:
    plain, versioned = fetch("/v2/models/scale", "/v2/models/scale/versions/1.0.0")
    assert plain.json == versioned.json
    assert plain.json == {
        "name": "scale",
        "versions": ["1.0.0"],
        "platform": "skerry_onnxruntime",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
    }


def test_health() -> None:
    live, ready, model, other, healthz = fetch(
        "/v2/health/live", "/v2/health/ready", "/v2/models/scale/ready", "/v2/models/q/ready", "/healthz"
    )
    assert [reply.status for reply in (live, ready, model, other, healthz)] == [200, 200, 200, 404, 200]
    assert healthz.json == {"status": "ok", "models": {"scale": "1.0.0"}}


def test_an_agent_without_models_is_live_but_not_ready() -> None:
    live, ready, healthz = fetch("/v2/health/live", "/v2/health/ready", "/healthz", empty=True)
    assert (live.status, ready.status, ready.json, healthz.status) == (200, 503, {"ready": False}, 200)


def test_statistics_count_every_request() -> None:
    every, one = fetch("/v2/models/stats", "/v2/models/scale/versions/1.0.0/stats", sent=3)
    (stats,) = one.json["model_stats"]
    assert every.json["model_stats"][0]["inference_count"] == stats["inference_count"] == 3
    assert stats["inference_stats"]["success"]["count"] == 3
    assert stats["inference_stats"]["fail"]["count"] == 1
    assert (stats["inference_stats"]["cache_hit"]["count"], stats["skerry"]["cache"]["entries"]) == (2, 1)


def test_statistics_before_any_request_are_valid_json() -> None:
    (reply,) = fetch("/v2/models/stats")
    assert reply.json["model_stats"][0]["skerry"]["p50_us"] is None


def test_metrics_are_prometheus_text() -> None:
    (reply,) = fetch("/metrics", sent=2)
    lines = reply.body.decode().splitlines()
    labels = 'model="scale",version="1.0.0",profile="cpu-fp32",variant="aaaaaaaaaaaa"'
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert f'skerry_requests_total{{{labels},outcome="hit"}} 1' in lines
    assert f'skerry_requests_total{{{labels},outcome="rejected"}} 1' in lines
    assert f"skerry_request_seconds_count{{{labels}}} 2" in lines
    assert f"skerry_cache_entries{{{labels}}} 1" in lines
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    for line in lines:
        if not line.startswith("#"):
            float(line.rsplit(" ", 1)[1])


def test_metrics_tell_of_events_that_were_lost() -> None:
    async def go() -> Reply:
        async with serving() as server:
            for _ in range(MAX_PENDING_EVENTS + 3):
                server.recorder.event("started")
            return await server.get("/metrics")

    assert "skerry_events_dropped_total 3" in asyncio.run(go()).body.decode().splitlines()
