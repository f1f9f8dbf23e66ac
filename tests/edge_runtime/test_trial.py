"""A runtime that crashes, hangs or leaks another error, on a variant that is tried in a process of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from edge_bundle.errors import EngineError, EngineTimeoutError
from edge_bundle.tensor import DType, Tensor, TensorSpec
from edge_runtime.engine import EngineSource
from edge_runtime.litert_quiet import without_notice
from edge_runtime.trial import end_trials, try_out
from tests.sim.releases import EXAMPLE, PIXELS

ENGINE = """
import os, signal, sys, time
class OnnxRuntimeEngine:
    def __init__(self, source):
        {does}
"""
SPEC = TensorSpec(name="pixels", dtype=DType.FP32, shape=(-1, PIXELS))
INPUTS = {"pixels": Tensor(DType.FP32, (1, PIXELS), bytes(4 * PIXELS))}


def _source(model: bytes, cache_dir: Path | None = None) -> EngineSource:
    scores = TensorSpec(name="scores", dtype=DType.FP32, shape=(-1, 10))
    return EngineSource(
        runtime="onnxruntime",
        files={"model.onnx": model},
        entrypoint="model.onnx",
        inputs=(SPEC,),
        outputs=(scores,),
        cache_dir=cache_dir,
    )


DIGITS = _source((EXAMPLE / "digits.onnx").read_bytes())


def engine_that(does: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Stands in for ONNX Runtime's engine in other processes, which look for modules where we do."""
    (folder / "sitecustomize.py").write_text(
        "import sys, types\n"
        "module = types.ModuleType('edge_runtime.onnxruntime_engine')\n"
        f"exec({ENGINE.format(does=does)!r}, vars(module))\n"
        "sys.modules[module.__name__] = module\n"
    )
    monkeypatch.syspath_prepend(str(folder))


def test_a_variant_that_runs_passes(tmp_path: Path) -> None:
    try_out(DIGITS, INPUTS)
    try_out(replace(DIGITS, cache_dir=tmp_path), INPUTS)


def test_a_refusal_is_left_to_our_own_engine() -> None:
    try_out(replace(DIGITS, files={"model.onnx": b"no model"}), INPUTS)
    try_out(replace(DIGITS, runtime="wasm", files={}), {})


FATAL = {
    "a segmentation fault": ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed: SIGSEGV"),
    "an unknown instruction": ("os.kill(os.getpid(), signal.SIGILL)", "crashed: SIGILL"),
    "out of memory": ("os.kill(os.getpid(), signal.SIGKILL)", "crashed: SIGKILL"),
    "a failed assertion": ("os.write(2, b'assertion x\\n'); os.abort()", "crashed: SIGABRT: assertion x"),
    "it ends the process": ("os._exit(7)", "ended with status 7"),
    "an error of no kind of ours": ("raise KeyError('gone')", "ended with status 1: KeyError: 'gone'"),
}


@pytest.mark.parametrize("name", FATAL)
def test_what_would_have_ended_us_is_an_engine_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    does, how = FATAL[name]
    engine_that(does, monkeypatch, tmp_path)
    with pytest.raises(EngineError, match=how) as refusal:
        try_out(DIGITS, INPUTS)
    assert "fallback.profiles" in refusal.value.advice


def test_a_runtime_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine_that("open('pid', 'w').write(str(os.getpid())); time.sleep(600)", monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineTimeoutError, match=r"no answer within 3.0 s"):
        try_out(DIGITS, INPUTS, timeout_s=3.0)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_full_disk_keeps_nothing_from_being_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    try_out(DIGITS, INPUTS)
    called: list[str] = []
    without_notice(lambda: called.append("prepared"))
    assert called == ["prepared"]
    engine_that("os.abort()", monkeypatch, tmp_path)
    with pytest.raises(EngineError, match=r"crashed: SIGABRT$"):
        try_out(DIGITS, INPUTS)


def test_a_trial_under_way_ends_when_its_agent_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine_that("open('up', 'w').write('x'); time.sleep(600)", monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(try_out, DIGITS, INPUTS)
        for _ in range(600):
            if (tmp_path / "up").exists():
                break
            time.sleep(0.05)
        end_trials()
        with pytest.raises(EngineError, match="crashed: SIGKILL"):
            trial.result(timeout=60)


def test_a_broken_flatbuffer_does_not_end_us() -> None:
    """Whatever LiteRT makes of these: bytes that are no model, and one that ends too soon."""
    pytest.importorskip("ai_edge_litert")
    for model in (b"", b"TFL3" * 64, b"\x1c\x00\x00\x00TFL3" + bytes(range(256)) * 16):
        source = replace(DIGITS, runtime="litert", files={"b1.tflite": model}, entrypoint="b1.tflite")
        with contextlib.suppress(EngineError):  # either is fine
            try_out(source, INPUTS)
