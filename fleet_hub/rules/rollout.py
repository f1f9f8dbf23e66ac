"""The first rollout plan: every selected node at once. Which node is meant, what it is told, when it is done. No I/O.

States of one node in one rollout, and the reasons for the table below:

- ``pending``: told, nothing heard yet.
- ``failed``: network or disk; the node tries again by itself, so any later result replaces it.
- ``refused``: the node judged the release (signature, rollback, golden mismatch). Nothing more is awaited, but the
  order stands: the node itself knows which refusals are worth another look (expired metadata heals, a bad signature
  does not), and reports ``activated`` if one did heal.
- ``activated`` is final.
- ``superseded``: a newer rollout of the same model took the node over before it finished. Thus a stuck node blocks
  neither its own rollout's later successors nor the count of those that still matter.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge_bundle.errors import ConflictError
from edge_bundle.messages import UpdateResult
from edge_bundle.version import Version


class NodeState(enum.StrEnum):
    """Where one node is in one rollout."""

    PENDING = "pending"
    ACTIVATED = "activated"
    REFUSED = "refused"
    FAILED = "failed"
    SUPERSEDED = "superseded"


FINISHED = frozenset({NodeState.ACTIVATED, NodeState.REFUSED, NodeState.SUPERSEDED})
"""States that a rollout no longer waits for."""

_ANY_RESULT = {
    UpdateResult.ACTIVATED: NodeState.ACTIVATED,
    UpdateResult.REFUSED: NodeState.REFUSED,
    UpdateResult.FAILED: NodeState.FAILED,
}
_ON_RESULT: dict[NodeState, dict[UpdateResult, NodeState]] = {
    NodeState.PENDING: _ANY_RESULT,
    NodeState.FAILED: _ANY_RESULT,
    NodeState.REFUSED: {UpdateResult.ACTIVATED: NodeState.ACTIVATED},
    NodeState.ACTIVATED: {},
    NodeState.SUPERSEDED: {},
}


@dataclass(frozen=True)
class Selector:
    """Which nodes: all given labels equal, and the profile if one is given. Empty means every node."""

    labels: Mapping[str, str]
    profile: str | None = None

    def selects(self, *, labels: Mapping[str, str], profile: str) -> bool:
        """Whether a node with these labels and this profile is meant."""
        if self.profile is not None and self.profile != profile:
            return False
        return all(labels.get(key) == value for key, value in self.labels.items())


@dataclass(frozen=True)
class Rollout:
    """One rollout; a higher ``seq`` was started later."""

    rollout_id: str
    seq: int
    model: str
    version: str
    selector: Selector


def newest_per_model(rollouts: Iterable[Rollout], *, labels: Mapping[str, str], profile: str) -> tuple[Rollout, ...]:
    """The rollouts that count for a node: of each model the newest one that selects it, sorted by model."""
    newest: dict[str, Rollout] = {}
    for rollout in sorted(rollouts, key=lambda rollout: rollout.seq):
        if rollout.selector.selects(labels=labels, profile=profile):
            newest[rollout.model] = rollout
    return tuple(newest[model] for model in sorted(newest))


def after_result(state: NodeState, result: UpdateResult) -> NodeState:
    """The node's next state; a final state stays, whatever arrives late or twice."""
    return _ON_RESULT[state].get(result, state)


def is_done(states: Iterable[NodeState]) -> bool:
    """Whether there are nodes, and nothing more is awaited of any."""
    found = set(states)
    return bool(found) and found <= FINISHED


@dataclass(frozen=True)
class Ordered:
    """A version that a node was ordered to run, and what became of it."""

    node_id: str
    version: str
    state: NodeState


def check_forward(model: str, version: str, ordered: Iterable[Ordered]) -> None:
    """Raise ConflictError if a node was ordered a higher version before, and may have activated it.

    A node never goes back below the highest version that it activated; one that enrols later would take the older
    release, and the fleet would be split. A release that the node refused does not stand in the way.
    """
    higher = [one for one in ordered if Version.parse(one.version) > Version.parse(version)]
    bars = [one for one in higher if one.state != NodeState.REFUSED]
    if not bars:
        return
    highest = max(bars, key=lambda one: Version.parse(one.version))
    raise ConflictError(
        what=f"rollout of {model} {version}",
        expected=f"version {highest.version} or newer, which {highest.node_id} was ordered to run",
        got=version,
        advice="nodes never go back; publish the older model under a higher version",
    )
