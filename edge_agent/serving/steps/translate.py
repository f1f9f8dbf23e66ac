"""Step: bytes to tensors on the way in, tensors to bytes on the way out."""

from __future__ import annotations

from collections.abc import Awaitable

from edge_agent.serving.call import Call
from edge_agent.serving.step import Step


class Translate(Step):
    """Leaves the format to the call's ``Wire``."""

    def enter(self, call: Call) -> Awaitable[None] | None:
        """Decode the request."""
        return call.wire.decode(call)

    def leave(self, call: Call) -> None:
        """Encode the answer, if there is one."""
        if call.error is None:
            call.wire.encode(call)
