"""A variant in a process of its own: its peak memory, and its answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.compile import CompileResult
from compiler.dataset import load_evaluation
from compiler.measuring import fresh_process
from compiler.measuring.fresh_process import digest_outputs, run_in_fresh_process
from compiler.tool_process import ToolCall, ToolRun, watch_tool
from edge_bundle.errors import (
    EngineError,
)
from edge_runtime.arrays import to_tensor
from edge_runtime.factory import source_of
from tests.compiler.models import DIGITS, verified


def test_memory_is_measured_in_a_process_of_its_own(digits: CompileResult) -> None:
    """This process holds a large block that must not be counted."""
    block = b"\1" * (200 << 20)
    variant = verified(digits.bundle_dir).variants["cpu-fp32"]
    row = load_evaluation(DIGITS / "evaluation.npz", variant.contract.inputs).row(0)
    inputs = {name: to_tensor(array) for name, array in row.items()}
    assert run_in_fresh_process(source_of(variant.manifest, variant.files), [inputs]).peak_rss_bytes < 150 << 20
    assert len(block) == 200 << 20


def test_the_callers_folder_cannot_shadow_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: CompileResult
) -> None:
    (tmp_path / "compiler.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    variant = verified(digits.bundle_dir).variants["cpu-fp32"]
    golden = variant.goldens[0]
    fresh = run_in_fresh_process(source_of(variant.manifest, variant.files), [golden.inputs])
    assert fresh.peak_rss_bytes > 10 << 20
    assert fresh.answers == (digest_outputs({name: bytes(one.data) for name, one in golden.outputs.items()}),)


def test_the_child_answers_every_row_whatever_memory_held(
    digits: CompileResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = verified(digits.bundle_dir).variants["wasm-simd128-int8"]
    rows = [golden.inputs for golden in variant.goldens]
    asked: list[str | None] = []

    def watch(call: ToolCall) -> ToolRun:
        asked.append(call.environment.get("MALLOC_PERTURB_"))
        return watch_tool(call)

    monkeypatch.setattr(fresh_process, "watch_tool", watch)
    source = source_of(variant.manifest, variant.files)
    plain, filled = (run_in_fresh_process(source, rows, filled_memory=filled) for filled in (False, True))
    assert asked == [None, "165"]
    assert plain.answers == filled.answers
    outputs = ({name: bytes(one.data) for name, one in golden.outputs.items()} for golden in variant.goldens)
    assert plain.answers == tuple(map(digest_outputs, outputs))


def test_a_child_that_fails_says_why(digits: CompileResult) -> None:
    variant = verified(digits.bundle_dir).variants["cpu-fp32"]
    with pytest.raises(EngineError, match=r"running in a fresh process failed with exit status 1: .*EngineError"):
        run_in_fresh_process(source_of(variant.manifest, variant.files), [{}])
