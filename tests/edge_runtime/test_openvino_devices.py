"""OpenVINO's devices and compiled models: imported only from this node's own folder, and always as asked for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_bundle.errors import DeviceMissingError, EngineError, PlacementError
from edge_bundle.tensor import DType, Tensor, TensorSpec
from edge_runtime import openvino_compiled, openvino_device
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.compiled_code import SUFFIXES
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
from edge_runtime.openvino_device import CPU, NPU, execution_devices, shared_core
from edge_runtime.openvino_engine import OpenVinoEngine
from edge_runtime.quiet_import import import_quietly
from tests.edge_runtime.models import IMAGE, ROOT, digits_images, digits_source, one_node_model, one_node_source

openvino = import_quietly("openvino")


def source(folder: Path | None = None, **changes: Any) -> EngineSource:
    return replace(digits_source("openvino", **changes), cache_dir=folder)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIXES['openvino']}"))


def answer(opened: EngineSource, rows: int = 3) -> dict[str, Tensor]:
    with open_engine(opened) as engine:
        return engine.run({"image": to_tensor(digits_images()[:rows])})


def never(*_: object) -> None:
    raise AssertionError("compiled again")


def test_a_scalar_input(tmp_path: Path) -> None:
    spec = TensorSpec(name="x", dtype=DType.INT64, shape=())
    model = one_node_model("Identity", dtype=7, shape=())
    with open_engine(one_node_source("openvino", model, spec)) as engine:
        value = to_tensor(np.asarray(16000, np.int64))
        assert engine.run({"x": value}) == {"y": value}


@pytest.mark.parametrize("rows", [1, 7])
def test_the_second_start_imports_and_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    folder = tmp_path / "compiled"
    first = answer(source(folder), rows)
    (kept,) = entries(folder)
    assert kept.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(openvino_compiled, "_compile", never)
    assert answer(source(folder), rows) == first == answer(replace(source(), cache_dir=folder), rows)


def test_an_imported_model_computes_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imported without the hint, a blob computes in bf16 where the CPU has it, whatever it was compiled with."""
    open_engine(source(tmp_path / "compiled")).close()
    monkeypatch.setattr(openvino_compiled, "_compile", never)
    asked: list[dict[str, Any]] = []
    real = openvino.Core.import_model

    def spy(core: Any, blob: bytes, device: str, properties: dict[str, Any]) -> Any:
        asked.append(properties)
        return real(core, blob, device, properties)

    monkeypatch.setattr(openvino.Core, "import_model", spy)
    open_engine(source(tmp_path / "compiled")).close()
    assert [one["INFERENCE_PRECISION_HINT"] for one in asked] == [openvino.Type.f32]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"options": {"pinning": "on"}}, id="property"),
        pytest.param({"inputs": (TensorSpec(name="image", dtype=DType.FP32, shape=(2, 1, 8, 8)),)}, id="shape"),
        pytest.param({"files": {"model.xml": b"<net/>", "model.bin": b""}}, id="artifact"),
    ],
)
def test_a_key_for_everything_that_the_blob_depends_on(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(one: EngineSource) -> str:
        options = {"device": "CPU", "pinning": "off", **one.options}
        core = shared_core()
        return openvino_compiled.entry_key(core, one, CPU, CPU.properties(core, one.threads, options))

    plain = key(source())
    assert plain == key(source())
    assert plain != key(source(**changes))
    with monkeypatch.context() as patch:
        patch.setattr(openvino, "__version__", "2099.1")
        assert plain != key(source())
    monkeypatch.setattr(openvino_compiled, "host_facts", lambda: "another CPU")
    assert plain != key(source())


def test_a_blob_that_openvino_does_not_take_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "compiled"
    first = answer(source(folder))

    def refuse(*_: object) -> None:
        raise RuntimeError("blob of another version")

    with monkeypatch.context() as patch:
        patch.setattr(openvino.Core, "import_model", refuse)
        assert answer(source(folder)) == first
    assert "made anew: blob of another version" in caplog.text
    assert len(entries(folder)) == 1


def test_a_blob_of_somebody_else_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "compiled"
    first = answer(source(folder))
    (kept,) = entries(folder)
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    with monkeypatch.context() as patch:
        patch.setattr(openvino.Core, "import_model", never)
        assert answer(source(folder)) == first
    (made,) = entries(folder)
    assert made.read_bytes() != bytes(content)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        pytest.param(
            "EXECUTION_DEVICES", ["GPU.0"], "placement on CPU: expected every node on it, got GPU.0", id="elsewhere"
        ),
        pytest.param("EXECUTION_DEVICES", [], "expected every node on it, got none", id="nowhere"),
        pytest.param("EXECUTION_DEVICES", "AUTO", "got AUTO", id="one-text"),
        pytest.param(
            "INFERENCE_PRECISION_HINT",
            openvino.Type.bf16,
            "expected INFERENCE_PRECISION_HINT <Type: 'float32'>, got <Type: 'bfloat16'>",
            id="bf16",
        ),
    ],
)
@pytest.mark.parametrize("imported", [False, True])
def test_what_the_device_made_of_the_wishes_is_read_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: object, message: str, imported: bool
) -> None:
    if imported:
        open_engine(source(tmp_path / "compiled")).close()
    real = openvino.CompiledModel.get_property
    monkeypatch.setattr(
        openvino.CompiledModel, "get_property", lambda self, key: value if key == name else real(self, key)
    )
    with pytest.raises(PlacementError) as caught:
        open_engine(source(tmp_path / "compiled" if imported else None))
    assert message in str(caught.value)


