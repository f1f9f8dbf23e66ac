"""The offline ceremony: makes root and targets metadata on a machine that is not the hub.

Pure: keys and times go in, the bytes of each file come out. The hub gets these files and the online key, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from tuf.api.metadata import DelegatedRole, Delegations, Key, Root, Snapshot, Targets, Timestamp

from edge_bundle.contract import ModelName
from edge_bundle.errors import InvalidInputError
from edge_bundle.keys import PublicKey, SigningKey
from fleet_hub.trust import metadata
from update_trust.nacl_key import NaclKey

ROOT_FILE = "1.root.json"
TARGETS_FILE = "1.targets.json"

TOP_LEVEL_ROLES = frozenset({Root.type, Targets.type, Snapshot.type, Timestamp.type})
"""TUF specification, section 2.1: names that no delegated role may take."""


@dataclass(frozen=True)
class OfflineKeys:
    """Keys of an offline role, of which any ``threshold`` must sign."""

    keys: tuple[SigningKey, ...]
    threshold: int


@dataclass(frozen=True)
class TeamRole:
    """A delegation: which target paths a team may publish, and whose signatures that takes."""

    name: str
    paths: tuple[str, ...]
    keys: tuple[PublicKey, ...]
    threshold: int


@dataclass(frozen=True)
class Ceremony:
    """Everything decided at the ceremony. Expiries are Unix seconds."""

    root: OfflineKeys
    targets: OfflineKeys
    online: PublicKey
    teams: tuple[TeamRole, ...]
    root_expires_s: float
    targets_expires_s: float


def hold(ceremony: Ceremony) -> dict[str, bytes]:
    """Sign the first root and targets metadata; returns the bytes per file name.

    Raises InvalidInputError: a threshold cannot be met, a key is listed twice, or a team's name is taken.
    """
    _check(ceremony)
    return {
        ROOT_FILE: metadata.sign(_root(ceremony), ceremony.root.keys),
        TARGETS_FILE: metadata.sign(_targets(ceremony), ceremony.targets.keys),
    }


def _root(ceremony: Ceremony) -> Root:
    root = Root(expires=metadata.utc(ceremony.root_expires_s), consistent_snapshot=True)
    for role, offline in ((Root.type, ceremony.root), (Targets.type, ceremony.targets)):
        for key in offline.keys:
            root.add_key(NaclKey.of(key.public), role)
        root.roles[role].threshold = offline.threshold
    for role in (Snapshot.type, Timestamp.type):
        root.add_key(NaclKey.of(ceremony.online), role)
    return root


def _targets(ceremony: Ceremony) -> Targets:
    keys: dict[str, Key] = {key.keyid: NaclKey.of(key) for team in ceremony.teams for key in team.keys}
    roles = {
        team.name: DelegatedRole(
            team.name, [key.keyid for key in team.keys], team.threshold, terminating=True, paths=list(team.paths)
        )
        for team in ceremony.teams
    }
    return Targets(expires=metadata.utc(ceremony.targets_expires_s), delegations=Delegations(keys=keys, roles=roles))


def _check(ceremony: Ceremony) -> None:
    _check_threshold("root", [key.public for key in ceremony.root.keys], ceremony.root.threshold)
    _check_threshold("targets", [key.public for key in ceremony.targets.keys], ceremony.targets.threshold)
    check_teams(ceremony.teams)


def check_teams(teams: Sequence[TeamRole]) -> None:
    """Raise InvalidInputError for teams that could not be delegated to, or could never publish."""
    names = [team.name for team in teams]
    for team in teams:
        _check_name(team.name)
        _check_paths(team)
        _check_threshold(team.name, team.keys, team.threshold)
        if team.name in TOP_LEVEL_ROLES or names.count(team.name) > 1:
            raise InvalidInputError(file="ceremony", key=team.name, expected="a role name not yet taken", got=team.name)


def _check_name(name: str) -> None:
    """The name stands in the paths of metadata and of the API."""
    try:
        msgspec.convert(name, ModelName)
    except msgspec.ValidationError:
        raise InvalidInputError(
            file="ceremony",
            key="team",
            expected="a name of at most 63 lower case letters, digits, dots, dashes and underscores",
            got=repr(name[:80]),
        ) from None


def _check_paths(team: TeamRole) -> None:
    """In a pattern of TUF, no wildcard stands for a slash (specification, section 4.5)."""
    for path in team.paths:
        if path.count("/") != 1:
            raise InvalidInputError(
                file="ceremony",
                key=f"{team.name}.paths",
                expected="MODEL/VERSION.json, with wildcards or not",
                got=repr(path[:80]),
            )


def _check_threshold(role: str, keys: Sequence[PublicKey], threshold: int) -> None:
    distinct = len({key.keyid for key in keys})
    if distinct != len(keys):
        raise InvalidInputError(file="ceremony", key=role, expected="every key once", got="a key listed twice")
    if not 1 <= threshold <= distinct:
        raise InvalidInputError(
            file="ceremony",
            key=f"{role}.threshold",
            expected=f"1 to {distinct} (the number of keys)",
            got=str(threshold),
        )
