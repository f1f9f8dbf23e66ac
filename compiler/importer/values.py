"""The values of a graph that is read: one flat namespace over the main graph, its bodies and expanded functions."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import ValueType, constant_type
from edge_bundle.errors import LimitExceededError

MAX_NODE_NAME_CHARS = 200
"""Longer node names are cut: a module's step table takes 512, and expansion makes names of several."""


MAX_CONSTANT_BYTES = 1 << 31
"""All constants of a model, those that are computed here included: as large as an ONNX file, and twice what a module's
memory holds."""

MAX_VALUE_BYTES = 1 << 32
"""One value: as large as a whole 32-bit memory (core specification, section 3.2.5)."""

MAX_FOLDED_BYTES = 1 << 33
"""Bytes that foldings read and write, all together: some ten seconds of numpy."""


class Values:
    """Types and constants by name, and the names that are taken."""

    def __init__(self) -> None:
        self.types: dict[str, ValueType] = {}
        self.constants: dict[str, NDArray[Any]] = {}
        self._constant_bytes = self._folded_bytes = 0
        self._node_names: set[str] = set()
        self._counts: dict[str, int] = {}

    def name(self, wanted: str) -> str:
        """A name that no value has: ``wanted``, or with a number behind it."""
        return self._first_free(wanted, self.types)

    def node_name(self, wanted: str) -> str:
        """A name that no node has."""
        name = self._first_free(wanted[:MAX_NODE_NAME_CHARS], self._node_names)
        self._node_names.add(name)
        return name

    def add(self, wanted: str, kind: ValueType) -> str:
        """A new value of that type. Raises ``LimitExceededError`` beyond ``MAX_VALUE_BYTES``."""
        _hold(f"value {wanted[:MAX_NODE_NAME_CHARS]!r}", kind.nbytes, MAX_VALUE_BYTES)
        name = self.name(wanted)
        self.types[name] = kind
        return name

    def add_constant(self, wanted: str, array: NDArray[Any]) -> str:
        """A new constant; the array becomes read-only.

        Raises ``LimitExceededError`` beyond ``MAX_CONSTANT_BYTES``.
        """
        self._constant_bytes += array.nbytes
        _hold("constants", self._constant_bytes, MAX_CONSTANT_BYTES)
        held = np.asarray(array)
        if not held.flags.c_contiguous:
            held = np.ascontiguousarray(held)
        held = held.view()
        held.flags.writeable = False
        name = self.add(wanted, constant_type(held))
        self.constants[name] = held
        return name

    def spend(self, nbytes: int) -> None:
        """Count what a folding reads and writes. Raises ``LimitExceededError`` beyond ``MAX_FOLDED_BYTES``."""
        self._folded_bytes += nbytes
        _hold("computing constants", self._folded_bytes, MAX_FOLDED_BYTES)

    def _first_free(self, wanted: str, taken: Container[str]) -> str:
        name = wanted
        while name in taken:
            self._counts[wanted] = self._counts.get(wanted, 0) + 1
            name = f"{wanted}_{self._counts[wanted]}"
        return name


def _hold(what: str, got: int, limit: int) -> None:
    if got > limit:
        raise LimitExceededError(what=what, limit=limit, got=got, unit="bytes")
