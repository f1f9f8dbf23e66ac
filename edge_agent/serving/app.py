"""The agent's HTTP application: routes and nothing else."""

from __future__ import annotations

import importlib.metadata
import random
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from edge_agent.models import ModelTable
from edge_agent.serving.deployment import Deployments
from edge_agent.serving.guard import ANY_METHOD, guarded, refuse
from edge_agent.serving.metadata import MetadataHandlers
from edge_agent.serving.metrics import MetricsHandler
from edge_agent.serving.pipeline import Pipeline, standard_steps
from edge_agent.serving.rest import InferHandler
from edge_agent.serving.settings import ServingSettings
from edge_agent.serving.steps.reuse import Reuse
from edge_agent.telemetry.recorder import Recorder

DISTRIBUTION = "skerry"

LINGER_S = 2.0
"""After a refusal the rest of a body is read and thrown away this long, so that the client gets to see the answer."""

IDLE_S = 75.0
"""A connection without a request in progress is closed after this long: a silent one, one whose head never ends, and
one that was answered. nginx keeps connections as long."""

DRAIN_S = 10.0
"""How long requests in flight may take to finish when the runner is cleaned up."""


def build_app(
    table: ModelTable,
    recorder: Recorder,
    settings: ServingSettings | None = None,
    *,
    clock_s: Callable[[], float] = time.monotonic,
    rng: random.Random | None = None,
) -> web.Application:
    """The application that serves every model in ``table``, now and after each activation.

    ``clock_s`` (monotonic) drives the cache's time to live, ``rng`` samples the hits that are recomputed.
    """
    settings = settings or ServingSettings()
    executor = ThreadPoolExecutor(max_workers=settings.worker_threads, thread_name_prefix="engine")
    deployments = Deployments(table, recorder, settings, executor, clock_s)
    reuse = Reuse(recorder, recheck_share=settings.recheck_share, rng=rng or random.Random())  # noqa: S311 - sampling
    infer = InferHandler(deployments, Pipeline(standard_steps(reuse)), settings)
    metadata = MetadataHandlers(deployments, importlib.metadata.version(DISTRIBUTION))

    app = web.Application()
    app.cleanup_ctx.append(_closing(executor))
    app.add_routes(
        [
            web.get("/healthz", guarded(metadata.healthz)),
            web.get("/metrics", guarded(MetricsHandler(deployments, recorder).__call__)),
            web.get("/v2", guarded(metadata.server)),
            web.get("/v2/health/live", guarded(metadata.live)),
            web.get("/v2/health/ready", guarded(metadata.ready)),
            web.get("/v2/models/stats", guarded(metadata.stats)),
        ]
    )
    for prefix in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        app.add_routes(
            [
                web.post(f"{prefix}/infer", infer.__call__),
                web.get(prefix, guarded(metadata.model)),
                web.get(f"{prefix}/ready", guarded(metadata.model_ready)),
                web.get(f"{prefix}/stats", guarded(metadata.stats)),
            ]
        )
    app.router.add_route(ANY_METHOD, "/{anything_else:(?s:.*)}", refuse)  # line ends too
    return app


def build_runner(app: web.Application, *, drain_s: float = DRAIN_S, idle_s: float = IDLE_S) -> web.AppRunner:
    """The runner to serve the application with: no access log, bodies left as they came, bounded patience."""
    return web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=idle_s,
        lingering_time=LINGER_S,
        shutdown_timeout=drain_s,
    )


def _closing(executor: ThreadPoolExecutor) -> Callable[[web.Application], AsyncIterator[None]]:
    async def close(_app: web.Application) -> AsyncIterator[None]:
        yield
        executor.shutdown(wait=False, cancel_futures=True)

    return close
