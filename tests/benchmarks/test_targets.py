from __future__ import annotations

import io
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from benchmarks.targets.attempt import attempt
from benchmarks.targets.matrix import matrix, matrix_markdown, refusals, refusals_markdown
from benchmarks.targets.models import DIGITS, prepare_models
from benchmarks.targets.outcome import Outcome, Status, failed, refused, write_outcomes
from benchmarks.targets.run import run_group
from edge_bundle.errors import DeviceMissingError
from hardware_profiles.loader import load_profile

NO_NPU = DeviceMissingError(runtime="openvino", expected="NPU", got="CPU")


def _outcomes() -> list[Outcome]:
    def made(model: str, profile: str, **changes: object) -> Outcome:
        row = {"name": f"{model}/{profile}", "model": model, "profile": profile, "status": Status.COMPILED, **changes}
        return Outcome(**row)  # type: ignore[arg-type]

    return [
        made("kws", "cpu-fp32", runtime="onnxruntime", precision="fp32", agreement=1.0, p50_us=12.4, execution="device"),
        made(
            "kws", "qnn-v73", runtime="qnn", precision="int8", sqnr_db=31.24, agreement=0.995, execution="emulator",
            placement_pct=100.0, kept_layers=2,
        ),
        made(
            "ad", "ethos-u55", runtime="ethos-u", precision="int8", sqnr_db=20.0, estimate_us=1234.5,
            placement_pct=98.4, execution="stand-in",
        ),
        refused("ad", "openvino-npu", "openvino", "int8", NO_NPU),
        refused("kws", "openvino-npu", "openvino", "int8", NO_NPU),
        failed("ad", "cpu-fp32", "onnxruntime", "fp32", "crashed: a | b"),
    ]  # fmt: skip


def test_rows_have_what_every_benchmark_writes(tmp_path: Path) -> None:
    write_outcomes(_outcomes(), tmp_path / "targets.json")
    rows = json.loads((tmp_path / "targets.json").read_text())
    for row in rows:
        assert list(row)[:5] == ["name", "value", "unit", "target", "ok"]
        assert row["ok"] is (row["status"] != "failed")
    assert msgspec.convert(rows, list[Outcome]) == _outcomes()


def test_the_page_gets_a_cell_for_each() -> None:
    lines = matrix_markdown(_outcomes()).splitlines()
    assert lines[0] == "| profile | runs on | kws | ad |"
    assert "| `cpu-fp32` | onnxruntime fp32 | lossless, 100.0 % agree, 12 us | failed |" in lines
    assert "| `qnn-v73` | qnn int8 | 31.2 dB, 99.5 % agree, emulator, all on device, 2 kept | |" in lines
    assert "| `ethos-u55` | ethos-u int8 | | 20.0 dB, est. 1,234 us, stand-in, 98 % on device |" in lines
    assert "| `openvino-npu` | openvino int8 | refused | refused |" in lines


def test_reasons_are_told_once() -> None:
    assert refusals(_outcomes()) == [
        ("cpu-fp32", "ad", "crashed: a | b"),
        ("openvino-npu", "ad, kws", "runtime openvino: device: expected NPU, got CPU [DeviceMissingError]"),
    ]
    assert "| `cpu-fp32` | ad | crashed: a \\| b |" in refusals_markdown(_outcomes())
    assert refusals_markdown([]) == "Nothing was refused.\n"


def test_the_terminal_shows_the_same() -> None:
    console = Console(file=io.StringIO(), width=160)
    console.print(matrix(_outcomes()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("31.2 dB", "est. 1,234 us", "refused", "expected NPU, got CPU", "2 kept"):
        assert words in text


def test_profiles_that_are_all_refused_are_tried_alone() -> None:
    found = list(attempt(DIGITS, [load_profile("openvino-npu")]))
    assert [one.status for one in found] == [Status.REFUSED]
    assert found[0].error == "DeviceMissingError"


def test_a_process_for_each_runtime() -> None:
    profiles = [load_profile("openvino-fp32"), load_profile("openvino-npu")]
    found = {one.profile: one for one in run_group(DIGITS, profiles, limit_s=100)}
    assert found["openvino-fp32"].status is Status.COMPILED
    assert found["openvino-fp32"].agreement == 1.0
    assert found["openvino-npu"].status is Status.REFUSED


@pytest.mark.parametrize(
    ("name", "limit_s", "reason"),
    [
        pytest.param("cpu-fp32", 0.01, "took longer than 0.01 s", id="too slow"),
        pytest.param("unknown", 100.0, "crashed: ", id="ends with a trace"),
    ],
)
def test_what_is_no_refusal_failed(name: str, limit_s: float, reason: str) -> None:
    profile = msgspec.structs.replace(load_profile("cpu-fp32"), name=name)
    found = list(run_group(DIGITS, [profile], limit_s=limit_s))
    assert [one.status for one in found] == [Status.FAILED]
    assert found[0].reason.startswith(reason)


def test_models_that_are_not_there(tmp_path: Path) -> None:
    folders, missing = prepare_models(tmp_path / "nowhere", tmp_path / "out")
    assert folders == [DIGITS]
    assert missing == ["kws", "ic", "ad", "mobilenetv2", "silero-vad"]
