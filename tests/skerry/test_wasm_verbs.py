"""skerry wasm: what inspect, disasm and export print and write, from a model, a module and a bundle."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import TensorProto, helper  # noqa: TID251

from benchmarks.node import node_binary
from tests.skerry.samples import EXAMPLE, Compiled, Done, is_tidy

Skerry = Callable[..., Done]
MODEL = EXAMPLE / "digits.onnx"
FAST = ("--seconds", "0.05")


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from skerry.cli import run  # noqa: PLC0415 - as the fixture `compiled` does it

    path = tmp_path_factory.mktemp("exported") / "digits.wasm"
    assert run(["wasm", "export", str(MODEL), "--out", str(path), "--js", "--json"]) == 0
    return path


@pytest.fixture(scope="session")
def wasm_bundle(tmp_path_factory: pytest.TempPathFactory, compiled: Compiled) -> Path:
    from skerry.cli import run  # noqa: PLC0415

    path = tmp_path_factory.mktemp("wasm") / "bundle"
    profiles = ["--profile", "wasm-simd128", "--profile", "wasm-simd128-int8", "--profile", "cpu-fp32"]
    assert run(["compile", str(MODEL), "--out", str(path), *compiled.signing, *profiles, "--json"]) == 0
    return path


def test_inspect_a_model(skerry: Skerry, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = skerry("wasm", "inspect", MODEL, *FAST, "--html", page)
    assert done.code == 0, done.err
    assert is_tidy(done.out)
    assert "conv2d" in done.out
    assert done.out.index("\nsteps") < done.out.index("\nkernels")
    assert " 0 bytes" not in done.out
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert text.count("<title>") > len(json.loads(skerry("wasm", "inspect", MODEL, *FAST, "--json").out)["steps"])
    assert "<script" not in text


def test_inspect_counts_every_byte(skerry: Skerry, exported: Path) -> None:
    found = json.loads(skerry("wasm", "inspect", exported, *FAST, "--json").out)
    module = found["module"]
    assert module["bytes"] == exported.stat().st_size == module["code_bytes"] + module["weights_bytes"]
    assert sum(step["step"]["code_bytes"] for step in found["steps"]) + module["shared_bytes"] < module["code_bytes"]
    assert sum(step["share"] for step in found["steps"]) == pytest.approx(1.0)
    assert sum(kernel["steps"] for kernel in found["kernels"]) == len(found["steps"])
    times = [kernel["us"] for kernel in found["kernels"]]
    assert times == sorted(times, reverse=True)


def test_winograd_is_a_choice(skerry: Skerry, tmp_path: Path) -> None:
    for choice in ([], ["--no-winograd"]):
        out = tmp_path / "m.wasm"
        assert skerry("wasm", "export", MODEL, "--out", out, *choice).code == 0
        steps = json.loads(skerry("wasm", "inspect", out, *FAST, "--json").out)["module"]["steps"]
        assert any(step["op"] == "winograd_f32" for step in steps) == (not choice)


@pytest.mark.parametrize("profile", ["wasm-simd128", "wasm-simd128-int8"])
def test_a_variant_of_a_bundle(skerry: Skerry, wasm_bundle: Path, tmp_path: Path, profile: str) -> None:
    out = tmp_path / "v.wasm"
    done = skerry("wasm", "export", wasm_bundle, "--profile", profile, "--out", out, "--json")
    assert done.code == 0, done.err
    assert out.read_bytes().startswith(b"\0asm")
    assert json.loads(done.out)["outputs"] == {"probabilities": "FP32 [1, 10]"}


def test_disasm_of_one_step_is_part_of_the_whole(skerry: Skerry, exported: Path) -> None:
    whole = skerry("wasm", "disasm", exported).out
    step = skerry("wasm", "disasm", exported, "--step", 0).out
    assert step.startswith("func[")
    parts = step.split("func[")[1:]
    assert len(parts) > 1, "the kernel that the step calls"
    assert all("func[" + part.rstrip("\n") in whole for part in parts)
    assert len(step) < len(whole)


def test_disasm_is_in_the_words_of_the_text_format(skerry: Skerry, exported: Path) -> None:
    whole = skerry("wasm", "disasm", exported).out
    assert "sig=" not in whole
    assert re.search(r"\| +v128\.load offset=16 align=\d+$", whole, re.MULTILINE)
    starts = len(re.findall(r"\| +(?:loop|block|if)\b", whole))
    functions = whole.count("func[")
    assert starts > 0
    assert len(re.findall(r"\| +end$", whole, re.MULTILINE)) == starts + functions
    assert all(part.rstrip().endswith("| end") for part in whole.split("func[")[1:]), "blocks are indented"


def test_exported_javascript_runs(skerry: Skerry, exported: Path, tmp_path: Path) -> None:
    try:
        node = node_binary()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    script = tmp_path / "run.mjs"
    script.write_text(
        f"import {{ load }} from {json.dumps(str(exported.with_suffix('.mjs')))};\n"
        "import { readFile } from 'node:fs/promises';\n"
        f"const model = await load(await readFile({json.dumps(str(exported))}));\n"
        "const { probabilities } = model.run({ image: new Float32Array(64) });\n"
        "console.log(probabilities.length, probabilities.reduce((sum, p) => sum + p, 0).toFixed(3));\n"
    )
    done = subprocess.run([node, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["10", "1.000"], done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["inspect", "none.wasm"], 3, "none.wasm", id="no such file"),
        pytest.param(["inspect", MODEL, "--dim", "N"], 2, "expected NAME=SIZE", id="dimension without a size"),
        pytest.param(["inspect", MODEL, "--batch", "0"], 2, "0 is not in the range", id="batch of none"),
        pytest.param(["disasm", MODEL, "--step", "Conv_99"], 3, "no step named", id="no such step"),
        pytest.param(
            ["export", EXAMPLE / "contract.toml", "--out", "x.wasm"], 3, "expected a .wasm file", id="no module"
        ),
        pytest.param(["inspect", MODEL, "--profile", "wasm-simd128"], 3, "make a bundle", id="a model has no variants"),
        pytest.param(
            ["export", MODEL, "--out", "x.mjs", "--js"], 2, "ends in .wasm", id="module in the loader's place"
        ),
        pytest.param(["export", MODEL, "--out", MODEL], 2, "ends in .wasm", id="module in the model's place"),
        pytest.param(["export", MODEL, "--out", "none/x.wasm"], 3, "none/x.wasm: No such file", id="no such folder"),
    ],
)
def test_bad_arguments(skerry: Skerry, arguments: list[object], code: int, said: str) -> None:
    done = skerry("wasm", *arguments)
    assert (done.code, said in done.err) == (code, True), done.err
    assert "Traceback" not in done.err


def test_a_bundle_names_its_variants(skerry: Skerry, wasm_bundle: Path, compiled: Compiled) -> None:
    several = skerry("wasm", "inspect", wasm_bundle, *FAST)
    assert "expected one WebAssembly variant, got several: wasm-simd128, wasm-simd128-int8" in several.err
    assert "--profile" in several.err
    none = skerry("wasm", "inspect", compiled.bundle, *FAST)
    assert "compile it with --profile wasm-simd128" in none.err
    mistyped = skerry("wasm", "inspect", wasm_bundle, "--profile", "wasm-simd12", *FAST)
    assert "did you mean 'wasm-simd128'?" in mistyped.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--profile", "wasm-simd128"], "no --profile with a module", id="profile"),
        pytest.param(["--dim", "N=2"], "no --dim with a module", id="dimension"),
        pytest.param(["--batch", "8"], "no --batch but 1 with this module", id="batch"),
        pytest.param(["--no-winograd"], "no --no-winograd with a module", id="winograd"),
    ],
)
def test_what_a_module_cannot_heed_is_refused(skerry: Skerry, exported: Path, options: list[object], said: str) -> None:
    done = skerry("wasm", "inspect", exported, *options, *FAST)
    assert (done.code, said in done.err) == (3, True), done.err


def test_a_batch_needs_an_open_dimension(skerry: Skerry, tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.onnx"
    places = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "fixed", places[:1], places[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    fixed.write_bytes(model.SerializeToString())
    done = skerry("wasm", "inspect", fixed, "--batch", 8, *FAST)
    assert "without an open dimension 0" in done.err
    assert skerry("wasm", "inspect", fixed, *FAST).code == 0


def test_the_only_model_in_a_folder(skerry: Skerry) -> None:
    assert skerry("wasm", "inspect", EXAMPLE, *FAST, "--json").code == 0


def test_a_module_under_another_name(skerry: Skerry, exported: Path, tmp_path: Path) -> None:
    other = shutil.copy(exported, tmp_path / "model")
    assert skerry("wasm", "inspect", other, *FAST, "--json").code == 0
    done = skerry("inspect", exported)
    assert (done.code, "skerry wasm inspect" in done.err) == (3, True)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(lambda data: b"", "expected header", id="empty"),
        pytest.param(lambda data: data[: len(data) // 2], "expected a section of at most", id="cut off"),
        pytest.param(lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], "module's seal", id="edited"),
        pytest.param(lambda data: data[:8], "a custom section 'skerry'", id="of another compiler"),
    ],
)
def test_a_damaged_module(
    skerry: Skerry, exported: Path, tmp_path: Path, damage: Callable[[bytes], bytes], said: str
) -> None:
    path = tmp_path / "damaged.wasm"
    path.write_bytes(damage(exported.read_bytes()))
    for verb in (["inspect"], ["disasm"], ["export", "--out", tmp_path / "x.wasm"]):
        done = skerry("wasm", *verb, path)
        assert (done.code, said in done.err) == (3, True), done.err
        assert str(path) in done.err
        assert "export it again" in done.err
