"""The hub's side of update trust: joins the metadata directory, the online key and the admission rules.

Methods block on the disk and are not safe to run at the same time; ``releases.py`` runs them in a thread, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuf.api.metadata import Targets

from edge_bundle.errors import UntrustedMetadataError
from edge_bundle.keys import SigningKey
from fleet_hub.api import TeamRules
from fleet_hub.trust import admission, metadata, online
from fleet_hub.trust.admission import ReleaseTarget
from fleet_hub.trust.online import Lifetimes
from fleet_hub.trust.repository import Committed, MetadataRepository

SNAPSHOT_RENEW_FRACTION = 0.5
"""A snapshot is signed again once less than this share of its lifetime is left."""


class TrustRegistry:
    """What is current, and the only way to change it."""

    def __init__(
        self, repository: MetadataRepository, key: SigningKey, lifetimes: Lifetimes, clock: Callable[[], float]
    ) -> None:
        self._repository = repository
        self._key = key
        self._lifetimes = lifetimes
        self._clock = clock
        self._check_own_key()

    def start(self, targets: bytes) -> None:
        """Sign the first snapshot and timestamp over the ceremony's targets metadata."""
        self._commit({}, {Targets.type: targets}, None)

    def team_metadata(self, team_role: str) -> bytes | None:
        """The current file of a team role; ``None`` before its first release."""
        return self._repository.committed().roles.get(team_role)

    def team_rules(self, team_role: str) -> TeamRules:
        """Whose signatures a team role takes; see ``admission.rules``."""
        return admission.rules(self._repository.committed().targets, team_role)

    def check(self, team_role: str, offered: bytes) -> tuple[ReleaseTarget, ...]:
        """The releases that ``offered`` would add; see ``admission.check_next`` for rules and errors."""
        state = self._repository.committed()
        return admission.check_next(state.targets, team_role, state.roles.get(team_role), offered, now_s=self._clock())

    def publish(self, team_role: str, offered: bytes) -> None:
        """Check again and make ``offered`` current: new team file, new snapshot, new timestamp."""
        self.check(team_role, offered)
        state = self._repository.committed()
        version = metadata.parse(offered, Targets, what=f"{team_role} metadata").signed.version
        self._commit({team_role: (version, offered)}, {**state.roles, team_role: offered}, state)

    def refresh(self) -> None:
        """Sign a new timestamp, and a new snapshot when it nears its expiry."""
        state = self._repository.committed()
        left_s = state.snapshot.expires.timestamp() - self._clock()
        if left_s < self._lifetimes.snapshot_s * SNAPSHOT_RENEW_FRACTION:
            self._commit({}, state.roles, state)
            return
        timestamp = online.sign_timestamp(
            state.snapshot_file, state.snapshot.version, state.timestamp, self._key, self._timestamp_expiry()
        )
        self._repository.commit_timestamp(timestamp)

    def releases(self) -> tuple[ReleaseTarget, ...]:
        """Every release that is current, over all team roles."""
        state = self._repository.committed()
        teams = {role: data for role, data in state.roles.items() if role != Targets.type}
        return tuple(
            release for role, data in teams.items() for release in admission.releases(state.targets, role, data)
        )

    def expiries(self) -> dict[str, float]:
        """When each role's current metadata expires, Unix seconds."""
        state = self._repository.committed()
        expiries = {
            role: metadata.parse(data, Targets, what=f"{role} metadata").signed.expires.timestamp()
            for role, data in state.roles.items()
        }
        expiries["root"] = self._repository.root().expires.timestamp()
        expiries["snapshot"] = state.snapshot.expires.timestamp()
        expiries["timestamp"] = state.timestamp.expires.timestamp()
        return expiries

    def _commit(
        self, new: Mapping[str, tuple[int, bytes]], roles: Mapping[str, bytes], before: Committed | None
    ) -> None:
        expires_s = self._clock() + self._lifetimes.snapshot_s
        snapshot, version = online.sign_snapshot(roles, before.snapshot if before else None, self._key, expires_s)
        timestamp = online.sign_timestamp(
            snapshot, version, before.timestamp if before else None, self._key, self._timestamp_expiry()
        )
        self._repository.commit(new, (version, snapshot), timestamp)

    def _timestamp_expiry(self) -> float:
        return self._clock() + self._lifetimes.timestamp_s

    def _check_own_key(self) -> None:
        root = self._repository.root()
        for role in ("snapshot", "timestamp"):
            if self._key.public.keyid not in root.roles[role].keyids:
                raise UntrustedMetadataError(
                    subject=f"the hub's online key {self._key.public.keyid[:12]}",
                    detail=f"a root that trusts other keys for {role}",
                )
