"""Did the tensor processor take every node? A pure rule over the toolchain's report and its log."""

from __future__ import annotations

import re

from compiler.qnn.context import CompiledContext
from edge_bundle.errors import PlacementError
from edge_bundle.proof import PlacementProof
from edge_runtime.qnn.placement import placement_of
from edge_runtime.qnn.target import HtpTarget
from hardware_profiles.schema import Profile

MAX_NAMED = 10
"""Nodes named in one error."""

_REFUSED = re.compile(r"failed for node `([^`]*)` of type `([^`]*)` with error code (\d+)", re.ASCII)
"""How the toolchain tells that the device does not take a node (``qnn_model_wrapper.cc``)."""


def check_placement(context: CompiledContext, target: HtpTarget, profile: Profile) -> PlacementProof:
    """Where the nodes of the graph run.

    Raises:
        PlacementError: nodes are left to the CPU and the profile does not allow it; names profile, operators and nodes.

    """
    placement = placement_of(context.nodes, target.device)
    if placement.elsewhere and not profile.cpu_nodes:
        reasons = refusals(context.log)
        named = [_with_reason(node, reasons) for node in placement.elsewhere[:MAX_NAMED]]
        more = len(placement.elsewhere) - len(named)
        named += [f"{more} more"] if more else []
        raise PlacementError(
            runtime="qnn",
            device=f"{target} for profile {profile.name}",
            expected=f"all {placement.nodes} nodes on the device",
            got=f"{len(placement.elsewhere)} on the CPU: {', '.join(named)}",
        )
    return placement


def refusals(log: str) -> dict[str, str]:
    """Node -> QNN's error code, for nodes that it said it does not take."""
    return {found[1]: found[3] for found in _REFUSED.finditer(log)}


def _with_reason(node: str, reasons: dict[str, str]) -> str:
    code = reasons.get(node.partition(" ")[2])
    return f"{node} (QNN error {code})" if code else node
