from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from compiler.compile import CompileResult
from compiler.progress import Silent
from compiler.recompute import Figures, compare, recompute
from edge_bundle.errors import DigestMismatchError
from edge_bundle.manifest import NumericClass
from tests.compiler.models import DIGITS, classifier, verified

JUDGED = {"samples", "correct", "accuracy", "accuracy low", "accuracy high", "deterministic"}


def test_every_figure_is_reproduced(digits: CompileResult) -> None:
    rows = recompute(verified(digits.bundle_dir), DIGITS / "evaluation.npz", model_path=DIGITS / "digits.onnx")
    assert {row.profile for row in rows} == {variant.proof.profile for variant in digits.variants}
    judged = [row for row in rows if row.ok is not None]
    assert all(row.ok for row in judged)
    assert {row.figure for row in judged} == {
        *JUDGED, "accuracy of ink-heavy", "accuracy of ink-light", "agreement", "largest difference",
    }  # fmt: skip
    assert {row.figure for row in rows if row.ok is None} == {"p50 us", "p99 us"}


def test_the_source_model_runs_once_for_all_variants(digits: CompileResult) -> None:
    class Recorder(Silent):
        stages: tuple[str, ...] = ()

        def start(self, stage: str, total: int) -> None:
            self.stages += (stage,)

    seen = Recorder()
    recompute(
        verified(digits.bundle_dir),
        DIGITS / "evaluation.npz",
        model_path=DIGITS / "digits.onnx",
        progress=seen,
    )
    profiles = sorted(variant.proof.profile for variant in digits.variants)
    assert seen.stages == ("recompute fp32 reference", *(f"recompute {profile}" for profile in profiles))


def test_agreement_is_left_open_without_the_model(digits: CompileResult) -> None:
    rows = recompute(verified(digits.bundle_dir), DIGITS / "evaluation.npz")
    open_rows = {row.figure for row in rows if row.recomputed is None}
    assert open_rows == {"agreement", "largest difference"}
    assert not any(row.ok is False for row in rows)


def test_another_evaluation_set_is_refused(tmp_path: Path, digits: CompileResult) -> None:
    arrays = dict(np.load(DIGITS / "evaluation.npz"))
    arrays["labels"] = arrays["labels"][::-1]
    np.savez(tmp_path / "evaluation.npz", **arrays)
    with pytest.raises(DigestMismatchError, match=r"evaluation set .*evaluation.npz: expected sha256:"):
        recompute(verified(digits.bundle_dir), tmp_path / "evaluation.npz")


def test_another_model_is_refused(tmp_path: Path, digits: CompileResult) -> None:
    (tmp_path / "other.onnx").write_bytes(classifier().SerializeToString())
    with pytest.raises(DigestMismatchError, match=r"model .*other.onnx: expected sha256:"):
        recompute(verified(digits.bundle_dir), DIGITS / "evaluation.npz", model_path=tmp_path / "other.onnx")


def test_a_figure_that_differs_is_shown(digits: CompileResult) -> None:
    proof = digits.variants[0].proof
    claimed = msgspec.structs.replace(
        proof, accuracy=msgspec.structs.replace(proof.accuracy, correct=(proof.accuracy.correct or 0) + 1)
    )
    figures = Figures(
        accuracy=proof.accuracy,
        slices={},
        agreement=proof.agreement,
        determinism=proof.determinism,
        peak_rss_bytes=proof.peak_rss_bytes,
        latency=proof.latency,
    )
    rows = {row.figure: row for row in compare(claimed, figures)}
    assert rows["correct"].ok is False
    assert rows["accuracy"].ok is True
    assert rows["accuracy of ink-heavy"].ok is False
    loose = msgspec.structs.replace(proof, numeric_class=NumericClass.APPROXIMATE)
    assert "deterministic" not in {row.figure for row in compare(loose, figures)}
