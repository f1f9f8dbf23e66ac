"""Runs one variant's engine: in the event loop while that is quick, else in worker threads, as many as it allows.

A hop to a thread costs 15-30 us, more than a small model itself; a long run in the loop stalls every other request.
The measured time per row decides, starting from the proof's latency where there is one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Executor

from edge_agent.models import Served
from edge_agent.serving.settings import ServingSettings
from edge_bundle.errors import EngineTimeoutError, UnavailableError
from edge_bundle.tensor import Tensor
from edge_runtime.factory import concurrent_runs

INLINE_LIMIT_US = 2000.0
"""Longest run expected to finish inside the event loop; other requests wait that long at most."""

MEASURE_WEIGHT = 0.125
"""Weight of the newest run in the moving average (RFC 6298 smooths round-trip times with the same 1/8)."""


class EngineRunner:
    """Decides where a run happens and bounds how long anyone waits for it."""

    def __init__(self, served: Served, settings: ServingSettings, executor: Executor) -> None:
        self._served = served
        self._settings = settings
        self._executor = executor
        self._turn = asyncio.Semaphore(concurrent_runs(served.manifest))  # held by a run in a worker
        self._waiting = 0
        latency = served.proof.latency if served.proof else None
        self.us_per_row = latency.p50_us if latency else INLINE_LIMIT_US + 1
        self.runs = 0

    def may_run_now(self, rows: int) -> bool:
        """Whether ``run_now`` may be called: the engine is free, and quick enough for the event loop."""
        return self._is_quick(rows) and not self._turn.locked()

    def run_now(self, inputs: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
        """One run in the event loop. Raises ``EngineError``."""
        start = time.perf_counter_ns()
        outputs = self._served.engine.run(inputs)
        self._measured((time.perf_counter_ns() - start) / 1000, rows)
        return outputs

    async def run_in_turn(self, inputs: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
        """One run after those that wait already, in a worker unless the engine turns out quick meanwhile.

        Raises ``EngineError``, ``EngineTimeoutError``, or ``UnavailableError`` when too many runs wait already.
        """
        if self._waiting >= self._settings.max_pending_runs:
            detail = f"{self._waiting} requests already wait for its engine"
            raise UnavailableError(what=f"model {self._served.name}", detail=detail, advice="try again shortly")
        limit_s = self._settings.engine_timeout_s
        self._waiting += 1
        try:
            async with asyncio.timeout(limit_s):
                await self._turn.acquire()
                if self._is_quick(rows):  # known since this request began to wait: no need for a worker any more
                    return self._run_now_and_release(inputs, rows)
                # A run cannot be interrupted: on timeout or cancellation it goes on alone and gives its turn back.
                outputs, elapsed_us = await asyncio.shield(self._start(inputs))
        except TimeoutError:
            raise EngineTimeoutError(runtime=self._served.manifest.runtime, limit_s=limit_s) from None
        finally:
            self._waiting -= 1
        self._measured(elapsed_us, rows)
        return outputs

    def _is_quick(self, rows: int) -> bool:
        return self.us_per_row * rows <= INLINE_LIMIT_US

    def _run_now_and_release(self, inputs: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
        try:
            return self.run_now(inputs, rows)
        finally:
            self._turn.release()

    def _start(self, inputs: Mapping[str, Tensor]) -> asyncio.Future[tuple[dict[str, Tensor], float]]:
        self._served.users.enter()
        future = asyncio.get_running_loop().run_in_executor(self._executor, self._timed_run, inputs)
        future.add_done_callback(self._finished)
        return future

    def _finished(self, future: asyncio.Future[tuple[dict[str, Tensor], float]]) -> None:
        self._turn.release()
        self._served.users.leave()
        if not future.cancelled():
            future.exception()  # looked at here too: nobody else does after a timeout

    def _timed_run(self, inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], float]:
        start = time.perf_counter_ns()
        outputs = self._served.engine.run(inputs)
        return outputs, (time.perf_counter_ns() - start) / 1000

    def _measured(self, elapsed_us: float, rows: int) -> None:
        newest = elapsed_us / rows
        self.us_per_row = newest if self.runs == 0 else self.us_per_row + MEASURE_WEIGHT * (newest - self.us_per_row)
        self.runs += 1
