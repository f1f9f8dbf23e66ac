"""Act 2: the bundle is signed by both owners, and building it again gives the same digest."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from compiler.compile import CompileResult, compile_bundle
from edge_bundle.layout import Layout
from edge_bundle.walk import VerifiedRelease, walk_source
from skerry.demo.act1_compile import compile_request
from skerry.demo.claims import Claim, equal
from skerry.demo.workplace import OWNERS, Workplace

ACT = 2


@dataclass(frozen=True)
class Signed:
    """The verified bundle, and the digest of its second build."""

    release: VerifiedRelease
    second_digest: str


def verify_and_rebuild(place: Workplace, first: CompileResult) -> Signed:
    """Check the signatures as an agent would, then compile everything a second time elsewhere."""
    with Layout.open(first.bundle_dir) as layout:
        release = walk_source(layout.index, layout, place.policy())
    again = place.root / "second-build"
    second = compile_bundle(compile_request(place, again), progress=place.bars)
    shutil.rmtree(again)
    return Signed(release, second.bundle_digest)


def judge(signed: Signed) -> list[Claim]:
    """Two signatures, one digest."""
    return [
        equal(ACT, "trusted keys that signed the bundle", len(OWNERS), len(signed.release.signed_by)),
        equal(ACT, "digest of the second build", signed.release.bundle_digest, signed.second_digest),
    ]
