"""The walk: what it asks for and when, what it refuses, and that nothing else makes verified objects."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest

from edge_bundle.errors import (
    ConflictError,
    DigestMismatchError,
    LimitExceededError,
    NotFoundError,
    SignatureError,
    SkerryError,
    UnavailableError,
)
from edge_bundle.keys import TrustPolicy
from edge_bundle.limits import MAX_INDEX_BYTES
from edge_bundle.walk import ReleaseWalk, VerifiedRelease, VerifiedVariant, walk_source
from tests.edge_bundle.forge import Forge
from tests.edge_bundle.hostile_releases import HOSTILE_RELEASES
from tests.edge_bundle.samples import ALICE, BOB, MALLORY, POLICY, sample_release, sample_variant


def test_good_release(tmp_path: Path) -> None:
    sample = sample_release(tmp_path / "bundle")
    release = walk_source(sample.index, sample.layout, POLICY)
    assert (release.name, release.version, release.bundle_digest) == ("digits", "1.0.0", sample.refs.bundle_digest)
    assert set(release.signed_by) == {ALICE.public.keyid, BOB.public.keyid}
    assert release.provenance.digests["source"] == "0" * 40
    assert {name: v.variant_digest for name, v in release.variants.items()} == sample.refs.variant_digests
    for name, variant in release.variants.items():
        content = sample_variant(name, variant.manifest.precision)
        assert (variant.manifest, variant.contract) == (content.manifest, content.contract)
        assert (variant.files, variant.goldens) == (content.artifact, content.goldens)
        assert variant.proof == release.proofs[name]


def test_forged_copy_of_the_good_release_is_good() -> None:
    forge = Forge()
    assert walk_source(forge.make(), forge, POLICY).version == "1.0.0"


def test_one_profile_asks_for_its_own_blobs_only(tmp_path: Path) -> None:
    sample = sample_release(tmp_path / "bundle")
    asked: list[str] = []

    class Recorder:
        def read(self, digest: str, *, max_bytes: int) -> bytes:
            asked.append(digest)
            return sample.layout.read(digest, max_bytes=max_bytes)

    release = walk_source(sample.index, Recorder(), POLICY, "cpu-int8")
    assert list(release.variants) == ["cpu-int8"]
    assert set(release.proofs) == {"cpu-fp32", "cpu-int8"}
    assert len(asked) == len(set(asked)) == 2 + 1 + 1 + 4
    assert sample.refs.variant_digests["cpu-fp32"] not in asked


def test_nothing_is_asked_for_beyond_the_envelopes_until_they_verify() -> None:
    forge = Forge(keys=(MALLORY,))
    walk = ReleaseWalk(forge.make(), None, POLICY)
    first, second = walk.wanted()
    walk.feed(first.digest, forge.blobs[first.digest])
    with pytest.raises(SignatureError):
        walk.feed(second.digest, forge.blobs[second.digest])
    for step in (walk.wanted, walk.result, lambda: walk.feed(first.digest, b"")):
        with pytest.raises(SignatureError):
            step()


def test_blobs_may_come_in_any_order() -> None:
    forge = Forge()
    walk = ReleaseWalk(forge.make(), None, POLICY)
    while wanted := walk.wanted():
        walk.feed(wanted[-1].digest, forge.blobs[wanted[-1].digest])
    assert set(walk.result().variants) == {"cpu-fp32", "cpu-int8"}


def test_damaged_blob_may_be_fetched_again() -> None:
    forge = Forge()
    walk = ReleaseWalk(forge.make(), None, POLICY)
    first = walk.wanted()[0]
    with pytest.raises(DigestMismatchError):
        walk.feed(first.digest, b"x" * first.size)
    walk.feed(first.digest, forge.blobs[first.digest])
    assert first not in walk.wanted()


def test_blob_that_was_not_asked_for() -> None:
    forge = Forge()
    walk = ReleaseWalk(forge.make(), None, POLICY)
    bundle = next(d for d, data in forge.blobs.items() if b"dev.skerry.profile" in data)
    with pytest.raises(ConflictError, match="a blob that was asked for"):
        walk.feed(bundle, forge.blobs[bundle])


def test_result_before_the_end() -> None:
    walk = ReleaseWalk(Forge().make(), None, POLICY)
    with pytest.raises(UnavailableError, match="2 blobs are still wanted"):
        walk.result()


def test_absent_profile_is_named_with_those_there_are() -> None:
    forge = Forge()
    with pytest.raises(NotFoundError, match=r"no variant of digits:1\.0\.0 named 'npu'") as caught:
        walk_source(forge.make(), forge, POLICY, "npu")
    assert caught.value.advice == "the bundle has: cpu-fp32, cpu-int8"


def test_other_owners_trust_nothing_of_it() -> None:
    forge = Forge()
    with pytest.raises(SignatureError, match="signed by unknown keys"):
        walk_source(forge.make(), forge, TrustPolicy((MALLORY.public,), threshold=1))


@pytest.mark.parametrize(
    ("forge", "error", "message"), [pytest.param(*case, id=name) for name, case in HOSTILE_RELEASES.items()]
)
def test_hostile_releases_are_refused(forge: Forge, error: type[SkerryError], message: str) -> None:
    index = forge.make()
    with pytest.raises(error, match=message):
        walk_source(index, forge, POLICY)


def test_hostile_variant_does_not_reach_those_who_do_not_ask_for_it() -> None:
    forge = Forge(artifact=lambda _: b"garbage")
    assert walk_source(forge.make(), forge, POLICY, "cpu-int8").variants


def test_release_index_is_bounded_before_it_is_parsed() -> None:
    with pytest.raises(LimitExceededError, match=f"release index: expected at most {MAX_INDEX_BYTES} bytes"):
        ReleaseWalk(b" " * (MAX_INDEX_BYTES + 1), None, POLICY)


def test_verified_objects_have_no_public_constructor() -> None:
    forge = Forge()
    release = walk_source(forge.make(), forge, POLICY)
    variant = release.variants["cpu-fp32"]
    for verified in (release, variant):
        fields = {f.name: getattr(verified, f.name) for f in dataclasses.fields(verified)}
        with pytest.raises(TypeError):
            type(verified)(**fields)
        with pytest.raises(TypeError, match="only the walk"):
            type(verified)(**fields, token=object())
        with pytest.raises((TypeError, ValueError)):
            dataclasses.replace(verified, bundle_digest="sha256:" + "0" * 64)  # type: ignore[call-arg]
        with pytest.raises(dataclasses.FrozenInstanceError):
            verified.bundle_digest = ""  # type: ignore[misc]
        assert copy.copy(verified) == verified
    assert isinstance(release, VerifiedRelease)
    assert isinstance(variant, VerifiedVariant)
