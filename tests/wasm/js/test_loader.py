"""The JavaScript beside an exported module: what it returns, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import wasmtime

from benchmarks.wasm.models import Precision
from edge_bundle.canonical import dumps
from edge_runtime.wasm.abi import SECTION
from tests.wasm.js.engines import LOADER, newest_node, nodes, write_probe
from tests.wasm.js.parts import npm_part
from tests.wasm.js.subjects import subject
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

TYPE_CHECK = {
    "compilerOptions": {
        "strict": True,
        "allowJs": True,
        "checkJs": True,
        "noEmit": True,
        "types": [],
        "target": "es2022",
        "module": "es2022",
        "moduleResolution": "bundler",
        "lib": ["es2022", "dom"],
    },
    "files": ["digits.mjs", "caller.ts"],
}

CALLER = """import { load, type Place } from "./digits.mjs";
const model = await load(fetch("model.wasm"));
const places: Place[] = model.inputs;
const { scaled } = model.run({ x: new Float32Array(4), count: new BigInt64Array(1) });
export const size: number = scaled.length + places[0].shape[0];
export const wrong = model.run({ x: "text" });
"""


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
        pytest.param("Promise.resolve(new Response(read()))", id="promise-of-a-response"),
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


ALL = "inputs: expected x, count, flags, got"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        pytest.param("", f"{ALL} none", id="nothing"),
        pytest.param("{}", f"{ALL} none", id="none"),
        pytest.param("x", f"{ALL} Float32Array", id="no-names"),
        pytest.param("{ count, flags }", f"{ALL} count, flags", id="missing"),
        pytest.param("{ ...good, y: x }", f"{ALL} x, count, flags, y", id="unknown-name"),
        pytest.param("{ X: x, count, flags }", f"{ALL} X, count, flags", id="wrong-name"),
        pytest.param("{ toString: x, count, flags }", f"{ALL} toString, count, flags", id="name-of-every-object"),
        pytest.param("{ ...good, x: undefined }", "input 'x': expected Float32Array, got undefined", id="undefined"),
        pytest.param("{ ...good, x: null }", "input 'x': expected Float32Array, got null", id="null"),
        pytest.param("{ ...good, x: 1 }", "input 'x': expected Float32Array, got Number", id="number"),
        pytest.param("{ ...good, x: [1, 2, 3, 4] }", "input 'x': expected Float32Array, got Array", id="plain-array"),
        pytest.param(
            "{ ...good, x: x.buffer }", "input 'x': expected Float32Array, got ArrayBuffer", id="array-buffer"
        ),
        pytest.param(
            "{ ...good, x: new Float64Array(4) }", "input 'x': expected Float32Array, got Float64Array", id="dtype"
        ),
        pytest.param(
            "{ ...good, count: new Int32Array(1) }",
            "input 'count': expected BigInt64Array, got Int32Array",
            id="int32-for-int64",
        ),
        pytest.param(
            "{ ...good, flags: [true, false] }", "input 'flags': expected Uint8Array, got Array", id="booleans"
        ),
        pytest.param("{ ...good, x: x.slice(1) }", "input 'x': expected 4 elements, got 3", id="too-short"),
        pytest.param("{ ...good, x: new Float32Array(5) }", "input 'x': expected 4 elements, got 5", id="too-long"),
        pytest.param("{ ...good, x: new Float32Array(0) }", "input 'x': expected 4 elements, got 0", id="empty"),
    ],
)
def test_wrong_inputs_are_refused(tmp_path: Path, inputs: str, words: str) -> None:
    said = _said(tmp_path, sample_module().code, f"return (await load(read())).run({inputs});")
    assert said == f"Error: skerry module: {words}"


def test_runs_after_refused_inputs(tmp_path: Path) -> None:
    body = "const m = await load(read()); try { m.run({ ...good, flags: x }); } catch {} return m.run(good);"
    assert _said(tmp_path, sample_module().code, body) == ANSWER


SOURCE = "source: expected bytes, a Response or a WebAssembly.Module, got"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("", f"{SOURCE} undefined", id="nothing"),
        pytest.param('"model.wasm"', f"{SOURCE} String", id="path"),
        pytest.param('new URL("model.wasm", import.meta.url)', f"{SOURCE} URL", id="url"),
        pytest.param("[...read()]", f"{SOURCE} Array", id="plain-array"),
        pytest.param(
            "new Response(read(), { status: 404 })", "response of : expected status 200, got 404", id="not-found"
        ),
    ],
)
def test_other_sources_are_refused(tmp_path: Path, source: str, words: str) -> None:
    said = _said(tmp_path, sample_module().code, f"return (await load({source})).run(good);")
    assert said == f"Error: skerry module: {words}"


BARE = bytes(wasmtime.wat2wasm("(module)"))
WITH_IMPORT = bytes(wasmtime.wat2wasm('(module (import "env" "now" (func)))'))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(b"", "WebAssembly.compile(): BufferSource argument is empty", id="empty"),
        pytest.param(b"<!doctype html>", "expected magic word 00 61 73 6d, found 3c 21 64 6f", id="web-page"),
        pytest.param(b"\0asm", "WebAssembly.compile", id="truncated"),
        pytest.param(sample_module().code[:-9], "WebAssembly.compile", id="cut-off"),
        pytest.param(BARE, "custom sections 'skerry': expected 1, got 0", id="no-section"),
        pytest.param(WITH_IMPORT, "imports: expected none, got now", id="import"),
        pytest.param(sample_module(abi=2).code, "ABI version: expected 1, got 2", id="newer-abi"),
        pytest.param(sample_module(abi=0).code, "ABI version: expected 1, got 0", id="older-abi"),
        pytest.param(
            sample_module(abi=2, section=dumps(sample_info())).code,
            "export abi_version: expected 1, got 2",
            id="newer-abi-of-the-code",
        ),
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


def test_a_module_without_its_weights_is_refused(tmp_path: Path) -> None:
    """Modules inside a bundle have them in another file."""
    module = subject("digits", Precision.FP32)
    said = _said(tmp_path, module.code, "return await load(read());")
    words = f"weights in the file: expected {len(module.weights)} bytes, got none"
    assert said == f"Error: skerry module: {words}"


def test_weights_may_be_zero(tmp_path: Path) -> None:
    said = _said(tmp_path, sample_module(weights=(0, 0, 0, 0)).code, "return (await load(read())).run(good);")
    assert said == {**ANSWER, "scaled": ["Float32Array", "0", "0", "0", "NaN"]}


@pytest.mark.heavy
def test_passes_a_strict_type_check(tmp_path: Path) -> None:
    """The loader alone, and a caller in TypeScript that sees its types."""
    shutil.copy(LOADER, tmp_path / "digits.mjs")
    (tmp_path / "caller.ts").write_text(CALLER)
    (tmp_path / "tsconfig.json").write_text(json.dumps(TYPE_CHECK))
    compiler = [newest_node(), str(npm_part("typescript/bin/tsc")), "--pretty", "false"]
    done = subprocess.run(compiler, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.splitlines() == [
        "caller.ts(6,34): error TS2322: Type 'string' is not assignable to type 'TensorData'."
    ]
