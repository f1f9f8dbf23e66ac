"""A vendor's runtime that crashes on what was compiled for it costs its own profile and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.compile import CompileResult, compile_bundle
from compiler.mlperf.measure import Options, measure
from compiler.mlperf.scenario import Scenario
from compiler.mlperf.subject import claimed_subjects
from compiler.progress import Silent
from compiler.recomputing.recompute import recompute
from edge_bundle.errors import EngineError
from tests.compiler.models import DIGITS, digits_request, verified

STUB = """
import os, signal, sys, types
class Crash:
    def __init__(self, source):
        os.kill(os.getpid(), signal.SIGSEGV)
for name, engine in (("litert_engine", "LiteRtEngine"), ("onnxruntime_engine", "OnnxRuntimeEngine")):
    module = types.ModuleType(f"edge_runtime.{name}")
    setattr(module, engine, Crash)
    sys.modules[module.__name__] = module
"""


@pytest.fixture
def crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes that are started from here on."""
    (tmp_path / "sitecustomize.py").write_text(STUB)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("crashing")
def test_a_runtime_that_crashes_costs_its_own_profile(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    result = compile_bundle(digits_request(tmp_path / "bundle", "litert-fp32", "wasm-simd128"))
    (refusal,) = result.refused
    assert (refusal.profile.name, refusal.stage) == ("litert-fp32", "evaluate")
    assert "crashed: SIGSEGV" in str(refusal.error)
    assert [variant.manifest.profile for variant in result.variants] == ["wasm-simd128"]


@pytest.mark.usefixtures("crashing")
def test_a_bundle_that_crashes_the_runtime_is_not_measured(digits: CompileResult) -> None:
    (subject,) = claimed_subjects(digits.bundle_dir, "cpu-fp32")
    with pytest.raises(EngineError, match="crashed: SIGSEGV"):
        measure(subject, Options(scenario=Scenario.SINGLE_STREAM, duration_s=0.1), Silent())


@pytest.mark.usefixtures("crashing")
def test_a_crash_is_a_figure_that_does_not_hold(digits: CompileResult) -> None:
    release = verified(digits.bundle_dir)
    for profile in set(release.variants) - {"cpu-fp32"}:
        del release.variants[profile]
    rows = recompute(release, DIGITS / "evaluation.npz")
    (runs,) = [row for row in rows if row.figure == "runs"]
    assert runs.ok is False
    assert "crashed: SIGSEGV" in runs.note
