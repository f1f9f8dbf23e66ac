"""LiteRT's engine: batch sizes, options, silence, and which package it takes."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")

from compiler.importer.summary import summarise
from compiler.tflite.write import write_tflite
from edge_bundle.errors import AlreadyClosedError, EngineError
from edge_bundle.tensor import DType, TensorSpec
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
from edge_runtime.litert_interpreter import PACKAGES, choose
from edge_runtime.litert_quiet import NOTICE, without_notice
from tests.edge_runtime.models import ROOT, digits_images, digits_model, digits_source, one_node_model

GRAPH = summarise(digits_model(), stage="test")


def sized(*batches: int) -> EngineSource:
    """The digits model for several batch sizes."""
    files = {f"b{batch}.tflite": write_tflite(GRAPH, batch=batch) for batch in batches}
    return digits_source("litert", files=files, entrypoint=f"b{min(batches)}.tflite")


def test_rows_are_split_over_the_batch_sizes() -> None:
    images = digits_images()[:13]
    with open_engine(sized(1)) as single, open_engine(sized(1, 4, 8)) as several:
        wanted = single.run({"image": to_tensor(images)})["probabilities"]
        found = several.run({"image": to_tensor(images)})["probabilities"]
    assert found.shape == (13, 10)
    np.testing.assert_allclose(to_array(found), to_array(wanted), rtol=1e-5, atol=1e-7)


def test_one_row_must_be_possible() -> None:
    with pytest.raises(EngineError, match="expected 1 among them, got 4 as the smallest"):
        open_engine(sized(4))


def test_a_file_is_of_the_batch_size_that_it_says() -> None:
    files = {"b1.tflite": write_tflite(GRAPH, batch=2)}
    with pytest.raises(EngineError, match="expected a model for batch size 1, got 2"):
        open_engine(digits_source("litert", files=files, entrypoint="b1.tflite"))


def test_a_model_of_any_name() -> None:
    files = {"digits.tflite": write_tflite(GRAPH)}
    with open_engine(digits_source("litert", files=files, entrypoint="digits.tflite")) as engine:
        assert engine.run({"image": to_tensor(digits_images()[:3])})["probabilities"].shape == (3, 10)


def test_rows_of_inputs_must_agree() -> None:
    graph = summarise(one_node_model("Add", inputs=("a", "b")), stage="test")
    specs = tuple(TensorSpec(name=name, dtype=DType.FP32, shape=(-1, 4)) for name in ("a", "b"))
    output = TensorSpec(name="y", dtype=DType.FP32, shape=(-1, 4))
    source = EngineSource("litert", {"b1.tflite": write_tflite(graph)}, "b1.tflite", specs, (output,))
    feed = {name: to_tensor(np.zeros((rows, 4), np.float32)) for name, rows in (("a", 2), ("b", 3))}
    with open_engine(source) as engine, pytest.raises(EngineError, match="expected as many rows in each, got 2, 3"):
        engine.run(feed)


def test_kernels() -> None:
    for value in ("xnnpack", "reference"):
        open_engine(digits_source("litert", options={"kernels": value})).close()
    with pytest.raises(EngineError, match="option 'kernels': expected one of xnnpack, reference, got 'fast'"):
        open_engine(digits_source("litert", options={"kernels": "fast"}))


def test_closed() -> None:
    engine = open_engine(digits_source("litert"))
    engine.close()
    engine.close()
    with pytest.raises(AlreadyClosedError):
        engine.run({"image": to_tensor(digits_images()[:1])})


def test_nothing_is_written_to_stderr() -> None:
    program = """
import os, sys
from tests.edge_runtime.models import digits_images, digits_source
from edge_runtime.arrays import to_tensor
from edge_runtime.factory import open_engine
with open_engine(digits_source("litert")) as engine:
    engine.run({"image": to_tensor(digits_images()[:1])})
open_engine(digits_source("litert")).close()
os.write(2, b"the end")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=ROOT, timeout=60, check=True)
    assert done.stderr == b"the end"


def test_only_the_notice_is_taken_away(capfd: pytest.CaptureFixture[str]) -> None:
    def speak() -> None:
        sys.stderr.write("before\n")
        sys.stderr.flush()
        subprocess.run(["/bin/sh", "-c", f"echo '{NOTICE.decode()}' >&2; echo after >&2"], check=True)

    without_notice(speak)
    assert capfd.readouterr().err == "before\nafter\n"


def test_stderr_is_restored_when_loading_fails(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        sys.stderr.write("why\n")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        without_notice(fail)
    sys.stderr.write("still here\n")
    assert capfd.readouterr().err == "why\nstill here\n"


@pytest.mark.parametrize(
    ("installed", "wanted"),
    [
        ({"ai_edge_litert", "tflite_runtime"}, "ai-edge-litert"),
        ({"ai_edge_litert"}, "ai-edge-litert"),
        ({"tflite_runtime"}, "tflite-runtime"),
    ],
)
def test_the_first_installed_package_is_taken(installed: set[str], wanted: str) -> None:
    def import_module(name: str) -> ModuleType:
        package = name.partition(".")[0]
        if package not in installed:
            raise ModuleNotFoundError(name, name=package)
        return ModuleType(name)

    module, distribution = choose(import_module)
    assert distribution == wanted
    assert module.__name__ == {two: one for one, two in PACKAGES}[wanted]


def test_without_either_package() -> None:
    def import_module(name: str) -> ModuleType:
        raise ModuleNotFoundError(name, name=name.partition(".")[0])

    with pytest.raises(ModuleNotFoundError) as caught:
        choose(import_module)
    assert caught.value.name == "ai_edge_litert"


def test_a_broken_package_is_not_passed_over() -> None:
    def import_module(_name: str) -> ModuleType:
        raise ModuleNotFoundError("numpy", name="numpy")

    with pytest.raises(ModuleNotFoundError, match="numpy"):
        choose(import_module)
