"""How much of request bodies is held at once: whoever sends many large ones must not fill the node's memory. Pure."""

from __future__ import annotations

from edge_bundle.errors import UnavailableError


class Intake:
    """Counts the bytes of bodies that arrive in pieces, until their requests are done.

    A body that arrived whole is not counted: it is no larger than the server's read buffer (128 KiB). A body alone is
    always let in, up to what its contract allows.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.held = 0

    def take(self, nbytes: int, *, own: int) -> None:
        """Hold more of a body of which ``own`` bytes are held already; ``UnavailableError`` when all is too much."""
        if self.held + nbytes > self._max_bytes and self.held > own:
            detail = f"{self.held} bytes of other requests are held"
            raise UnavailableError(what="memory for request bodies", detail=detail, advice="try again shortly")
        self.held += nbytes

    def give(self, nbytes: int) -> None:
        """Hold that much less."""
        self.held -= nbytes
