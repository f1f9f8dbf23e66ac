"""Where the nodes of a graph run, from what a session says of each. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from edge_bundle.errors import PlacementError
from edge_bundle.proof import MAX_LISTED, PlacementProof
from edge_runtime.qnn.wrapper import PROVIDER


def placement_of(nodes: Sequence[tuple[str, str, str]], device: str) -> PlacementProof:
    """The placement of nodes, each given as provider, operator and name.

    Raises:
        PlacementError: more nodes are elsewhere than a proof can list.

    """
    elsewhere = tuple(f"{operator} {name}" for provider, operator, name in nodes if provider != PROVIDER)
    if len(elsewhere) > MAX_LISTED:
        expected = f"at most {MAX_LISTED} nodes elsewhere"
        raise PlacementError(runtime="qnn", device=device, expected=expected, got=str(len(elsewhere)))
    return PlacementProof(device=device, nodes=len(nodes), on_device=len(nodes) - len(elsewhere), elsewhere=elsewhere)


def worst(placements: Sequence[PlacementProof]) -> PlacementProof:
    """One placement for all batch sizes: the first of those that leave most to the CPU."""
    return max(placements, key=lambda one: one.nodes - one.on_device)
