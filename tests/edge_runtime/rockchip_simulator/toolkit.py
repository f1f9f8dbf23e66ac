"""A toolchain that looks like the vendor's and misbehaves on demand: real processes, without 1.5 GB of packages.

Its ``rknn.api`` answers by ONNX Runtime; ``SKERRY_TEST_TOOLKIT`` says what goes wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper  # noqa: TID251 - made here, read by the package

from edge_bundle.tensor import DType, TensorSpec
from edge_runtime.engine import EngineSource
from edge_runtime.toolchains.place import folder_of
from edge_runtime.toolchains.recipe import RKNN

SWITCH = "SKERRY_TEST_TOOLKIT"

API = '''
import os, sys, time
MODE = os.environ.get("SKERRY_TEST_TOOLKIT", "")
ROWS = """D RKNN: [09:51:42.249] -----
D RKNN: [09:51:42.249]      Network Layer Information Table
D RKNN: [09:51:42.249] ID   OpType         DataType Target InputShape  OutputShape  Cycles(DDR/NPU/Total) RW(KB) FullName
D RKNN: [09:51:42.249] 0    InputOperator  INT8     NPU    \\\\           (1,3)        0/0/0                 0      InputOperator:x
D RKNN: [09:51:42.249] 1    ConvRelu       INT8     NPU    (1,3)       (1,3)        9/8/9                 1      Conv:double
D RKNN: [09:51:42.249] 2    Reshape        INT8     CPU    (1,3),(2)   (1,3)        0/0/0                 0      Reshape:y-rs
D RKNN: [09:51:42.249] 3    OutputOperator INT8     CPU    (1,3)       \\\\            0/0/0                 0      OutputOperator:y"""

class RKNN:
    def __init__(self, verbose): pass
    def config(self, target_platform): self.platform = target_platform
    def load_onnx(self, model, inputs, input_size_list):
        self.model = open(model, "rb").read()
        return -1 if MODE == "refuses" else 0
    def build(self, do_quantization):
        if MODE == "crashes": os.kill(os.getpid(), 11)
        if MODE == "hangs": time.sleep(600)
        if MODE == "raises": raise ValueError("Unsupport operator If")
        if MODE != "no-table": print(ROWS, flush=True)
        return 0
    def export_rknn(self, path):
        if MODE != "no-file": open(path, "wb").write(b"RKNN" + self.platform.encode())
        return 0
    def init_runtime(self):
        print("I Target is None, use simulator!", flush=True)
        return 0
    def inference(self, inputs, data_format):
        if MODE == "dies-later": os.kill(os.getpid(), 11)
        if MODE == "hangs-later": time.sleep(600)
        print("noise on standard output", flush=True)
        return [inputs[0] * 2]
'''


def install_fake(root: Path, monkeypatch: pytest.MonkeyPatch, mode: str = "") -> None:
    """Make the toolchain look installed under ``root``."""
    monkeypatch.setenv("XDG_DATA_HOME", str(root))
    monkeypatch.setenv(SWITCH, mode)
    packages = root / "packages" / "rknn"
    packages.mkdir(parents=True)
    (packages / "__init__.py").touch()
    (packages / "api.py").write_text(API)
    binaries = folder_of(RKNN) / "bin"
    binaries.mkdir(parents=True)
    site = Path(np.__file__).parents[1]
    script = f'#!/bin/sh\nPYTHONPATH="{packages.parent}:{site}" exec "{sys.executable}" "$@"\n'
    (binaries / "python").write_text(script)
    (binaries / "python").chmod(0o755)


def doubling_source(rows: int = -1) -> EngineSource:
    """``y = 2 x`` over three floats."""
    return EngineSource(
        runtime="rockchip-simulator",
        files={"model.onnx": doubling_model()},
        entrypoint="model.onnx",
        inputs=(TensorSpec(name="x", dtype=DType.FP32, shape=(rows, 3)),),
        outputs=(TensorSpec(name="y", dtype=DType.FP32, shape=(rows, 3)),),
        options={"platform": "rk3588"},
    )


def doubling_model() -> bytes:
    """Static shapes, float: enough for a toolkit that only pretends."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "made", ends[:1], ends[1:])
    return bytes(helper.make_model(graph, ir_version=8).SerializeToString())
