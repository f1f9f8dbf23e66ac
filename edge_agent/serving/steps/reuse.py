"""Step: reuse of answers. Lookup and single flight on the way in, storing on the way out.

A sampled share of hits runs the engine all the same and compares: a mismatch means that this variant's answers do not
repeat on this node, so its cache is purged, never filled again, and an alarm event is recorded.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable

from edge_agent.serving.cache import Entry
from edge_agent.serving.call import Call
from edge_agent.serving.deployment import ReuseState
from edge_agent.serving.flights import Landed
from edge_agent.serving.step import Step
from edge_agent.telemetry.recorder import Recorder
from edge_bundle.errors import EngineError, SkerryError, UnavailableError
from edge_bundle.tensor import Tensor

MISMATCH_EVENT = "cache-mismatch"
"""Kind of the alarm event: a recomputed answer differs from the stored one."""

# Values of the Cache-Status header (RFC 9211).
BYPASS = "skerry; fwd=bypass"
HIT = "skerry; hit"
RECHECKED = "skerry; hit; detail=rechecked"
COLLAPSED = "skerry; fwd=miss; collapsed"
STORED = "skerry; fwd=miss; stored"
MISS = "skerry; fwd=miss"

_ALONE = Landed()


class Reuse(Step):
    """The cache step. ``rng`` samples the hits to recompute."""

    def __init__(self, recorder: Recorder, *, recheck_share: float, rng: random.Random) -> None:
        self._recorder, self._share, self._rng = recorder, recheck_share, rng

    def enter(self, call: Call) -> Awaitable[None] | None:
        """Answer from the cache, wait for a request that is already computing the same, or lead the way."""
        reuse = call.deployment.reuse
        if reuse is None or not reuse.cache.enabled:
            call.cache_status = BYPASS
            return None
        call.cache_key = reuse.keys.key(call.inputs.items())
        return self._look_up(call, reuse)

    def leave(self, call: Call) -> None:
        """Compare a sampled hit, or store the answer and end the flight."""
        if call.stored is not None:
            self._compare(call, call.stored)
        elif call.leading:
            self._land(call)

    def _look_up(self, call: Call, reuse: ReuseState) -> Awaitable[None] | None:
        entry = reuse.cache.get(call.cache_key)
        if entry is not None:
            self._hit(call, reuse, entry)
            return None
        if not reuse.flights.lead(call.cache_key):
            return self._wait(call, reuse)
        reuse.cache.counts.misses += 1
        call.leading = True
        return None

    def _hit(self, call: Call, reuse: ReuseState, entry: Entry) -> None:
        reuse.cache.counts.hits += 1
        call.hit = True
        if reuse.recheck and self._share > 0.0 and self._rng.random() < self._share:
            call.stored = entry
            call.cache_status = RECHECKED
            return
        call.outputs, call.marks, call.cache_status = entry.outputs, entry.marks, HIT

    async def _wait(self, call: Call, reuse: ReuseState) -> None:
        landed = await reuse.flights.join(call.cache_key)
        if landed.error is not None:
            raise landed.error
        if landed.entry is None:  # the leader was cancelled: somebody else has to lead
            waiting = self._look_up(call, reuse)
            if waiting is not None:
                await waiting
            return
        reuse.cache.counts.collapsed += 1
        call.outputs, call.marks, call.cache_status = landed.entry.outputs, landed.entry.marks, COLLAPSED

    def _land(self, call: Call) -> None:
        reuse = call.deployment.require_reuse()
        landed = _ALONE
        if isinstance(call.error, SkerryError):
            landed = Landed(error=call.error)
        elif call.error is None and call.outputs is not None:
            stored = reuse.cache.put(call.cache_key, call.outputs, call.marks)
            call.cache_status = STORED if stored else MISS
            if reuse.flights.is_joined(call.cache_key):
                landed = Landed(entry=Entry(call.outputs, call.marks, expires_s=0.0, nbytes=0))
        reuse.flights.land(call.cache_key, landed)

    def _compare(self, call: Call, stored: Entry) -> None:
        reuse = call.deployment.require_reuse()
        if isinstance(call.error, EngineError | UnavailableError):  # the stored answer stands; it was not compared
            call.error, call.outputs, call.marks = None, stored.outputs, stored.marks
            return
        if call.error is not None or call.outputs is None:
            return
        reuse.cache.counts.rechecked += 1
        if _same(call.outputs, stored.outputs):
            return
        reuse.cache.counts.mismatches += 1
        reuse.cache.disable()
        call.hit, call.cache_status, call.cache_key = False, BYPASS, ""  # no cache on the way may keep it either
        served = call.deployment.served
        detail = f"{served.version} {served.variant_digest}: stored and recomputed answers differ; caching is off"
        self._recorder.event(MISMATCH_EVENT, model=served.name, detail=detail)


def _same(fresh: dict[str, Tensor], stored: dict[str, Tensor]) -> bool:
    return fresh.keys() == stored.keys() and all(
        tensor.shape == stored[name].shape and bytes(tensor.data) == stored[name].data for name, tensor in fresh.items()
    )
