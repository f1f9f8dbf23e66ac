"""Step: the engine."""

from __future__ import annotations

from collections.abc import Awaitable

from edge_agent.serving.call import Call
from edge_agent.serving.step import Step


class Execute(Step):
    """Runs the variant's engine, in the event loop or in a worker as its measured time asks."""

    def enter(self, call: Call) -> Awaitable[None] | None:
        """Compute ``call.outputs``. Raises ``EngineError``, ``EngineTimeoutError`` or ``UnavailableError``."""
        runner = call.deployment.runner
        if runner.may_run_now(call.rows):
            call.outputs = runner.run_now(call.inputs, call.rows)
            return None
        return self._wait(call)

    async def _wait(self, call: Call) -> None:
        call.outputs = await call.deployment.runner.run_in_turn(call.inputs, call.rows)