def test_the_cpu_has_no_placement() -> None:
    with open_engine(source()) as engine:
        assert engine.placement is None


@pytest.fixture
def as_if_static(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU taken for a device that wants one row at a time, as the NPU does."""
    monkeypatch.setitem(openvino_device.DEVICES, "CPU", replace(CPU, open_batch=False))


@pytest.mark.usefixtures("as_if_static")
def test_a_device_without_open_batches_is_given_row_by_row() -> None:
    images = digits_images()[:9]
    with open_engine(source()) as engine:
        assert isinstance(engine, OpenVinoEngine)
        assert engine._ports["probabilities"].shape == [1, 10]
        many = to_array(engine.run({"image": to_tensor(images)})["probabilities"])
        single = [to_array(engine.run({"image": to_tensor(images[i : i + 1])})["probabilities"]) for i in range(9)]
    assert np.array_equal(many, np.concatenate(single))


@pytest.mark.usefixtures("as_if_static")
def test_rows_that_do_not_belong_together_are_refused() -> None:
    specs = [TensorSpec(name=name, dtype=DType.FP32, shape=(-1, 4)) for name in ("a", "b")]
    one = one_node_source("openvino", one_node_model("Add", inputs=("a", "b")), *specs)
    with open_engine(one) as engine, pytest.raises(EngineError, match="as many rows in each, got 1, 2"):
        engine.run({name: to_tensor(np.zeros((rows, 4), np.float32)) for name, rows in (("a", 1), ("b", 2))})


needs_no_npu = pytest.mark.skipif("NPU" in shared_core().available_devices, reason="this machine has an NPU")


@needs_no_npu
def test_without_an_npu_its_device_is_named_and_nothing_runs_elsewhere() -> None:
    with pytest.raises(DeviceMissingError, match="runtime openvino: device: expected NPU, got CPU") as caught:
        open_engine(source(options={"device": "NPU"}))
    assert "Linux wheel has none" in caught.value.advice
    assert "fallback" in caught.value.advice


class NpuCore:
    """What the NPU's plugin says where there is a device (openvino, src/plugins/intel_npu)."""

    available_devices = ("CPU", "NPU.3720")

    def get_property(self, _device: str, name: str) -> object:
        return {"SUPPORTED_PROPERTIES": {"INFERENCE_PRECISION_HINT": "RW"}, "NPU_DRIVER_VERSION": 17}[name]


def test_the_npu_is_asked_for_f16_and_nothing_of_the_cpu() -> None:
    asked = NPU.properties(NpuCore(), 1, {"pinning": "off"})
    assert asked == {
        "PERFORMANCE_HINT": openvino.properties.hint.PerformanceMode.LATENCY,
        "INFERENCE_PRECISION_HINT": openvino.Type.f16,
    }
    key = openvino_compiled.entry_key(NpuCore(), source(inputs=(IMAGE,)), NPU, asked)
    assert key != openvino_compiled.entry_key(NpuCore(), source(inputs=(IMAGE,)), CPU, asked)


@pytest.mark.parametrize(
    ("found", "devices"), [("NPU", ["NPU"]), (["NPU"], ["NPU"]), ("NPU.3720", ["NPU.3720"]), (["CPU"], ["CPU"])]
)
def test_the_npu_s_plugin_names_its_device_in_one_text(found: object, devices: list[str]) -> None:
    class Compiled:
        def get_property(self, _name: str) -> object:
            return found

    assert execution_devices(Compiled()) == devices
    if devices == ["CPU"]:
        with pytest.raises(PlacementError, match="placement on NPU: expected every node on it, got CPU"):
            NPU.check(Compiled(), source(), {})
    else:
        NPU.check(Compiled(), source(), {})


TRAP_AFTER_OPENVINO = """
import sys, wasmtime
from edge_runtime.factory import open_engine
from tests.edge_runtime.models import digits_source
store = wasmtime.Store(wasmtime.Engine())
module = wasmtime.Module(store.engine, '(module (func (export "f") unreachable))')
f = wasmtime.Instance(store, module, []).exports(store)["f"]
def trap():
    try:
        f(store)
    except wasmtime.Trap:
        return
    sys.exit("no trap")
trap()
first, second = open_engine(digits_source("openvino")), open_engine(digits_source("openvino"))
first.close()
del first
second.close()
del second
trap()
"""


def test_engines_that_are_replaced_leave_the_signal_stack_alone() -> None:
    """As when a release is replaced: the new engine is opened before the old one is closed."""
    done = subprocess.run(
        [sys.executable, "-c", TRAP_AFTER_OPENVINO], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
