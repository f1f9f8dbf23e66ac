"""Contexts in the vendor's emulator: loaded as they are, or refused; the same answers in every process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler.measuring.fresh_process import digest_outputs, run_in_fresh_process
from compiler.qnn.context import compile_context
from edge_bundle.errors import AlreadyClosedError, EngineError, RuntimeMissingError, WrongTargetError
from edge_bundle.tensor import DType, Tensor, TensorSpec
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.factory import open_engine
from edge_runtime.qnn.files import INDEX_FILE, write_index
from edge_runtime.quiet_import import import_quietly
from tests.edge_runtime.qnn import networks
from tests.edge_runtime.qnn.contexts import V68, V73, compiled, index, needs_toolchain, source

ROOT = Path(__file__).resolve().parents[3]

pytestmark = needs_toolchain


def rows(count: int) -> dict[str, Tensor]:
    return {"image": to_tensor(networks.images(count))}


def test_runs_and_says_where() -> None:
    with open_engine(source()) as engine:
        scores = to_array(engine.run(rows(1))["scores"])
        assert scores.shape == (1, 4)
        assert engine.placement is not None
        assert (engine.placement.device, engine.placement.nodes, engine.placement.on_device) == ("htp-v73", 1, 1)
        assert engine.runtime_version.count(".") == 2


def test_answers_of_the_quantized_graph() -> None:
    onnxruntime = import_quietly("onnxruntime")
    session = onnxruntime.InferenceSession(networks.quantized(1), providers=["CPUExecutionProvider"])
    with open_engine(source()) as engine:
        for row in networks.images(20):
            want = session.run(None, {"image": row[None]})[0]
            got = to_array(engine.run({"image": to_tensor(row[None])})["scores"])
            assert np.abs(got - want).max() <= 4 * 32 / 255, "a few steps of the output's scale"


def test_batches_are_put_together() -> None:
    with open_engine(source(batches=(1, 4))) as engine:
        together = to_array(engine.run(rows(6))["scores"])
        single = [to_array(engine.run({"image": to_tensor(row[None])})["scores"])[0] for row in networks.images(6)]
    assert np.array_equal(together, np.stack(single))


def test_a_fresh_process_loads_it_and_compiles_nothing() -> None:
    with open_engine(source()) as engine:
        here = {name: bytes(tensor.data) for name, tensor in engine.run(rows(1)).items()}
    there = run_in_fresh_process(source(), [rows(1)])
    assert there.answers == (digest_outputs(here),)


def test_nodes_on_the_cpu_are_read_back() -> None:
    data = compiled(1, V68, softmax=True)
    files = {"b1.onnx": data.data, INDEX_FILE: write_index(index(V68))}
    with open_engine(source(V68, files=files)) as engine:
        assert engine.placement is not None
        assert [one.split()[0] for one in engine.placement.elsewhere] == ["Softmax"]
        assert engine.placement.on_device == 1
        assert abs(to_array(engine.run(rows(1))["scores"]).sum() - 1) < 1e-5


def test_a_graph_in_two_parts_runs() -> None:
    data = compile_context(networks.quantized(1, middle="Erf"), V73, profile="p").data
    with open_engine(source(files=other_files() | {"b1.onnx": data})) as engine:
        assert engine.placement is not None
        assert engine.placement.on_device == 2
        assert "Erf Erf_middle" in engine.placement.elsewhere
        assert np.isfinite(to_array(engine.run(rows(1))["scores"])).all()


def test_closed() -> None:
    engine = open_engine(source())
    engine.close()
    engine.close()
    with pytest.raises(AlreadyClosedError):
        engine.run(rows(1))


def test_wrong_target() -> None:
    options = {"htp-arch": "v81", "soc": "SM8850"}
    with pytest.raises(WrongTargetError, match=r"expected HTP v81 \(SM8850\), got HTP v73 \(SM8550\)"):
        open_engine(source(options=options))


def other_files() -> dict[str, bytes]:
    return {"b1.onnx": compiled().data, INDEX_FILE: write_index(index())}


REFUSED: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "an index that lies": (
        lambda: {
            "files": other_files() | {INDEX_FILE: write_index(index(V68))},
            "options": {"htp-arch": "v68", "soc": "QCM6490"},
        },
        "b1.onnx: expected code for v68, chip 93, .* got code for v73, chip 43",
    ),
    "another SDK": (
        lambda: {"files": other_files() | {INDEX_FILE: write_index(index(sdk_version="1.0"))}},
        "by SDK 1.0, got code for v73, chip 43, by SDK ",
    ),
    "no context": (lambda: {"files": {INDEX_FILE: write_index(index())}}, "expected file 'b1.onnx'"),
    "no index": (lambda: {"files": {"b1.onnx": b""}}, "expected file 'context.json'"),
    "an index alone": (lambda: {"files": other_files() | {INDEX_FILE: b"[]"}}, "an index of contexts"),
    "no batch of one": (
        lambda: {"files": {"b4.onnx": compiled(4).data, INDEX_FILE: write_index(index(batches=(4,)))}},
        "batch sizes: expected 1 among them, got 4",
    ),
    "unknown option": (
        lambda: {"options": {"htp-arch": "v73", "soc": "SM8550", "library": "/tmp/x.so"}},
        "option: expected one of htp-arch, soc, performance, got 'library'",
    ),
    "no target": (lambda: {"options": {}}, "options.htp-arch: expected one of"),
    "another input": (
        lambda: {"inputs": (TensorSpec(name="image", dtype=DType.FP32, shape=(-1, 3, 8, 8)),)},
        r"input 'image': expected FP32 \[any, 3, 8, 8\], got FP32 \[any, 1, 8, 8\]",
    ),
    "another output": (
        lambda: {"outputs": (TensorSpec(name="logits", dtype=DType.FP32, shape=(-1, 4)),)},
        "named 'logits'",
    ),
}
"""What makes the change, when a test asks for it, and what is said."""


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    changes, message = REFUSED[name]
    with pytest.raises(EngineError, match=message):
        open_engine(source(**changes()))


def test_a_binary_that_is_none() -> None:
    """Only its head is looked at by the vendor's loader: what guards the rest is the digest of the signed bundle."""
    at = compiled().data.index(b"ep_cache_context") + len("ep_cache_context")
    broken = compiled().data[: at + 8] + bytes(64) + compiled().data[at + 72 :]
    with pytest.raises(EngineError, match=r"runtime qnn: cannot load b1\.onnx: .*context"):
        open_engine(source(files=other_files() | {"b1.onnx": broken}))


def test_wrong_rows() -> None:
    with open_engine(source()) as engine, pytest.raises(EngineError, match=r"input 'image': expected FP32"):
        engine.run({"image": to_tensor(np.zeros((1, 1, 8, 7), np.float32))})


@pytest.mark.parametrize("missing", ["numpy", "onnxruntime", "onnxruntime_qnn"])
def test_a_missing_package_names_its_extra(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from edge_runtime.factory import open_engine\n"
        "from edge_runtime.engine import EngineSource\n"
        "open_engine(EngineSource(runtime='qnn', files={}, entrypoint='x', inputs=(), outputs=()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith(f"{RuntimeMissingError.__name__}: runtime qnn: not installed")
