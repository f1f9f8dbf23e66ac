"""A real agent serving one variant of a verified release with a real engine, in a thread, on a free port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from aiohttp import web

from edge_agent.models import ModelTable, Served
from edge_agent.serving.app import build_app
from edge_agent.serving.settings import ServingSettings
from edge_agent.telemetry.recorder import Recorder
from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import Tensor, TensorSpec
from edge_bundle.walk import VerifiedVariant
from edge_runtime.engine import Engine
from edge_runtime.factory import open_engine, source_of

HOST = "127.0.0.1"
START_TIMEOUT_S = 20.0


class CountingEngine:
    """A real engine that counts its runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.runs = 0

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self._engine.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self._engine.outputs

    @property
    def runtime_version(self) -> str:
        return self._engine.runtime_version

    @property
    def placement(self) -> PlacementProof | None:
        return self._engine.placement

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.runs += 1
        return self._engine.run(inputs)

    def close(self) -> None:
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def served(variant: VerifiedVariant, engine: Engine, *, variant_digest: str | None = None) -> Served:
    """A verified variant as the agent's table holds it; ``variant_digest`` pretends that it is another."""
    return Served(
        name=variant.manifest.name,
        version=variant.manifest.version,
        variant_digest=variant_digest or variant.variant_digest,
        bundle_digest=variant.bundle_digest,
        model_digest=variant.manifest.model_digest,
        contract=variant.contract,
        contract_digest=variant.manifest.contract_digest,
        manifest=variant.manifest,
        proof=variant.proof,
        engine=engine,
    )


class AgentThread:
    """The agent while its context lasts. ``requests`` counts the answers it gave, ``engine.runs`` its inferences."""

    def __init__(self, variant: VerifiedVariant) -> None:
        self.engine = CountingEngine(open_engine(source_of(variant.manifest, variant.files)))
        self.table = ModelTable()
        self.table.activate(served(variant, self.engine))
        self.requests = 0
        self.port = 0
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def activate(self, variant: Served) -> None:
        """Swap the served variant, on the agent's own loop."""

        async def swap() -> None:
            self.table.activate(variant)

        asyncio.run_coroutine_threadsafe(swap(), self._loop).result(START_TIMEOUT_S)

    async def _serve(self) -> None:
        app = build_app(self.table, Recorder(), ServingSettings(recheck_share=0.0))
        app.on_response_prepare.append(self._count)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _count(self, _request: web.Request, _response: web.StreamResponse) -> None:
        self.requests += 1

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            raise TimeoutError("the agent did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()
        self.engine.close()
