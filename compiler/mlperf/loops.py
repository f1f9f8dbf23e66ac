"""The loops that keep the time. What they run and which clock they look at is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compiler.mlperf.clock import Clock

Ask = Callable[[int], None]
"""Runs query number so-and-so, and returns when it is answered."""

Tick = Callable[[int], None]
"""Told how many nanoseconds of the run are over."""


@dataclass(frozen=True, kw_only=True)
class Timings:
    """``latencies_ns`` of the queries in the order they came; ``issued_ns`` is when the last one came (was due).

    ``duration_ns`` ends with the last answer. ``abandoned``: the loop ended early, since no further query could have
    made the run valid.
    """

    latencies_ns: tuple[int, ...]
    issued_ns: int
    duration_ns: int
    abandoned: bool = False


def closed_loop(ask: Ask, clock: Clock, *, queries: int, duration_ns: int, tick: Tick) -> Timings:
    """Each query as soon as the one before is answered: at least so many, and at least so long."""
    latencies: list[int] = []
    began = issued = ended = clock.now_ns()
    while len(latencies) < queries or issued - began < duration_ns:
        issued = clock.now_ns()
        ask(len(latencies))
        ended = clock.now_ns()
        latencies.append(ended - issued)
        tick(ended - began)
    return Timings(latencies_ns=tuple(latencies), issued_ns=issued - began, duration_ns=ended - began)


def open_loop(
    ask: Ask, clock: Clock, arrivals_ns: Sequence[int], *, bound_ns: int, max_over: int, tick: Tick
) -> Timings:
    """Queries at ``arrivals_ns`` from now, answered one after the other.

    A query that is due while another one is under way waits, and its latency counts from when it was due. The engine
    takes one call at a time, so one thread keeps exact times. The run is abandoned once more than ``max_over``
    latencies exceed ``bound_ns``.
    """
    latencies: list[int] = []
    over = 0
    began = ended = clock.now_ns()
    for index, offset in enumerate(arrivals_ns):
        due = began + offset
        clock.wait_until_ns(due)
        ask(index)
        ended = clock.now_ns()
        latencies.append(ended - due)
        over += ended - due > bound_ns
        if over > max_over:
            break
        tick(ended - began)
    return Timings(
        latencies_ns=tuple(latencies),
        issued_ns=arrivals_ns[len(latencies) - 1],
        duration_ns=ended - began,
        abandoned=over > max_over,
    )


def one_query(ask: Ask, clock: Clock, *, batches: int, tick: Tick) -> Timings:
    """Everything at once, batch by batch; one latency, from the start to the last answer."""
    began = clock.now_ns()
    for index in range(batches):
        ask(index)
        tick(clock.now_ns() - began)
    took = clock.now_ns() - began
    return Timings(latencies_ns=(took,), issued_ns=0, duration_ns=took)
