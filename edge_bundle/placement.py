"""Whether a variant runs where its proof says. Pure rule.

A runtime may take nodes together once it has compiled them (a QNN context is one node), so that counts of nodes on the
device cannot be compared. What stays outside of it can:
    1. the same kind of device as proven;
    2. no more nodes elsewhere than proven;
    3. something on the device, if something was proven to be there.
"""

from __future__ import annotations

from edge_bundle.errors import PlacementError
from edge_bundle.proof import PlacementProof

SHOWN = 5
"""Nodes that are named when some run elsewhere."""


def check_placement(proven: PlacementProof | None, got: PlacementProof | None, *, runtime: str) -> None:
    """Rules 1 to 3; without a proven placement there is nothing to hold.

    Raises:
        PlacementError: says how many nodes run where, and names the first of those elsewhere.

    """
    if proven is None:
        return
    if got is None:
        raise PlacementError(
            runtime=runtime, device=proven.device, expected=_text(proven), got="a runtime that says nothing of a device"
        )
    elsewhere, allowed = got.nodes - got.on_device, proven.nodes - proven.on_device
    lost = got.on_device == 0 and proven.on_device > 0
    if got.device != proven.device or elsewhere > allowed or lost:
        named = f": {', '.join(got.elsewhere[:SHOWN])}" if got.elsewhere else ""
        raise PlacementError(runtime=runtime, device=proven.device, expected=_text(proven), got=_text(got) + named)


def _text(placement: PlacementProof) -> str:
    elsewhere = placement.nodes - placement.on_device
    return f"{placement.on_device} of {placement.nodes} nodes on {placement.device}, {elsewhere} elsewhere"
