"""Options of the serving side. What a model's owner decides (limits, time to live) is in the contract instead."""

from __future__ import annotations

from dataclasses import dataclass

from edge_bundle.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class ServingSettings:
    """Bounds and rates of one agent; the defaults suit a small edge machine.

    ``read_timeout_s``: a client that trickles its body is cut off.
    ``engine_timeout_s``: the longest wait for an engine, queueing included.
    ``max_held_body_bytes``: bodies that arrive in pieces, all requests together, until they are answered; more are told
    to come back later.
    ``max_pending_runs``: runs that may wait for one model's worker; more are told to come back later.
    ``worker_threads``: threads shared by all models for engine runs too long for the event loop.
    ``cache_max_bytes``: memory of one model's output cache.
    ``recheck_share``: share of cache hits that are recomputed and compared (0 never, 1 always).
    """

    read_timeout_s: float = 10.0
    engine_timeout_s: float = 10.0
    max_held_body_bytes: int = 256 << 20
    max_pending_runs: int = 64
    worker_threads: int = 2
    cache_max_bytes: int = 64 << 20
    recheck_share: float = 0.001

    def __post_init__(self) -> None:
        """Raises ``InvalidInputError`` for values that cannot work."""
        for key in ("read_timeout_s", "engine_timeout_s", "max_held_body_bytes", "max_pending_runs", "worker_threads"):
            if not getattr(self, key) > 0:
                raise InvalidInputError(
                    file="serving settings", key=key, expected="more than 0", got=str(getattr(self, key))
                )
        if not 0.0 <= self.recheck_share <= 1.0:
            raise InvalidInputError(
                file="serving settings", key="recheck_share", expected="0 to 1", got=str(self.recheck_share)
            )
