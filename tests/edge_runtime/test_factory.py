"""Opening engines: what is imported when, what happens where a runtime is not installed, and nothing phones home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edge_bundle.errors import EngineError, RuntimeMissingError
from edge_bundle.manifest import NumericClass, Precision, VariantManifest
from edge_runtime.factory import RUNTIMES, concurrent_runs, open_engine, source_of
from tests.edge_runtime import models
from tests.edge_runtime.models import IMAGE, PROBABILITIES, ROOT, digits_source

MANIFEST = VariantManifest(
    name="digits",
    version="1.0.0",
    profile="cpu-fp32",
    runtime="onnxruntime",
    precision=Precision.FP32,
    numeric_class=NumericClass.HOST_EXACT,
    threads=2,
    entrypoint="model.onnx",
    options={"spinning": "on"},
    inputs=(IMAGE,),
    outputs=(PROBABILITIES,),
    model_digest="sha256:" + "0" * 64,
    contract_digest="sha256:" + "1" * 64,
    toolchain={},
)

OPEN_DIGITS = """
from edge_runtime.factory import open_engine
from tests.edge_runtime.models import digits_images, digits_source
from edge_runtime.arrays import to_tensor
with open_engine(digits_source({runtime!r})) as engine:
    engine.run({{"image": to_tensor(digits_images()[:1])}})
"""


def run_python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in which warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_silent(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_the_factory_imports_no_runtime() -> None:
    program = "import sys, edge_runtime.factory; assert not {'numpy', 'onnxruntime', 'openvino', 'wasmtime'} & set(sys.modules)"
    assert_silent(run_python(program))


@pytest.mark.parametrize(
    ("runtime", "other"), [pytest.param("onnxruntime", "openvino"), pytest.param("openvino", "onnxruntime")]
)
def test_one_runtime_does_not_need_the_other(runtime: str, other: str) -> None:
    hide = f"import sys; sys.modules[{other!r}] = None\n"
    assert_silent(run_python(hide + OPEN_DIGITS.format(runtime=runtime)))


def test_an_unknown_runtime_is_named_with_the_known_ones() -> None:
    assert {"onnxruntime", "openvino", "qnn", "wasm"} <= set(RUNTIMES)
    with pytest.raises(EngineError, match=f"runtime tpu9: expected one of {', '.join(RUNTIMES)}, got 'tpu9'"):
        open_engine(digits_source("tpu9"))


def test_every_runtime_has_its_tests() -> None:
    here = Path(__file__).parent
    others = [name.replace("-", "_") for name in RUNTIMES if name not in models.RUNTIMES]
    without = [name for name in others if not (here / name).is_dir() and not list(here.glob(f"test_{name}*.py"))]
    assert not without, "expected a folder or a file of tests for every runtime"


@pytest.mark.parametrize("runtime", models.RUNTIMES)
@pytest.mark.parametrize("missing", ["numpy", "the runtime"])
def test_a_missing_runtime_names_its_extra(runtime: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = {"litert": "ai_edge_litert.interpreter"}.get(runtime, runtime) if missing == "the runtime" else missing
    source = digits_source(runtime)  # made while everything is there: OpenVINO makes its own
    for module in [name for name in sys.modules if name.startswith("edge_runtime.") and name != "edge_runtime.factory"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)  # the import system's "not there"
    with pytest.raises(RuntimeMissingError, match=f"runtime {runtime}: not installed") as caught:
        open_engine(source)
    assert caught.value.advice == f"pip install 'skerry[{runtime}]'"


def test_without_wasmtime_its_extra_is_named() -> None:
    program = """
import sys
sys.modules["wasmtime"] = sys.modules["numpy"] = None
from edge_bundle.errors import RuntimeMissingError
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
try:
    open_engine(EngineSource("wasm", {}, "b1.wasm", (), ()))
except RuntimeMissingError as error:
    assert error.advice == "pip install 'skerry[wasm]'", error.advice
else:
    raise SystemExit("not refused")
"""
    assert_silent(run_python(program))


def test_a_broken_installation_is_not_called_missing() -> None:
    program = """
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            raise ImportError("libonnxruntime.so.1: cannot open shared object file")
sys.meta_path.insert(0, Broken())
from edge_bundle.errors import EngineError, RuntimeMissingError
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
try:
    open_engine(EngineSource("onnxruntime", {}, "m.onnx", (), ()))
except EngineError as error:
    assert not isinstance(error, RuntimeMissingError)
    assert "libonnxruntime.so.1" in str(error), error
    assert "--force-reinstall" in error.advice, error.advice
else:
    raise SystemExit("not refused")
"""
    assert_silent(run_python(program))


@pytest.mark.parametrize("runtime", models.RUNTIMES)
def test_nothing_is_written_or_printed(runtime: str, tmp_path: Path) -> None:
    """OpenVINO's telemetry would leave a client id in the home folder and send it away."""
    check = "\nimport sys; assert 'openvino_telemetry' not in sys.modules"
    done = run_python(OPEN_DIGITS.format(runtime=runtime) + check, HOME=str(tmp_path), CI="")
    assert_silent(done)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_becomes_a_source() -> None:
    files = {"model.onnx": b"..."}
    source = source_of(MANIFEST, files)
    assert source == digits_source("onnxruntime", files=files, threads=2, options={"spinning": "on"})


@pytest.mark.parametrize(
    ("runtime", "runs"), [("onnxruntime", 1), ("openvino", 1), ("wasm", 2), ("of-another-release", 1)]
)
def test_only_engines_with_a_pool_take_several_runs_at_once(runtime: str, runs: int) -> None:
    assert concurrent_runs(msgspec.structs.replace(MANIFEST, runtime=runtime)) == runs
