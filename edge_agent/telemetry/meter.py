"""Counters of one variant: a window that is closed into records, and totals since activation."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_bundle.ddsketch import Sketch


@dataclass(slots=True)
class Counts:
    """``requests`` = answered + rejected + failed; the sketch holds one latency per answered request, microseconds."""

    samples: int = 0
    hits: int = 0
    misses: int = 0
    rejected: int = 0
    failed: int = 0
    clipped: int = 0
    flagged: int = 0
    latency_us: Sketch = field(default_factory=Sketch)

    @property
    def answered(self) -> int:
        """Requests that got an answer."""
        return self.hits + self.misses

    @property
    def requests(self) -> int:
        """Every request."""
        return self.answered + self.rejected + self.failed

    def merge(self, other: Counts) -> None:
        """Add the counts of another window."""
        self.samples += other.samples
        self.hits += other.hits
        self.misses += other.misses
        self.rejected += other.rejected
        self.failed += other.failed
        self.clipped += other.clipped
        self.flagged += other.flagged
        self.latency_us.merge(other.latency_us)


FOLD_AT = 256
"""Latencies kept as they came before they go into the sketch: its code then runs once warm, not cold each time."""


class Meter:
    """What the serving side calls for each request of one variant."""

    __slots__ = ("_closed", "_latencies_us", "model", "profile", "start_s", "variant_digest", "version", "window")

    def __init__(self, *, model: str, version: str, variant_digest: str, profile: str, start_s: float) -> None:
        self.model, self.version = model, version
        self.variant_digest, self.profile = variant_digest, profile
        self.start_s = start_s
        self.window = Counts()
        self._closed = Counts()
        self._latencies_us: list[float] = []

    def answered(
        self, *, rows: int, hit: bool, latency_us: float, clipped: bool = False, flagged: bool = False
    ) -> None:
        """Count a request that got its answer: ``rows`` samples, ``latency_us`` from its arrival to the answer."""
        window = self.window
        window.samples += rows
        if hit:
            window.hits += 1
        else:
            window.misses += 1
        if clipped:
            window.clipped += 1
        if flagged:
            window.flagged += 1
        latencies = self._latencies_us
        latencies.append(latency_us)
        if len(latencies) >= FOLD_AT:
            self._fold()

    def rejected(self) -> None:
        """Count a request that broke the format, a limit or the contract."""
        self.window.rejected += 1

    def failed(self) -> None:
        """Count a request that this node could not answer."""
        self.window.failed += 1

    def total(self) -> Counts:
        """Counts since the meter was made."""
        self._fold()
        total = Counts()
        total.merge(self._closed)
        total.merge(self.window)
        return total

    def close_window(self, now_s: float) -> Counts:
        """Take the counts of the window that ends now and start the next one."""
        self._fold()
        window = self.window
        self._closed.merge(window)
        self.window, self.start_s = Counts(), now_s
        return window

    def _fold(self) -> None:
        add = self.window.latency_us.add
        for latency_us in self._latencies_us:
            add(latency_us)
        self._latencies_us.clear()
