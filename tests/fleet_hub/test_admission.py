from __future__ import annotations

from collections.abc import Callable

import pytest
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, TargetFile, Targets

from edge_bundle.errors import (
    ConflictError,
    ExpiredMetadataError,
    FormatError,
    LimitExceededError,
    NotFoundError,
    RefusedError,
    RollbackError,
    SignatureError,
    SkerryError,
)
from edge_bundle.keys import SigningKey
from edge_bundle.messages import ReleaseCustom
from fleet_hub.trust import admission, metadata, team
from fleet_hub.trust.team import ReleaseTarget
from tests.fleet_hub.samples import ALICE, BOB, CAROL, MALLORY, OWNERS, POLICY
from update_trust.nacl_key import NaclKey

TEAM = "vision"
NOW_S = 1_900_000_000.0
FAR_S = NOW_S + 1e6


def delegator() -> Targets:
    keys = {key.public.keyid: NaclKey.of(key.public) for key in (ALICE, BOB, CAROL)}
    role = DelegatedRole(TEAM, list(keys), 2, terminating=True, paths=["digits/*.json"])
    return Targets(expires=metadata.utc(FAR_S), delegations=Delegations(keys=dict(keys), roles={TEAM: role}))


def release(version: str, model: str = "digits") -> ReleaseTarget:
    return ReleaseTarget(ReleaseCustom(model=model, version=version, bundle_digest="sha256:" + "0" * 64), b"index")


def extended(
    current: bytes | None, version: str, keys: tuple[SigningKey, ...] = OWNERS, model: str = "digits"
) -> bytes:
    return team.extend_role(current, release(version, model), policy=POLICY, keys=keys, expires_s=FAR_S)


FIRST = extended(None, "1.0.0")
SECOND = extended(FIRST, "1.1.0")


def edited(edit: Callable[[Targets], None], base: bytes = SECOND, keys: tuple[SigningKey, ...] = OWNERS) -> bytes:
    signed = metadata.parse(base, Targets, what="test").signed
    edit(signed)
    return metadata.sign(signed, keys)


def odd_number(text: str) -> bytes:
    """The role with another version, its signatures left as they were."""
    assert SECOND.count(b'"version":2') == 1
    return SECOND.replace(b'"version":2', b'"version":' + text.encode())


def check(offered: bytes, *, current: bytes | None = FIRST, role: str = TEAM) -> tuple[admission.ReleaseTarget, ...]:
    return admission.check_next(delegator(), role, current, offered, now_s=NOW_S)


def _set(**values: object) -> Callable[[Targets], None]:
    def edit(signed: Targets) -> None:
        for name, value in values.items():
            setattr(signed, name, value)

    return edit


def _drop_old(signed: Targets) -> None:
    del signed.targets["digits/1.0.0.json"]


def _change_old(signed: Targets) -> None:
    signed.targets["digits/1.0.0.json"].hashes["sha256"] = "f" * 64


def _change_old_custom(signed: Targets) -> None:
    signed.targets["digits/1.0.0.json"].custom["bundle_digest"] = "sha256:" + "f" * 64


def _move(signed: Targets) -> None:
    target = signed.targets.pop("digits/1.1.0.json")
    target.path = "digits/9.9.9.json"
    signed.targets[target.path] = target


def _no_custom(signed: Targets) -> None:
    signed.targets["digits/1.1.0.json"].unrecognized_fields.clear()


def _only_sha512(signed: Targets) -> None:
    signed.targets["digits/1.1.0.json"].hashes = {"sha512": "0" * 128}


def _delegate(signed: Targets) -> None:
    signed.delegations = delegator().delegations


def test_new_release_is_found() -> None:
    (found,) = check(SECOND)
    assert (found.path, found.length, found.custom.version) == ("digits/1.1.0.json", 5, "1.1.0")
    assert len(admission.releases(delegator(), TEAM, SECOND)) == 2


def test_first_version_starts_the_role() -> None:
    assert [found.custom.version for found in check(FIRST, current=None)] == ["1.0.0"]


@pytest.mark.parametrize("keys", [(ALICE, BOB), (ALICE, CAROL), (BOB, CAROL), (ALICE, BOB, CAROL, MALLORY)])
def test_any_two_of_three_team_keys_suffice(keys: tuple[SigningKey, ...]) -> None:
    assert len(check(extended(FIRST, "1.1.0", keys))) == 1


def test_renewal_adds_no_release() -> None:
    assert check(edited(_set(version=3)), current=SECOND) == ()


