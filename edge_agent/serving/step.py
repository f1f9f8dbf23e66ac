"""One step of the path of a request."""

from __future__ import annotations

from collections.abc import Awaitable

from edge_agent.serving.call import Call


class Step:
    """A step defines ``enter``, ``leave`` or both; one that it does not define costs a request nothing."""

    def enter(self, call: Call) -> Awaitable[None] | None:
        """On the way to the engine. Setting ``call.outputs`` answers the request; a ``SkerryError`` ends it."""

    def leave(self, call: Call) -> None:
        """On the way back, when ``call.outputs`` or ``call.error`` is set. May raise a ``SkerryError``."""
