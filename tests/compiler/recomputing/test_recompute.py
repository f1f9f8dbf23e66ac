"""Measuring a release again: every figure on the machine that made it, and what is left where something is missing."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from compiler.compile import CompileResult
from compiler.progress import Silent
from compiler.recomputing.recompute import recompute
from compiler.recomputing.recomputed import Circumstances, Figures, Row, compare, not_recomputed
from compiler.recomputing.table import number, recompute_tables
from edge_bundle.errors import CompileOnlyError, DigestMismatchError, EngineError, RuntimeMissingError
from edge_bundle.keys import TrustPolicy
from edge_bundle.layout import Layout
from edge_bundle.manifest import NumericClass
from edge_bundle.proof import EstimateProof, PlacementProof, Proof
from edge_bundle.walk import VerifiedRelease, walk_source
from edge_runtime.engine import Engine, EngineSource
from edge_runtime.factory import open_engine
from edge_runtime.onnxruntime_engine import OnnxRuntimeEngine
from tests.compiler.models import DIGITS, KEYS, classifier, verified

HERE = Circumstances(same_bits=True, same_reference=True, same_machine=True)
ELSEWHERE = Circumstances(same_bits=False, same_reference=False, same_machine=False)
MOMENT = {"p50 us", "p90 us", "p99 us"}


def one_profile(digits: CompileResult, profile: str) -> VerifiedRelease:
    with Layout.open(digits.bundle_dir) as layout:
        policy = TrustPolicy(tuple(key.public for key in KEYS), len(KEYS))
        return walk_source(layout.index, layout, policy, profile)


def refuse(monkeypatch: pytest.MonkeyPatch, error: EngineError, *runtimes: str) -> None:
    """Let these runtimes fail to open."""

    def opener(source: EngineSource) -> Engine:
        if source.runtime in runtimes:
            raise error
        return open_engine(source)

    monkeypatch.setattr("compiler.recomputing.recompute.open_engine", opener)


def test_every_figure_is_reproduced(digits: CompileResult) -> None:
    rows = recompute(
        verified(digits.bundle_dir),
        DIGITS / "evaluation.npz",
        model_path=DIGITS / "digits.onnx",
        calibration_path=DIGITS / "calibration.npz",
    )
    assert {row.profile for row in rows} == {variant.proof.profile for variant in digits.variants}
    assert [row for row in rows if row.ok is False] == []
    figures = {row.figure for row in rows if row.ok}
    assert figures >= {
        "artifact bytes", "evaluation set", "model", "calibration set", "accuracy", "accuracy: low", "accuracy: high",
        "accuracy: correct", "accuracy of ink-heavy", "accuracy of ink-light: high", "paired: drop", "paired: p value",
        "agreement: first answers", "agreement: cosine", "agreement: SQNR dB", "agreement: max abs diff", "repeatable",
        "threads agree", "batches agree", "peak memory MiB",
    }  # fmt: skip
    assert {row.figure for row in rows if row.ok is None} == {*MOMENT, "threads agree", "batches agree"}


def test_the_source_model_runs_once_and_what_cannot_run_stops_nothing(
    digits: CompileResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Recorder(Silent):
        stages: tuple[str, ...] = ()

        def start(self, stage: str, total: int) -> None:
            self.stages += (stage,)

    refuse(monkeypatch, RuntimeMissingError(runtime="openvino", extra="openvino"), "openvino", "wasm")
    seen = Recorder()
    release = verified(digits.bundle_dir)
    rows = recompute(release, DIGITS / "evaluation.npz", model_path=DIGITS / "digits.onnx", progress=seen)
    profiles = sorted(variant.proof.profile for variant in digits.variants)
    assert seen.stages == ("recompute fp32 reference", *(f"recompute {profile}" for profile in profiles))
    again = {row.profile for row in rows if row.figure == "accuracy" and row.ok}
    assert again == {"cpu-fp32", "cpu-int8"}
    assert {row.profile for row in rows if row.figure == "artifact bytes" and row.ok} == set(profiles)


def test_what_needs_other_files_says_so(digits: CompileResult) -> None:
    rows = recompute(one_profile(digits, "cpu-int8"), DIGITS / "evaluation.npz")
    missing = {row.figure: row.note for row in rows if row.recomputed is None}
    assert missing["model"] == missing["agreement: cosine"] == "not recomputed: needs --model"
    assert missing["calibration set"] == "not recomputed: needs --calibration"
    assert not any(row.ok is False for row in rows)


def test_another_calibration_set_is_told(digits: CompileResult, tmp_path: Path) -> None:
    np.savez(tmp_path / "calibration.npz", image=np.zeros((4, 1, 8, 8), dtype=np.float32))
    rows = recompute(
        one_profile(digits, "cpu-int8"), DIGITS / "evaluation.npz", calibration_path=tmp_path / "calibration.npz"
    )
    assert [row.figure for row in rows if row.ok is False] == ["calibration set"]


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


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(CompileOnlyError(runtime="openvino"), "compiled for only", id="firmware"),
        pytest.param(
            RuntimeMissingError(runtime="openvino", extra="openvino"), "pip install 'skerry[openvino]'", id="missing"
        ),
    ],
)
def test_a_variant_that_cannot_run_here_keeps_its_signed_figures(
    digits: CompileResult, monkeypatch: pytest.MonkeyPatch, error: EngineError, reason: str
) -> None:
    refuse(monkeypatch, error, "openvino")
    release = one_profile(digits, "openvino-int8")
    left = {row.figure: row for row in recompute(release, DIGITS / "evaluation.npz")}
    assert left["artifact bytes"].ok, "what needs no run is still judged"
    for figure in ("accuracy", "accuracy of ink-heavy", "drop", "agreement", "repeatable", "p50 us"):
        assert left[figure].recomputed is None
        assert left[figure].ok is None
        assert left[figure].note.startswith("not recomputed: ")
        assert reason in left[figure].note
    assert left["accuracy"].signed == release.variants["openvino-int8"].proof.accuracy.value


def test_a_run_that_fails_does_not_hold(digits: CompileResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """The artifact opens, and answers with what no accuracy can be counted from."""

    def fail(_engine: OnnxRuntimeEngine, _inputs: object) -> dict[str, Any]:
        raise EngineError(runtime="onnxruntime", detail="inference failed: out of luck")

    monkeypatch.setattr(OnnxRuntimeEngine, "run", fail)
    rows = recompute(one_profile(digits, "cpu-fp32"), DIGITS / "evaluation.npz")
    (failed,) = [row for row in rows if row.ok is False]
    assert (failed.figure, failed.note) == ("runs", "runtime onnxruntime: inference failed: out of luck")


def figures_of(proof: Proof, **changes: Any) -> Figures:
    same = Figures(
        accuracy=proof.accuracy,
        slices=dict(proof.slices),
        paired=proof.paired,
        agreement=proof.agreement,
        determinism=proof.determinism,
        placement=proof.placement,
        peak_rss_bytes=proof.peak_rss_bytes,
        latency=proof.latency,
    )
    return replace(same, **changes)


def judged(proof: Proof, figures: Figures, around: Circumstances = HERE) -> dict[str, Row]:
    return {row.figure: row for row in compare(proof, figures, around)}


def wrong(rows: dict[str, Row]) -> set[str]:
    return {name for name, row in rows.items() if row.ok is False}


def test_a_figure_that_differs_is_named(digits: CompileResult) -> None:
    proof = digits.variants[0].proof
    claimed = msgspec.structs.replace(
        proof, accuracy=msgspec.structs.replace(proof.accuracy, correct=(proof.accuracy.correct or 0) + 1)
    )
    assert wrong(judged(claimed, figures_of(proof))) == {"accuracy: correct"}
    assert wrong(judged(proof, figures_of(proof, slices={}))) == {"accuracy of ink-heavy", "accuracy of ink-light"}
    other = msgspec.structs.replace(proof.agreement, max_abs_diff=proof.agreement.max_abs_diff + 0.1)
    assert wrong(judged(proof, figures_of(proof, agreement=other))) == {"agreement: max abs diff"}


def test_the_last_digit_of_a_sum_may_differ(digits: CompileResult) -> None:
    proof = digits.variants[1].proof
    nearly = msgspec.structs.replace(proof.agreement, cosine=proof.agreement.cosine * (1 + 1e-12))
    assert wrong(judged(proof, figures_of(proof, agreement=nearly))) == set()


def test_elsewhere_accuracy_holds_inside_the_signed_interval(digits: CompileResult) -> None:
    proof = digits.variants[0].proof
    near = msgspec.structs.replace(proof.accuracy, value=proof.accuracy.low, correct=0)
    far = msgspec.structs.replace(proof.accuracy, value=proof.accuracy.low - 0.01)
    assert wrong(judged(proof, figures_of(proof, accuracy=near), ELSEWHERE)) == set()
    assert wrong(judged(proof, figures_of(proof, accuracy=near), HERE)) == {"accuracy", "accuracy: correct"}
    rows = judged(proof, figures_of(proof, accuracy=far, peak_rss_bytes=1), ELSEWHERE)
    assert wrong(rows) == {"accuracy"}
    assert rows["agreement: cosine"].ok is None
    assert rows["peak memory MiB"].ok is None


@pytest.mark.parametrize(
    ("numeric_class", "field", "figure", "ok"),
    [
        pytest.param(NumericClass.HOST_EXACT, "repeatable", "repeatable", False, id="host-exact-repeats"),
        pytest.param(NumericClass.HOST_EXACT, "threads_agree", "threads agree", None, id="host-exact-threads"),
        pytest.param(NumericClass.PORTABLE_EXACT, "threads_agree", "threads agree", False, id="portable-threads"),
        pytest.param(NumericClass.PORTABLE_EXACT, "batches_agree", "batches agree", False, id="portable-batches"),
        pytest.param(NumericClass.APPROXIMATE, "repeatable", "repeatable", None, id="approximate"),
    ],
)
def test_only_what_the_class_claims_is_judged(
    digits: CompileResult, numeric_class: NumericClass, field: str, figure: str, ok: bool | None
) -> None:
    proof = msgspec.structs.replace(digits.variants[0].proof, numeric_class=numeric_class)
    changed = msgspec.structs.replace(proof.determinism, **{field: False})
    assert judged(proof, figures_of(proof, determinism=changed))[figure].ok is ok


def test_thread_counts_that_this_machine_lacks_are_not_judged(digits: CompileResult) -> None:
    proof = msgspec.structs.replace(digits.variants[0].proof, numeric_class=NumericClass.PORTABLE_EXACT)
    untried = msgspec.structs.replace(proof.determinism, threads=(), threads_agree=None)
    proof = msgspec.structs.replace(
        proof, determinism=msgspec.structs.replace(untried, threads=(1, 2), threads_agree=True)
    )
    row = judged(proof, figures_of(proof, determinism=untried))["threads agree"]
    assert (row.recomputed, row.ok, row.note) == (None, None, "not recomputed: too few cores here")


def test_memory_holds_within_a_factor(digits: CompileResult) -> None:
    proof = digits.variants[0].proof
    assert judged(proof, figures_of(proof, peak_rss_bytes=int(proof.peak_rss_bytes * 1.4)))["peak memory MiB"].ok
    assert wrong(judged(proof, figures_of(proof, peak_rss_bytes=proof.peak_rss_bytes * 2))) == {"peak memory MiB"}


def test_placement_and_estimate(digits: CompileResult) -> None:
    proof = msgspec.structs.replace(
        digits.variants[0].proof,
        placement=PlacementProof(device="npu", nodes=9, on_device=9),
        estimate=EstimateProof(tool="vela 5", latency_us=10.0, cycles=100, sram_bytes=1000, flash_bytes=2000),
        latency=None,
    )
    rows = judged(proof, figures_of(proof))
    assert wrong(rows) == set()
    assert not MOMENT & rows.keys()
    assert rows["estimated cycles"].note == "not recomputed: vela 5 expects it when it compiles"
    left = {row.figure: row for row in not_recomputed(proof, "compiled for only")}
    assert left["estimated us"].signed == 10.0
    assert left["nodes on the device"].note == "not recomputed: compiled for only"
    joined = judged(proof, figures_of(proof, placement=PlacementProof(device="npu", nodes=1, on_device=1)))
    assert joined["nodes on the device"].ok
    assert "joined" in joined["nodes on the device"].note
    for moved in (PlacementProof(device="npu", nodes=9, on_device=8, elsewhere=("TopK t",)), None):
        assert wrong(judged(proof, figures_of(proof, placement=moved))) == {"nodes on the device", "nodes elsewhere"}


def test_the_table(digits: CompileResult) -> None:
    rows = recompute(one_profile(digits, "cpu-int8"), DIGITS / "evaluation.npz")
    console = Console(file=io.StringIO(), width=100)
    console.print(recompute_tables((*rows, replace(rows[0], ok=False, recomputed=1.0, note="[red]so"))))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    text = " ".join(" ".join(lines).split())
    for words in ("recomputed cpu-int8", "holds", "DIFFERS: [red]so", "shown: depends on the moment", "needs --model"):
        assert words in text
    assert max(map(len, lines)) <= 100


def test_numbers_in_the_table() -> None:
    texts = [number(value) for value in (None, True, 0.25, "sha256:" + "ab" * 32, "mcnemar", 496.0)]
    assert texts == ["", "true", "0.25", "abababababab", "mcnemar", "496"]
