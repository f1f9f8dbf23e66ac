"""The JavaScript beside an exported module: what it returns, and what it refuses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import wasmtime

from edge_bundle.canonical import dumps
from edge_runtime.wasm.abi import SECTION
from tests.wasm.js.engines import LOADER, nodes, write_probe
from tests.wasm.sample_module import sample_info, sample_module
from wasm_emit.binary import append_custom

MAX_LINES = 149
"""The loader is meant to be read before it is trusted."""

SCRIPT = """
import { readFileSync } from "node:fs";
import { load } from "./skerry_module.js";
const read = () => readFileSync("model.wasm");
const x = new Float32Array([1, 2, 3, NaN]);
const count = new BigInt64Array([2n ** 53n]);
const flags = new Uint8Array([1, 0, 0, 1]);
const good = { x, count, flags };
const shown = (value) => JSON.stringify(value, (_, v) =>
  typeof v === "bigint" ? `${v}n` : ArrayBuffer.isView(v) ? [v.constructor.name, ...Array.from(v, String)] : v);
try {
  console.log(shown(await (async () => { BODY })()));
} catch (error) {
  console.log(shown(`${error.name}: ${error.message}`));
}
"""

ANSWER = {
    "scaled": ["Float32Array", "0.5", "-4", "9", "NaN"],
    "next": ["BigInt64Array", "9007199254740993"],
    "same": ["Uint8Array", "1", "0", "0", "1"],
}


def _said(directory: Path, code: bytes, body: str) -> object:
    write_probe(directory, code)
    (directory / "script.js").write_text(SCRIPT.replace("BODY", body))
    done = subprocess.run([nodes()[0], "script.js"], cwd=directory, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("read()", id="bytes"),
        pytest.param("new Uint8Array(read()).buffer", id="array-buffer"),
        pytest.param("new WebAssembly.Module(read())", id="compiled-module"),
        pytest.param("new Response(read())", id="response"),
    ],
)
def test_runs_from_any_source(tmp_path: Path, source: str) -> None:
    assert _said(tmp_path, sample_module().code, f"return (await load({source})).run(good);") == ANSWER


def test_answers_are_copies_and_inputs_stay_as_they_are(tmp_path: Path) -> None:
    body = "const m = await load(read()); const first = m.run(good); m.run({ ...good, x: x.map(() => 7) });"
    assert _said(tmp_path, sample_module().code, f"{body} return {{ first, x }};") == {
        "first": ANSWER,
        "x": ["Float32Array", "1", "2", "3", "NaN"],
    }


def test_tells_inputs_and_outputs(tmp_path: Path) -> None:
    info = sample_info()
    body = "const m = await load(read()); return [m.inputs, m.outputs].map((all) => all.map((one) => "
    assert _said(tmp_path, sample_module().code, f"{body}[one.name, one.dtype, one.shape]));") == [
        [[place.name, place.dtype.value, list(place.shape)] for place in places]
        for places in (info.inputs, info.outputs)
    ]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        pytest.param("{}", "input 'x': expected Float32Array, got undefined", id="none"),
        pytest.param("{ ...good, x: null }", "input 'x': expected Float32Array, got null", id="null"),
        pytest.param("{ ...good, x: [1, 2, 3, 4] }", "input 'x': expected Float32Array, got Array", id="plain-array"),
        pytest.param(
            "{ ...good, x: new Float64Array(4) }", "input 'x': expected Float32Array, got Float64Array", id="dtype"
        ),
        pytest.param(
            "{ ...good, count: new Int32Array(1) }",
            "input 'count': expected BigInt64Array, got Int32Array",
            id="int32-for-int64",
        ),
        pytest.param("{ ...good, x: x.slice(1) }", "input 'x': expected 4 elements, got 3", id="length"),
        pytest.param(
            "{ ...good, y: x }", "inputs: expected x, count, flags, got x, count, flags, y", id="unknown-name"
        ),
    ],
)
def test_wrong_inputs_are_refused(tmp_path: Path, inputs: str, words: str) -> None:
    said = _said(tmp_path, sample_module().code, f"return (await load(read())).run({inputs});")
    assert said == f"Error: skerry module: {words}"


BARE = bytes(wasmtime.wat2wasm("(module)"))
WITH_IMPORT = bytes(wasmtime.wat2wasm('(module (import "env" "now" (func)))'))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(b"\0asm", "WebAssembly.compile", id="truncated"),
        pytest.param(BARE, "custom sections 'skerry': expected 1, got 0", id="no-section"),
        pytest.param(WITH_IMPORT, "imports: expected none, got now", id="import"),
        pytest.param(sample_module(abi=2).code, "ABI version: expected 1, got 2", id="newer-abi"),
        pytest.param(
            append_custom(sample_module().code, SECTION, dumps(sample_info())),
            "custom sections 'skerry': expected 1, got 2",
            id="two-sections",
        ),
        pytest.param(
            sample_module(section=dumps(sample_info()).replace(b'"FP32"', b'"FP16"')).code,
            "dtype of 'x': expected FP32, ",
            id="dtype-without-array",
        ),
        pytest.param(sample_module(section=b"{").code, "SyntaxError", id="section-no-json"),
    ],
)
def test_other_modules_are_refused(tmp_path: Path, code: bytes, words: str) -> None:
    said = _said(tmp_path, code, "return (await load(read())).run(good);")
    assert isinstance(said, str)
    assert words in said


def test_a_status_is_an_error(tmp_path: Path) -> None:
    said = _said(tmp_path, sample_module(status=3).code, "return (await load(read())).run(good);")
    assert said == "Error: skerry module: status of the run: expected 0, got 3"


def test_is_short_and_depends_on_nothing() -> None:
    text = LOADER.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("*", "/*"))]
    assert not any(word in line for line in lines for word in ("import ", "eval", "Function("))