@pytest.mark.parametrize(
    ("offered", "error"),
    [
        pytest.param(edited(_set(), keys=(ALICE,)), SignatureError, id="threshold-not-met"),
        pytest.param(edited(_set(), keys=(ALICE, MALLORY)), SignatureError, id="unknown-signer"),
        pytest.param(edited(_set(), keys=()), SignatureError, id="unsigned"),
        pytest.param(edited(_set(version=3)), ConflictError, id="version-jumps"),
        pytest.param(edited(_set(version=2**31)), ConflictError, id="fast-forward"),
        pytest.param(edited(_set(version=1)), ConflictError, id="same-version-other-content"),
        pytest.param(edited(_set(expires=metadata.utc(NOW_S - 1))), ExpiredMetadataError, id="expired"),
        pytest.param(edited(_delegate), RefusedError, id="delegates-further"),
        pytest.param(edited(_drop_old), ConflictError, id="release-removed"),
        pytest.param(edited(_change_old), ConflictError, id="release-content-changed"),
        pytest.param(edited(_change_old_custom), ConflictError, id="release-bundle-changed"),
        pytest.param(edited(_move), FormatError, id="path-of-another-version"),
        pytest.param(edited(_no_custom), FormatError, id="no-custom-object"),
        pytest.param(edited(_only_sha512), FormatError, id="no-sha256"),
        pytest.param(extended(FIRST, "1.1.0", model="letters"), RefusedError, id="path-not-delegated"),
        pytest.param(b"", FormatError, id="empty"),
        pytest.param(odd_number("NaN"), FormatError, id="version-not-a-number"),
        pytest.param(odd_number("1e400"), FormatError, id="version-infinite"),
        pytest.param(odd_number("2.0"), FormatError, id="version-as-float"),
        pytest.param(odd_number("-1"), FormatError, id="version-negative"),
        pytest.param(odd_number('2,"x":"\\ud800"'), FormatError, id="half-a-character"),
        pytest.param(odd_number("9" * 5000), FormatError, id="version-of-5000-digits"),
        pytest.param(b"[" * 100_000, FormatError, id="nesting-bomb"),
        pytest.param(b" " * (metadata.MAX_METADATA_BYTES + 1), LimitExceededError, id="oversized"),
        pytest.param(SECOND[:-1], FormatError, id="truncated"),
        pytest.param(SECOND.replace(b'"1.1.0"', b'"1.2.0"'), SignatureError, id="flipped-byte"),
        pytest.param(
            Metadata(metadata.parse(SECOND, Targets, what="test").signed).to_bytes(),
            SignatureError,
            id="signatures-removed",
        ),
    ],
)
def test_refusals(offered: bytes, error: type[SkerryError]) -> None:
    with pytest.raises(error) as caught:
        check(offered)
    assert caught.type is error
    assert str(caught.value)


def test_older_metadata_again_is_a_rollback() -> None:
    third = extended(SECOND, "1.2.0")
    with pytest.raises(RollbackError):
        check(FIRST, current=third)


def test_role_that_is_not_delegated_is_unknown() -> None:
    with pytest.raises(NotFoundError):
        check(SECOND, role="strangers")


def test_duplicate_signatures_of_one_key_do_not_count_twice() -> None:
    once = edited(_set(), keys=(ALICE,))
    entry = once[once.index(b"[") + 1 : once.index(b"]")]
    with pytest.raises(FormatError):
        check(once.replace(entry, entry + b"," + entry))


def test_publisher_does_not_extend_what_the_team_did_not_sign() -> None:
    foreign = edited(_set(version=7), keys=(MALLORY, ALICE))
    with pytest.raises(SignatureError) as caught:
        extended(foreign, "1.2.0")
    assert caught.value.unknown_keyids == (MALLORY.public.keyid,)


def test_publisher_never_reuses_a_version() -> None:
    with pytest.raises(ConflictError):
        extended(SECOND, "1.0.0")


@pytest.mark.parametrize(
    ("names", "publisher", "refused"),
    [
        pytest.param(("vision", "everybody"), "everybody", True, id="wildcard-after-the-owner"),
        pytest.param(("vision", "everybody"), "vision", False, id="owner-before-the-wildcard"),
        pytest.param(("everybody", "vision"), "vision", True, id="owner-after-the-wildcard"),
    ],
)
def test_a_path_belongs_to_the_first_team_that_it_is_delegated_to(
    names: tuple[str, ...], publisher: str, refused: bool
) -> None:
    keys = {key.public.keyid: NaclKey.of(key.public) for key in OWNERS}
    paths = {"vision": ["digits/*.json"], "everybody": ["*/*.json"]}
    roles = {name: DelegatedRole(name, list(keys), 2, terminating=True, paths=paths[name]) for name in names}
    shared = Targets(expires=metadata.utc(FAR_S), delegations=Delegations(keys=dict(keys), roles=roles))
    if not refused:
        assert len(admission.check_next(shared, publisher, None, FIRST, now_s=NOW_S)) == 1
        return
    with pytest.raises(RefusedError, match=names[0]):
        admission.check_next(shared, publisher, None, FIRST, now_s=NOW_S)


def test_target_paths_are_compared_whole() -> None:
    signed = metadata.parse(SECOND, Targets, what="test").signed
    path = "digits/x/2.0.0.json"
    signed.targets[path] = TargetFile(5, {"sha256": "0" * 64}, path)
    with pytest.raises(RefusedError):
        check(metadata.sign(signed, OWNERS))
