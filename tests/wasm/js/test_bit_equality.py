"""The same module and inputs give the same bytes under wasmtime, in Node, in Deno, in workerd, and in a browser."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.conformance.cases import Case, load_cases
from benchmarks.wasm.models import Precision
from compiler.wasm.compile import WasmModule, compile_module
from compiler.wasm.options import WasmOptions
from compiler.wasm_tools.instance import Instance
from edge_bundle.errors import CompileError
from edge_bundle.tensor import DType, Tensor
from tests.wasm.js.browser import Browser
from tests.wasm.js.engines import (
    NODE_TIMEOUT_S,
    in_browser,
    in_deno,
    in_node,
    in_wasmtime,
    in_workerd,
    newest_node,
    nodes,
    write_probe,
)
from tests.wasm.js.subjects import SUBJECTS, subject, subject_rows
from tests.wasm.sample_module import sample_module

CASES = [pytest.param(name, precision, id=f"{name}-{precision.value}") for name, precision in SUBJECTS]


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_node_is_bit_equal(tmp_path: Path, name: str, precision: Precision) -> None:
    module, rows = subject(name, precision), subject_rows(name)
    code = module.standalone()
    expected = in_wasmtime(code, module.info, rows)
    for node in nodes():
        assert in_node(node, tmp_path, code, module.info, rows) == expected, node


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "precision"), CASES)
def test_workerd_is_bit_equal(tmp_path: Path, name: str, precision: Precision) -> None:
    module, rows = subject(name, precision), subject_rows(name)
    code = module.standalone()
    assert in_workerd(tmp_path, code, module.info, rows) == in_wasmtime(code, module.info, rows)


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "precision"), CASES)
def test_deno_is_bit_equal(tmp_path: Path, name: str, precision: Precision) -> None:
    module, rows = subject(name, precision), subject_rows(name)
    code = module.standalone()
    assert in_deno(tmp_path, code, module.info, rows) == in_wasmtime(code, module.info, rows)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(newest_node()) as opened:
        yield opened


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "precision"), CASES)
def test_a_browser_is_bit_equal(browser: Browser, tmp_path: Path, name: str, precision: Precision) -> None:
    module, rows = subject(name, precision), subject_rows(name)
    code = module.standalone()
    assert in_browser(browser, tmp_path, code, module.info, rows) == in_wasmtime(code, module.info, rows)


SAMPLE_ROW = {
    "x": Tensor(DType.FP32, (1, 4), np.array([1.5, -0.0, np.inf, 1e-40], "<f4").tobytes()),
    "count": Tensor(DType.INT64, (), np.array(2**62, "<i8").tobytes()),
    "flags": Tensor(DType.BOOL, (2, 2), b"\1\0\0\1"),
}


def test_the_sample_in_node(tmp_path: Path) -> None:
    sample = sample_module()
    rows = [SAMPLE_ROW] * 2
    for node in nodes():
        assert in_node(node, tmp_path, sample.code, sample.info, rows) == in_wasmtime(sample.code, sample.info, rows)


@pytest.mark.heavy
def test_the_sample_in_workerd(tmp_path: Path) -> None:
    sample = sample_module()
    rows = [SAMPLE_ROW] * 2
    assert in_workerd(tmp_path, sample.code, sample.info, rows) == in_wasmtime(sample.code, sample.info, rows)


@pytest.mark.heavy
def test_the_sample_in_deno(tmp_path: Path) -> None:
    sample = sample_module()
    rows = [SAMPLE_ROW] * 2
    assert in_deno(tmp_path, sample.code, sample.info, rows) == in_wasmtime(sample.code, sample.info, rows)


@pytest.mark.heavy
def test_the_sample_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    sample = sample_module()
    rows = [SAMPLE_ROW] * 2
    assert in_browser(browser, tmp_path, sample.code, sample.info, rows) == in_wasmtime(sample.code, sample.info, rows)


@pytest.mark.heavy
def test_every_operator_is_bit_equal_in_node(tmp_path: Path) -> None:
    """The modules of all node tests that the compiler takes, with those tests' inputs."""
    expected: dict[str, str] = {}
    for name, case in load_cases().items():
        if isinstance(case, Case) and (module := _compiled(case)) is not None:
            given = {place.name: _given(case, place.name, place.dtype) for place in module.info.inputs}
            made = Instance(module.standalone(), module.info).run(given)
            expected[name] = b"".join(made[place.name].tobytes() for place in module.info.outputs).hex()
            (tmp_path / f"{name}.wasm").write_bytes(module.standalone())
            (tmp_path / f"{name}.in").write_bytes(b"".join(array.tobytes() for array in given.values()))
    assert len(expected) > 500
    write_probe(tmp_path, b"")
    for node in nodes():
        done = subprocess.run(
            [node, "probe_many.js"],
            cwd=tmp_path,
            input=json.dumps(list(expected)).encode(),
            capture_output=True,
            timeout=NODE_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        answers = json.loads(done.stdout)
        assert {name: answer for name, answer in answers.items() if answer != expected[name]} == {}, node
        assert len(answers) == len(expected)


def _compiled(case: Case) -> WasmModule | None:
    try:
        return compile_module(case.model, WasmOptions(bind=case.bound))
    except CompileError:
        return None


def _given(case: Case, name: str, dtype: DType) -> NDArray[Any]:
    return case.fed[name].astype(np.dtype(dtype.numpy_name))
