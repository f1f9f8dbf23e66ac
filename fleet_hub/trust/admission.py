"""What the hub checks before it takes over new metadata of a team. Pure; each rule refuses with its own error.

A hub that is honest but careless would still be caught by the nodes; these checks keep the mistake off the fleet.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from tuf.api.metadata import DelegatedRole, Metadata, TargetFile, Targets

from edge_bundle.digest import Digest
from edge_bundle.errors import (
    ConflictError,
    ExpiredMetadataError,
    FormatError,
    NotFoundError,
    RefusedError,
    RollbackError,
    SignatureError,
)
from edge_bundle.messages import ReleaseCustom, target_path
from fleet_hub.api import TeamRules
from fleet_hub.trust import metadata


@dataclass(frozen=True)
class ReleaseTarget:
    """One release as the team signed it: where it is, and what its release index must hash to."""

    team_role: str
    path: str
    length: int
    index_digest: Digest
    custom: ReleaseCustom


def check_next(
    delegator: Targets, team_role: str, current: bytes | None, offered: bytes, *, now_s: float
) -> tuple[ReleaseTarget, ...]:
    """The releases that ``offered`` adds to the team role's ``current`` metadata.

    Rules, in this order:
    1. the role is delegated, and ``offered`` has its threshold of valid signatures;
    2. its version is exactly one above ``current`` (1 for the first);
    3. it has not expired, and delegates nothing further;
    4. every target of ``current`` is still there, unchanged;
    5. every new target is on a path that is delegated to this role, and to no role before it (nodes would never look
       here, and two teams could give one version two meanings), and says the same release in its path and its custom
       object.

    Raises FormatError, LimitExceededError, NotFoundError, SignatureError, RollbackError, ConflictError,
    ExpiredMetadataError, RefusedError
    """
    role = _delegated(delegator, team_role)
    what = f"{team_role} metadata"
    parsed = metadata.parse(offered, Targets, what=what)
    _check_signatures(delegator, role, parsed, what)
    before = metadata.parse(current, Targets, what=what).signed if current is not None else None
    _check_version(before.version if before else 0, parsed.signed.version, what)
    if parsed.signed.is_expired(metadata.utc(now_s)):
        raise ExpiredMetadataError(subject=what, detail=f"an expiry of {parsed.signed.expires.isoformat()}")
    if parsed.signed.delegations is not None:
        raise RefusedError(what=what, detail="a team role delegates nothing further")
    _check_unchanged(before.targets if before else {}, parsed.signed.targets)
    known = before.targets if before else {}
    new = [target for path, target in parsed.signed.targets.items() if path not in known]
    for target in new:
        _check_owner(delegator, role, target.path)
    return tuple(_read(role, target) for target in new)


def releases(delegator: Targets, team_role: str, current: bytes) -> tuple[ReleaseTarget, ...]:
    """Every release in committed metadata of a team role."""
    role = _delegated(delegator, team_role)
    targets = metadata.parse(current, Targets, what=f"{team_role} metadata").signed.targets
    return tuple(_read(role, target) for target in targets.values())


def rules(delegator: Targets, team_role: str) -> TeamRules:
    """What is delegated to a team role.

    Raises NotFoundError: no such role.
    """
    role = _delegated(delegator, team_role)
    return TeamRules(threshold=role.threshold, keyids=tuple(role.keyids), paths=tuple(role.paths or ()))


def _delegated(delegator: Targets, team_role: str) -> DelegatedRole:
    roles = delegator.delegations.roles if delegator.delegations else None
    if not roles or team_role not in roles:
        raise NotFoundError(
            what="team role", name=team_role, advice="the offline ceremony decides which teams may publish"
        )
    return roles[team_role]


def _check_signatures(delegator: Targets, role: DelegatedRole, offered: Metadata[Targets], what: str) -> None:
    # "verify that it has been signed with a threshold of keys specified in the metadata of the delegating role"
    # (TUF specification, 5.6.3 with 5.3.4)
    valid = metadata.valid_signers(offered, [delegator.get_key(keyid) for keyid in role.keyids])
    if len(valid) < role.threshold:
        unknown = tuple(keyid for keyid in offered.signatures if keyid not in role.keyids)
        raise SignatureError(subject=what, threshold=role.threshold, valid=len(valid), unknown_keyids=unknown)


def _check_version(before: int, offered: int, what: str) -> None:
    if offered < before:
        raise RollbackError(subject=what, at_least=str(before + 1), got=str(offered))
    if offered != before + 1:
        raise ConflictError(
            what=what,
            expected=f"version {before + 1}",
            got=f"version {offered}",
            advice="somebody else published in between; fetch the team role again and add the release to that",
        )


def _check_unchanged(before: dict[str, TargetFile], offered: dict[str, TargetFile]) -> None:
    for path, target in before.items():
        if offered.get(path) != target:
            raise ConflictError(
                what=f"release {path}",
                expected="what was published before",
                got="other content" if path in offered else "nothing",
                advice="a release is never changed; publish a higher version",
            )


def _check_owner(delegator: Targets, role: DelegatedRole, path: str) -> None:
    # "If the current delegation is a terminating delegation, then jump to step 5.7" (TUF specification, 5.6.7.2.2): the
    # first role that a path is delegated to is the only one that is asked for it.
    roles = delegator.delegations.roles if delegator.delegations else None
    first = next((other.name for other in (roles or {}).values() if other.is_delegated_path(path)), role.name)
    if first != role.name:
        raise RefusedError(
            what=f"target {path}",
            detail=f"it belongs to team role {first}, which is asked before {role.name}",
            advice="have that team publish it, or give the model another name",
        )


def _read(role: DelegatedRole, target: TargetFile) -> ReleaseTarget:
    what = f"target {target.path}"
    if not role.is_delegated_path(target.path):
        raise RefusedError(what=what, detail=f"team role {role.name} may publish {', '.join(role.paths or ())}")
    try:
        custom = msgspec.convert(target.custom, ReleaseCustom)
    except msgspec.ValidationError as error:
        raise FormatError(what=what, expected="a release in its custom object", got=str(error)) from None
    if target.path != target_path(custom.model, custom.version):
        raise FormatError(
            what=what, expected=f"the path {target_path(custom.model, custom.version)}", got=f"the path {target.path}"
        )
    sha256 = target.hashes.get("sha256")
    if sha256 is None:
        raise FormatError(what=what, expected="a sha256 hash", got=", ".join(sorted(target.hashes)) or "none")
    return ReleaseTarget(role.name, target.path, target.length, f"sha256:{sha256}", custom)
