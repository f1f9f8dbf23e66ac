"""Step: the engine."""

from __future__ import annotations

from collections.abc import Awaitable

from edge_agent.serving.call import Call


class Execute:
    """Runs the variant's engine, in the event loop or in a worker as its measured time asks."""

    def enter(self, call: Call) -> Awaitable[None] | None:
        """Compute ``call.outputs``. Raises ``EngineError``, ``EngineTimeoutError`` or ``UnavailableError``."""
        return call.deployment.runner.run(call)

    def leave(self, call: Call) -> None:
        """Nothing to give back."""
