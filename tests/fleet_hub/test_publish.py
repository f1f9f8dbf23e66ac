from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from edge_bundle.digest import sha256_digest
from edge_bundle.errors import ConflictError, FormatError, InvalidInputError, RemoteError, SignatureError
from edge_bundle.keys import SigningKey
from edge_bundle.layout import Layout
from fleet_hub.api import ReleaseRow, TeamRules
from tests.edge_bundle.samples import MODEL_DIGEST
from tests.fleet_hub.running import TEAM, RunningHub, init, serve
from tests.fleet_hub.samples import ALICE, CAROL, MALLORY, OWNERS, PROFILES, make_bundle


async def publish(
    hub: RunningHub,
    directory: Path,
    version: str = "1.0.0",
    keys: tuple[SigningKey, ...] = OWNERS,
    model: str = "digits",
) -> ReleaseRow:
    with make_bundle(directory, version, model, keys) as layout:
        async with hub.client("publisher") as client:
            return await client.publish(layout, keys, TEAM)


def test_published_release_is_listed_and_every_blob_is_there(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        row = await publish(hub, tmp_path / "bundle")
        assert (row.model, row.version, row.team_role, row.admitted_by) == ("digits", "1.0.0", TEAM, "publisher")
        assert tuple(variant.profile for variant in row.variants) == PROFILES
        assert all(variant.size_bytes > 0 for variant in row.variants)
        async with hub.client("viewer") as viewer:
            assert await viewer.list_releases() == (row,)
            shown = await viewer.show_release("digits", "1.0.0")
            assert {name: getattr(shown, name) for name in row.__struct_fields__} == msgspec.structs.asdict(row)
            assert shown.made_from["model"] == MODEL_DIGEST
            assert shown.made_from.keys() == {"model", "contract", "evaluation", "source"}
            assert shown.toolchain == {"onnx": "1.20.0"}
            assert set(shown.signed_by) == {key.public.keyid for key in OWNERS}
            log = await viewer.audit()
            assert [event.action for event in log.events][-1] == "release.admit"

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


def test_second_version_adds_and_same_version_conflicts(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        await publish(hub, tmp_path / "one")
        await publish(hub, tmp_path / "two", "1.1.0")
        async with hub.client("viewer") as viewer:
            assert [row.version for row in await viewer.list_releases()] == ["1.0.0", "1.1.0"]
        with pytest.raises(ConflictError, match="a version not published yet"):
            await publish(hub, tmp_path / "again", "1.1.0")

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


@pytest.mark.parametrize(
    ("keys", "model", "refusal"),
    [
        pytest.param((ALICE,), "digits", "SignatureError", id="one-signature-of-two"),
        pytest.param((ALICE, MALLORY), "digits", "SignatureError", id="one-unknown-signer"),
        pytest.param((MALLORY, CAROL), "digits", "SignatureError", id="only-unknown-signers"),
        pytest.param(OWNERS, "letters", "RefusedError", id="path-of-another-team"),
    ],
)
def test_hub_refuses_what_the_delegation_does_not_cover(
    tmp_path: Path, keys: tuple[SigningKey, ...], model: str, refusal: str
) -> None:
    async def asking_for_nothing(role: str) -> TeamRules:
        assert role == TEAM
        return TeamRules(threshold=0, keyids=(), paths=())

    async def run(hub: RunningHub) -> None:
        with make_bundle(tmp_path / "bundle", "1.0.0", model, keys) as layout:
            async with hub.client("publisher") as client:
                client.team_rules = asking_for_nothing  # type: ignore[method-assign]
                with pytest.raises(RemoteError) as caught:
                    await client.publish(layout, keys, TEAM)
        assert caught.value.name == refusal
        async with hub.client("viewer") as viewer:
            assert await viewer.list_releases() == ()

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


@pytest.mark.parametrize(
    "keys", [pytest.param((ALICE,), id="one-of-two"), pytest.param((ALICE, MALLORY), id="stranger")]
)
def test_too_few_keys_are_told_before_an_upload(tmp_path: Path, keys: tuple[SigningKey, ...]) -> None:
    async def run(hub: RunningHub) -> None:
        with make_bundle(tmp_path / "bundle", keys=keys) as layout:
            async with hub.client("publisher") as client:
                with pytest.raises(
                    InvalidInputError, match="expected 2 keys of the team to sign with, got 1"
                ) as caught:
                    await client.publish(layout, keys, TEAM)
                assert caught.value.advice == "give --key once per owner, 2 needed"
        assert list((hub.directory / "blobs").rglob("*")) == []

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


def test_team_that_the_ceremony_does_not_know(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        async with hub.client("publisher") as client:
            rules = await client.team_rules(TEAM)
            assert (rules.threshold, rules.paths, len(rules.keyids)) == (2, ("digits/*.json",), 2)
            with make_bundle(tmp_path / "b") as layout, pytest.raises(RemoteError, match="no team role named 'audio'"):
                await client.publish(layout, OWNERS, "audio")
        assert list((hub.directory / "blobs").rglob("*")) == []

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


def test_client_verifies_the_bundle_before_it_uploads(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        with make_bundle(tmp_path / "bundle", keys=(MALLORY, CAROL)) as layout:
            index_digest = sha256_digest(layout.index)
            async with hub.client("publisher") as client:
                with pytest.raises(SignatureError):
                    await client.publish(layout, OWNERS, TEAM)
                assert not await client.has_blob(index_digest)

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_wrong_role_cannot_publish(tmp_path: Path, role: str) -> None:
    async def run(hub: RunningHub) -> None:
        with make_bundle(tmp_path / "bundle") as layout:
            async with hub.client(role) as client:
                with pytest.raises(RemoteError) as caught:
                    await client.publish(layout, OWNERS, TEAM)
        assert caught.value.name == "RefusedError"

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


def test_missing_blob_is_named_and_nothing_is_admitted(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        with make_bundle(tmp_path / "bundle") as layout:
            async with hub.client("publisher") as client:
                dropped: list[str] = []
                put = client.put_blob

                async def forgetful(digest: str, data: bytes) -> None:
                    if not dropped:
                        dropped.append(digest)
                        return
                    await put(digest, data)

                client.put_blob = forgetful  # type: ignore[method-assign]
                with pytest.raises(RemoteError) as caught:
                    await client.publish(layout, OWNERS, TEAM)
                assert caught.value.name == "NotFoundError"
                assert dropped[0] in caught.value.detail
                assert await client.list_releases() == ()
                assert await client.team_metadata(TEAM) is None

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


@pytest.mark.parametrize("changes", [{"version": "9.9.9"}, {"bundle_digest": "sha256:" + "f" * 64}])
def test_a_hub_that_admits_something_else_is_called_out(tmp_path: Path, changes: dict[str, str]) -> None:
    async def run(hub: RunningHub) -> None:
        with make_bundle(tmp_path / "bundle") as layout:
            await publish_through(hub, layout)

    async def publish_through(hub: RunningHub, layout: Layout) -> None:
        async with hub.client("publisher") as client:
            honest = client.admit

            async def lying(role: str, metadata: bytes) -> tuple[ReleaseRow, ...]:
                return tuple(msgspec.structs.replace(row, **changes) for row in await honest(role, metadata))

            client.admit = lying  # type: ignore[method-assign]
            with pytest.raises(FormatError, match="answer to a publication"):
                await client.publish(layout, OWNERS, TEAM)

    with serve(init(tmp_path)) as hub:
        asyncio.run(run(hub))


def test_releases_survive_a_restart(tmp_path: Path) -> None:
    result = init(tmp_path)
    with serve(result) as hub:
        asyncio.run(publish(hub, tmp_path / "one"))
    with serve(result) as hub:
        row = asyncio.run(publish(hub, tmp_path / "two", "1.0.1"))
        assert row.version == "1.0.1"


def test_root_and_targets_keys_are_not_on_the_hub(tmp_path: Path) -> None:
    result = init(tmp_path)
    offline = {path.name for path in (tmp_path / "offline").iterdir()}
    assert offline == {"root-1.key", "targets.key", "root.json", "operator-tokens.json"}
    assert result.tokens_file.stat().st_mode & 0o777 == 0o600
    on_hub = b"".join(path.read_bytes() for path in (tmp_path / "hub").rglob("*") if path.is_file())
    for name in ("root-1.key", "targets.key"):
        secret = (tmp_path / "offline" / name).read_bytes().split()[-1]
        assert secret not in on_hub
    for token in result.tokens.values():
        assert token.encode() not in on_hub


def test_init_never_writes_over_a_hub(tmp_path: Path) -> None:
    init(tmp_path)
    with pytest.raises(ConflictError):
        init(tmp_path)
