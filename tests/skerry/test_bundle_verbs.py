"""compile, inspect, verify and hook build: what they print, and how bad input ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_bundle.canonical import dumps
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import EngineError, RuntimeMissingError
from tests.skerry.samples import EXAMPLE, Compiled, Done, is_tidy

Skerry = Callable[..., Done]
MODEL = EXAMPLE / "digits.onnx"


def contract_with(folder: Path, old: str, new: str) -> Path:
    text = (EXAMPLE / "contract.toml").read_text()
    assert old in text
    path = folder / "contract.toml"
    path.write_text(text.replace(old, new))
    return path


def test_compile_says_what_it_made(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    tar, page = tmp_path / "bundle.tar", tmp_path / "report.html"
    done = skerry(
        "compile",
        MODEL,
        "--out",
        tmp_path / "b",
        *compiled.signing,
        "--profile",
        "cpu-int8",
        "--tar",
        tar,
        "--html",
        page,
    )
    assert done.code == 0, done.err
    assert "cpu-int8" in done.out
    assert is_tidy(done.out)
    assert "prove cpu-int8" in done.err
    assert page.read_text().startswith("<!doctype html>")
    assert skerry("verify", tar, *compiled.trusting).code == 0


def test_without_a_calibration_set_int8_is_left_out(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    for name in ("digits.onnx", "contract.toml", "evaluation.npz"):
        shutil.copy(EXAMPLE / name, tmp_path / name)
    done = skerry("compile", tmp_path, "--out", tmp_path / "b", *compiled.signing, "--json")
    assert done.code == 0, done.err
    profiles = [variant["manifest"]["profile"] for variant in json.loads(done.out)["variants"]]
    assert profiles == ["cpu-fp32", "openvino-fp32", "wasm-simd128"]
    assert "wasm-simd128-int8 left out; give --calibration" in done.err


def test_second_compile_gives_the_same_digest(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    arguments = ["--profile", "cpu-fp32", "--profile", "cpu-int8", "--json"]
    again = json.loads(skerry("compile", MODEL, "--out", tmp_path / "b", *compiled.signing, *arguments).out)
    first = json.loads(skerry("inspect", compiled.bundle, "--json").out)
    assert again["bundle_digest"] == first["bundle_digest"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        pytest.param({"model": "missing.onnx"}, 3, "missing.onnx", id="missing model"),
        pytest.param({"model": "contract.toml"}, 3, "expected an ONNX model", id="not an ONNX file"),
        pytest.param({"--profile": "cpu-int9"}, 3, "did you mean 'cpu-int8'?", id="mistyped profile"),
        pytest.param({"--key": "none.key"}, 3, "none.key", id="missing key"),
        pytest.param({"--evaluation": "calibration.npz"}, 3, "labels", id="evaluation set without labels"),
        pytest.param({"--seed": "x"}, 2, "'x' is not a valid integer", id="seed is no number"),
        pytest.param({"--profil": "cpu-int8"}, 2, "No such option", id="mistyped option"),
    ],
)
def test_bad_arguments(
    skerry: Skerry, compiled: Compiled, tmp_path: Path, change: dict[str, str], code: int, said: str
) -> None:
    options = {"--out": str(tmp_path / "b"), "--key": str(compiled.keys / "alice.key"), "--profile": "cpu-fp32"}
    options |= {key: str(EXAMPLE / value) if key == "--evaluation" else value for key, value in change.items()}
    model = EXAMPLE / options.pop("model", "digits.onnx")
    done = skerry("compile", model, *(word for pair in options.items() for word in pair))
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        pytest.param("minimum = 0.95", "minimum = 0.999", 6, "[ContractNotMetError]", id="accuracy is not reached"),
        pytest.param("p99_ms = 25.0", "p99_ms = 0.000001", 6, "[ContractNotMetError]", id="latency is not reached"),
        pytest.param("ttl_s =", "tttl_s =", 3, "cache.tttl_s", id="unknown key"),
        pytest.param("maximum = 16.0", "maximum = -1.0", 3, "contract.toml", id="impossible range"),
        pytest.param('name = "image"', 'name = "picture"', 3, "picture", id="tensor that the model lacks"),
    ],
)
def test_bad_contract(
    skerry: Skerry, compiled: Compiled, tmp_path: Path, old: str, new: str, code: int, said: str
) -> None:
    contract = contract_with(tmp_path, old, new)
    arguments = ["--profile", "cpu-fp32", "--contract", contract, *compiled.signing]
    done = skerry("compile", MODEL, "--out", tmp_path / "b", *arguments)
    assert done.code == code, done.err
    assert said in done.err
    assert done.err.splitlines()[-1].startswith(("skerry: error: ", "advice: "))
    assert not (tmp_path / "b").exists()


def test_nan_in_calibration(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    path = tmp_path / "calibration.npz"
    np.savez(path, image=np.full((8, 1, 8, 8), np.nan, dtype=np.float32))
    arguments = ["--calibration", path, "--profile", "cpu-int8", *compiled.signing]
    done = skerry("compile", MODEL, "--out", tmp_path / "b", *arguments)
    assert done.code == 3
    assert "expected finite numbers" in done.err


def test_out_is_never_overwritten_unasked(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep")
    done = skerry("compile", MODEL, "--out", tmp_path, "--profile", "cpu-fp32", *compiled.signing)
    assert done.code == 3
    assert (tmp_path / "precious").read_text() == "keep"


@pytest.mark.parametrize(
    ("keys", "threshold", "code"),
    [
        pytest.param(["alice", "bob"], None, 0, id="both"),
        pytest.param(["alice"], None, 0, id="one of them suffices if only one is asked for"),
        pytest.param(["mallory"], None, 4, id="unknown key"),
        pytest.param(["alice", "mallory"], None, 4, id="one signature missing"),
        pytest.param(["alice", "mallory"], 1, 0, id="one of two"),
        pytest.param(["alice"], 2, 2, id="threshold above the number of keys"),
    ],
)
def test_verify(skerry: Skerry, compiled: Compiled, keys: list[str], threshold: int | None, code: int) -> None:
    owners = [word for name in keys for word in ("--owner-key", str(compiled.keys / f"{name}.pub"))]
    done = skerry("verify", compiled.bundle, *owners, *([] if threshold is None else ["--threshold", threshold]))
    assert done.code == code, done.err
    if code == 4:
        assert "[SignatureError]" in done.err
    if code == 2:
        assert "--threshold 2 needs as many --owner-key, got 1" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["compile", MODEL, "--out", "b", "--key", "alice.pub"], "public key; give", id="public to sign"),
        pytest.param(
            ["hub", "init", "h", "--offline", "o", "--team", "t", "--owner-key", "alice.key"],
            "private key; give",
            id="private to trust",
        ),
    ],
)
def test_wrong_half_of_a_key(skerry: Skerry, compiled: Compiled, arguments: list[str], said: str) -> None:
    words = [compiled.keys / word if str(word).startswith("alice") else word for word in arguments]
    done = skerry(*words)
    assert done.code == 3
    other = {"alice.pub": "alice.key", "alice.key": "alice.pub"}[arguments[-1]]
    assert f"advice: that is a {said} {compiled.keys / other}" in done.err


def test_a_file_that_cannot_be_read_is_wrong_input(
    skerry: Skerry, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # what click would go by; opening it is what counts
    assert skerry("keys", "show", compiled.keys / "alice.pub").code == 0


def test_cut_off_tar_is_named(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(b"x" * 1000)
    done = skerry("verify", tmp_path / "b.tar", *compiled.trusting)
    assert done.code == 3
    assert f"{tmp_path / 'b.tar'}: archive: expected" in done.err


def test_verify_refuses_a_flipped_byte(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(compiled.bundle, copy)
    blob = max((copy / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    done = skerry("verify", copy, *compiled.trusting)
    assert done.code == 4
    assert "[DigestMismatchError]" in done.err


def test_recompute_agrees(skerry: Skerry, compiled: Compiled) -> None:
    evaluation = ["--evaluation", EXAMPLE / "evaluation.npz", "--model", MODEL]
    done = skerry("verify", compiled.bundle, *compiled.trusting, "--recompute", *evaluation, "--json")
    assert done.code == 0, done.err
    judged = [row["ok"] for row in json.loads(done.out)["recomputed"] if row["ok"] is not None]
    assert judged
    assert all(judged)


def test_recompute_says_what_holds(skerry: Skerry, compiled: Compiled) -> None:
    sets = ["--evaluation", EXAMPLE / "evaluation.npz", "--calibration", EXAMPLE / "calibration.npz"]
    done = skerry("verify", compiled.bundle, *compiled.trusting, "--profile", "cpu-int8", "--recompute", *sets)
    assert done.code == 0, done.err
    assert is_tidy(done.out)
    for words in ("recomputed cpu-int8", "calibration set", "holds", "not recomputed: needs --model", "as above"):
        assert words in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("broken", "code", "said"),
    [
        pytest.param("open", 5, "not recomputed: runtime onnxruntime: not installed", id="the runtime is missing"),
        pytest.param("run", 1, "DIFFERS: runtime onnxruntime: inference failed", id="the runtime fails"),
    ],
)
def test_recompute_without_a_runtime(
    skerry: Skerry, compiled: Compiled, monkeypatch: pytest.MonkeyPatch, broken: str, code: int, said: str
) -> None:
    def missing(_source: object) -> None:
        raise RuntimeMissingError(runtime="onnxruntime", extra="onnxruntime")

    def failing(_engine: object, _inputs: object) -> None:
        raise EngineError(runtime="onnxruntime", detail="inference failed")

    if broken == "open":
        monkeypatch.setattr("compiler.recomputing.recompute.open_engine", missing)
    else:
        monkeypatch.setattr("edge_runtime.onnxruntime_engine.OnnxRuntimeEngine.run", failing)
    evaluation = ["--evaluation", EXAMPLE / "evaluation.npz"]
    done = skerry("verify", compiled.bundle, *compiled.trusting, "--profile", "cpu-int8", "--recompute", *evaluation)
    assert done.code == code, done.err
    assert said in " ".join(done.out.split())


def test_inspect_shows_proofs_in_full(skerry: Skerry, compiled: Compiled) -> None:
    done = skerry("inspect", compiled.bundle, "--proof")
    assert done.code == 0, done.err
    assert is_tidy(done.out)
    text = " ".join(done.out.split())
    for words in (
        "proof of cpu-fp32", "proof of cpu-int8", "95 % by wilson", "accuracy of ink-heavy", "against fp32 worse by",
        "agreement with fp32 first answers", "p90", "MiB of a fresh process", "numeric class host-exact",
        "thread counts", "batch places", "quantization uint8 x int8", "calibration set sha256:", "measured on",
        "toolchain", "onnxruntime=",
    ):  # fmt: skip
        assert words in text, words
    assert "proof of" not in skerry("inspect", compiled.bundle).out


def test_recompute_refuses_another_evaluation_set(skerry: Skerry, compiled: Compiled) -> None:
    other = EXAMPLE / "calibration.npz"
    done = skerry("verify", compiled.bundle, *compiled.trusting, "--recompute", "--evaluation", other)
    assert done.code in (3, 4)
    assert str(other) in done.err


def test_recompute_needs_an_evaluation_set(skerry: Skerry, compiled: Compiled) -> None:
    done = skerry("verify", compiled.bundle, *compiled.trusting, "--recompute")
    assert done.code == 2
    assert "--recompute needs --evaluation" in done.err


def test_hook_build(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    arguments = ["--profile", "cpu-int8", "--origin", "http://127.0.0.1:8600", "--out", tmp_path / "hook"]
    done = skerry("hook", "build", compiled.bundle, "--target", "workers", *arguments, *compiled.trusting, "--json")
    assert done.code == 0, done.err
    assert "worker.js" in json.loads(done.out)["files"]
    refused = skerry("hook", "build", compiled.bundle, "--target", "toaster", *arguments, *compiled.trusting)
    assert refused.code == 3


def test_hook_build_spares_a_folder_with_other_files(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    arguments = ["--profile", "cpu-int8", "--origin", "http://127.0.0.1:8600", "--out", tmp_path]
    build = ["hook", "build", compiled.bundle, "--target", "workers", *arguments, *compiled.trusting]
    refused = skerry(*build)
    assert (refused.code, len(list(tmp_path.iterdir()))) == (3, 1)
    assert "--force" in refused.err
    assert skerry(*build, "--force").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["profile", "list"], id="profile list"),
        pytest.param(["profile", "show", "cpu-int8"], id="profile show"),
        pytest.param(["profile", "detect"], id="profile detect"),
        pytest.param(["inspect", str(MODEL)], id="inspect model"),
        pytest.param(["inspect", "BUNDLE"], id="inspect bundle"),
        pytest.param(["verify", "BUNDLE", "TRUSTING"], id="verify"),
    ],
)
def test_json_is_one_canonical_line_and_tables_are_not_empty(
    skerry: Skerry, compiled: Compiled, arguments: list[str]
) -> None:
    words: list[str] = []
    for word in arguments:
        words += {"BUNDLE": [str(compiled.bundle)], "TRUSTING": compiled.trusting}.get(word, [word])
    machine, people = skerry(*words, "--json"), skerry(*words)
    assert machine.code == people.code == 0, machine.err + people.err
    assert machine.out == dumps(json.loads(machine.out)).decode() + "\n"
    assert len(people.out.splitlines()) > 3
    assert is_tidy(people.out)


def test_verify_shows_what_the_bundle_was_made_from(skerry: Skerry, compiled: Compiled) -> None:
    found = json.loads(skerry("verify", compiled.bundle, *compiled.trusting, "--json").out)
    assert found["made_from"].keys() >= {"model", "contract", "calibration", "evaluation"}
    assert found["made_from"]["model"] == sha256_digest(MODEL.read_bytes())
    assert "onnx" in found["toolchain"]
    people = skerry("verify", compiled.bundle, *compiled.trusting).out
    assert all(digest in people for digest in found["made_from"].values())
