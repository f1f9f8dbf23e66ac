"""Act 2: the bundle is signed, building it again gives the same digest, and its proofs hold when measured again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from compiler.compile import CompileResult, compile_bundle
from compiler.recomputing.recompute import recompute
from compiler.recomputing.recomputed import Row
from edge_bundle.layout import Layout
from edge_bundle.walk import VerifiedRelease, walk_source
from skerry.demo.act1_compile import compile_request
from skerry.demo.claims import Claim, equal, holds
from skerry.demo.workplace import OWNERS, Workplace

ACT = 2


@dataclass(frozen=True)
class Signed:
    """The verified bundle, the digest of its second build, and every signed figure beside a new one."""

    release: VerifiedRelease
    second_digest: str
    figures: tuple[Row, ...]

    @property
    def judged(self) -> tuple[Row, ...]:
        """Figures that have to be the same again; times and the like are only shown."""
        return tuple(row for row in self.figures if row.ok is not None)


def verify_and_rebuild(place: Workplace, first: CompileResult) -> Signed:
    """Check the signatures as an agent would, then compile everything a second time elsewhere."""
    with Layout.open(first.bundle_dir) as layout:
        release = walk_source(layout.index, layout, place.policy())
    again = place.root / "second-build"
    second = compile_bundle(compile_request(place, again), progress=place.bars)
    shutil.rmtree(again)
    request = compile_request(place, again)
    figures = recompute(release, request.evaluation_path, model_path=request.model_path, progress=place.bars)
    return Signed(release, second.bundle_digest, figures)


def judge(signed: Signed) -> list[Claim]:
    """Two signatures, one digest, and no figure that does not hold."""
    differing = [f"{row.profile} {row.figure}" for row in signed.judged if not row.ok]
    found = f"{len(signed.judged) - len(differing)} of {len(signed.judged)}"
    return [
        equal(ACT, "trusted keys that signed the bundle", len(OWNERS), len(signed.release.signed_by)),
        equal(ACT, "digest of the second build", signed.release.bundle_digest, signed.second_digest),
        holds(
            ACT, "signed figures that hold when measured again", bool(signed.judged) and not differing,
            found, expected=f"all; these differ: {', '.join(differing)}",
        ),
    ]  # fmt: skip
