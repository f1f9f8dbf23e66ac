"""The error for a node that no rule covers."""

from __future__ import annotations

from compiler.ir.graph import Node
from edge_bundle.errors import UnsupportedOperatorError

ADVICE = (
    "compile this model for a profile of another runtime, such as cpu-fp32, or export it without this operator; "
    "docs/litert.md lists what is covered"
)


def refuse(node: Node, reason: str) -> UnsupportedOperatorError:
    """The error, to be raised by the caller."""
    return UnsupportedOperatorError(operator=node.op, node=node.name, reason=reason, advice=ADVICE)
