"""One request on its way through the pipeline, and the port to the wire format it came in."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from edge_agent.serving.cache import Entry
from edge_agent.serving.deployment import Deployment
from edge_agent.serving.mark import Mark
from edge_agent.serving.wanted import WantedOutput
from edge_bundle.tensor import Tensor


class Wire(Protocol):
    """The format a request came in: fills ``inputs``, ``wanted`` and ``request_id``, renders the answer."""

    def decode(self, call: Call) -> Awaitable[None] | None:
        """Read and parse the request. Raises ``FormatError`` or ``LimitExceededError``; awaits only a slow body."""

    def encode(self, call: Call) -> None:
        """Render ``call.outputs`` for the client."""


class Call:
    """State of one request. Steps read and write it; nothing outlives it but what the cache stores.

    ``inputs`` and ``outputs`` are in contract order; ``rows`` is the batch size; ``hit`` says whether the answer came
    from the cache; ``stored`` is a cached answer to compare with, ``leading`` that others may wait for this answer;
    ``error`` is why there is no answer; ``depth`` counts the steps entered.
    """

    __slots__ = (
        "cache_key", "cache_status", "deployment", "depth", "error", "hit", "inputs", "leading", "marks", "outputs",
        "request_id", "rows", "started_ns", "stored", "wanted", "wire",
    )  # fmt: skip

    def __init__(self, deployment: Deployment, wire: Wire) -> None:
        self.deployment = deployment
        self.wire = wire
        self.depth = 0
        self.started_ns = 0
        self.request_id: str | None = None
        self.inputs: dict[str, Tensor] = {}
        self.wanted: tuple[WantedOutput, ...] = ()
        self.rows = 1
        self.marks: tuple[Mark, ...] = ()
        self.cache_key = ""
        self.cache_status = ""
        self.hit = False
        self.leading = False
        self.stored: Entry | None = None
        self.outputs: dict[str, Tensor] | None = None
        self.error: BaseException | None = None
