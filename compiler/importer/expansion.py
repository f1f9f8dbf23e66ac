"""Nodes that take the place of one node: a function's body, or the same node in a newer form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """``inputs`` and ``outputs`` are the names that ``nodes`` have for those of the node, in order.

    ``opsets`` are the operator sets that the nodes belong to. ``renamed`` says that this is the same node in other
    words: its name stays.
    """

    nodes: Sequence[onnx.NodeProto]
    inputs: Sequence[str]
    outputs: Sequence[str]
    opsets: Mapping[str, int]
    renamed: bool = False
