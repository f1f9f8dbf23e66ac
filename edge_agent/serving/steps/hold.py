"""Step: keep the variant open until the request is done, whatever is activated meanwhile."""

from __future__ import annotations

from edge_agent.serving.call import Call
from edge_agent.serving.step import Step


class Hold(Step):
    """Counts the request as a user of its variant."""

    def enter(self, call: Call) -> None:
        """Take hold."""
        call.deployment.served.users.enter()

    def leave(self, call: Call) -> None:
        """Let go; the last request of a replaced variant closes its engine."""
        call.deployment.served.users.leave()
