"""The deterministic output cache of one variant: bounded, with a time to live. Pure rules with an injected clock."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from edge_agent.serving.mark import Mark
from edge_bundle.tensor import Tensor

ENTRY_OVERHEAD_BYTES = 1024
"""Charged per entry for key, dict slots and tensor objects (measured with tracemalloc: about 900 bytes)."""


class Entry(NamedTuple):
    """A stored answer: tensors that passed the contract, and the marks it left on the request and on them."""

    outputs: dict[str, Tensor]
    marks: tuple[Mark, ...]
    expires_s: float
    nbytes: int


@dataclass(slots=True)
class CacheCounts:
    """What became of lookups and entries since the variant was activated."""

    hits: int = 0
    misses: int = 0
    collapsed: int = 0
    expired: int = 0
    evicted: int = 0
    rechecked: int = 0
    mismatches: int = 0


class OutputCache:
    """Least recently used entries go first when entries or bytes run over; a hit does not lengthen an entry's life.

    ``clock_s`` is monotonic. ``disable`` ends caching for good: answers of this variant proved not to repeat.
    """

    def __init__(self, *, clock_s: Callable[[], float], ttl_s: float, max_entries: int, max_bytes: int) -> None:
        self._clock_s, self._ttl_s = clock_s, ttl_s
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self.nbytes = 0
        self.enabled = True
        self.counts = CacheCounts()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """The live entry of a key."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_s <= self._clock_s():
            self._drop(key)
            self.counts.expired += 1
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: str, outputs: dict[str, Tensor], marks: tuple[Mark, ...]) -> bool:
        """Store copies of an answer's tensors. Returns whether it was stored: one too large alone is not."""
        if not self.enabled:
            return False
        copies: dict[str, Tensor] = {}
        size = ENTRY_OVERHEAD_BYTES
        for name, tensor in outputs.items():
            if type(tensor.data) is not bytes:  # a view: its buffer may be another's; bytes cannot change
                tensor = Tensor(tensor.dtype, tensor.shape, bytes(tensor.data))  # noqa: PLW2901
            copies[name] = tensor
            size += len(tensor.data)
        if size > self._max_bytes:
            return False
        if key in self._entries:
            self._drop(key)
        self._entries[key] = Entry(copies, marks, self._clock_s() + self._ttl_s, size)
        self.nbytes += size
        while len(self._entries) > self._max_entries or self.nbytes > self._max_bytes:
            _, evicted = self._entries.popitem(last=False)
            self.nbytes -= evicted.nbytes
            self.counts.evicted += 1
        return True

    def disable(self) -> None:
        """Purge everything and store nothing more."""
        self.enabled = False
        self._entries.clear()
        self.nbytes = 0

    def _drop(self, key: str) -> None:
        self.nbytes -= self._entries.pop(key).nbytes
