"""``skerry compile``: profiles that fail, --strict, --race, and fallbacks that nothing was compiled for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.openvino_device import shared_core
from skerry.exit_codes import ExitCode
from tests.skerry.samples import EXAMPLE, Compiled, Done, is_tidy

Skerry = Callable[..., Done]
MODEL = EXAMPLE / "digits.onnx"

RACER = """\
schema = 1
name = "racer"
title = "two runtimes"
runtime = "onnxruntime"
precision = "fp32"
numeric_class = "host-exact"

[[race]]
runtime = "openvino"
precision = "fp32"

[[race]]
runtime = "tpu9"
precision = "fp32"
"""

without_npu = pytest.mark.skipif("NPU" in shared_core().available_devices, reason="this machine has an NPU")


@without_npu
def test_a_profile_that_fails_is_named_and_the_others_are_made(
    skerry: Skerry, compiled: Compiled, tmp_path: Path
) -> None:
    arguments = ("compile", MODEL, *compiled.signing, "--profile", "openvino-npu", "--profile", "cpu-fp32")
    done = skerry(*arguments, "--out", tmp_path / "a", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert [variant["manifest"]["profile"] for variant in result["variants"]] == ["cpu-fp32"]
    (refused,) = result["refused"]
    assert refused["profile"] == "openvino-npu"
    assert "expected NPU, got CPU" in json.dumps(refused)
    done = skerry(*arguments, "--out", tmp_path / "b")
    assert done.code == 0
    assert "openvino-npu" in done.out
    assert is_tidy(done.out)


@without_npu
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--profile", "openvino-npu", "--profile", "cpu-fp32", "--strict"), id="strict"),
        pytest.param(("--profile", "openvino-npu"), id="none-is-left"),
    ],
)
def test_its_error_is_the_command_s(
    skerry: Skerry, compiled: Compiled, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = skerry("compile", MODEL, *compiled.signing, "--out", tmp_path / "b", *arguments)
    assert done.code == ExitCode.UNAVAILABLE
    assert "device: expected NPU, got CPU" in done.err
    assert "Linux wheel has none" in " ".join(done.err.split())
    assert not (tmp_path / "b").exists()


def test_a_race_keeps_one_variant_and_tells_of_the_field(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    (tmp_path / "racer.toml").write_text(RACER)
    options = ("--profile", "racer", "--profiles-dir", tmp_path, "--race", "--strict", "--json")
    done = skerry("compile", MODEL, *compiled.signing, "--out", tmp_path / "b", *options)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["refused"] == []
    (race,) = result["races"]
    field = {one["runtime"]: one for one in race["field"]}
    assert set(field) == {"onnxruntime", "openvino", "tpu9"}
    (winner,) = [one for one in race["field"] if one["won"]]
    (variant,) = result["variants"]
    assert variant["manifest"]["runtime"] == winner["runtime"]
    assert "expected one of" in field["tpu9"]["refusal"]


def test_a_fallback_that_nothing_was_made_for_is_told(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    contract = tmp_path / "contract.toml"
    chain = '\n[fallback]\nprofiles = ["cpu-fp32", "cpu-in8"]\n'
    contract.write_text((EXAMPLE / "contract.toml").read_text() + chain)
    options = ("--contract", contract, "--profile", "cpu-fp32", "--json")
    done = skerry("compile", MODEL, *compiled.signing, "--out", tmp_path / "b", *options)
    assert done.code == 0, done.err
    assert done.err == "skerry: fallback.profiles of the contract: no variant was made for cpu-in8\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("none.onnx",), "no model named 'none.onnx'", id="no such model"),
        pytest.param((MODEL, "--html", "nowhere/a.html"), "nowhere/a.html: No such file or directory", id="page"),
        pytest.param((MODEL, "--tar", MODEL / "a.tar"), "a.tar: Not a directory", id="archive"),
    ],
)
def test_what_cannot_be_read_or_written_is_told_before_the_work(
    skerry: Skerry, compiled: Compiled, tmp_path: Path, arguments: tuple[str | Path, ...], said: str
) -> None:
    done = skerry("compile", *arguments, *compiled.signing, "--out", tmp_path / "a")
    assert done.code == ExitCode.BAD_INPUT
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "a").exists()


@without_npu
def test_where_nothing_is_left_every_refusal_is_told(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "abacus.toml").write_text(
        RACER.partition("[[race]]")[0].replace("racer", "abacus").replace("onnxruntime", "tpu9")
    )
    names = ("--profile", "openvino-npu", "--profile", "abacus", "--profiles-dir", folder)
    done = skerry("compile", MODEL, *compiled.signing, *names, "--out", tmp_path / "a")
    assert done.code == ExitCode.UNAVAILABLE
    error = done.err.partition("skerry: error: ")[2].splitlines()
    assert "expected NPU, got CPU" in error[0]
    assert error[1] == "  refused: openvino-npu, pass lower"
    assert error[2].startswith("  refused: abacus, pass lower: ")
    assert error[3].startswith("advice: ")
