from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from skerry.exit_codes import ExitCode
from tests.skerry.samples import EXAMPLE, Compiled, Done, is_tidy

Skerry = Callable[..., Done]

SHORT = ("--duration", "0.05")


@pytest.mark.parametrize(
    ("scenario", "metric", "queries"),
    [
        ("single-stream", "p90 latency", 64),
        ("multi-stream", "p99 latency", 662),
        ("server", "queries per second", 662),
        ("offline", "samples per second", 1),
    ],
)
def test_every_scenario(
    skerry: Skerry, compiled: Compiled, tmp_path: Path, scenario: str, metric: str, queries: int
) -> None:
    options = ["--scenario", scenario, "--evaluation", EXAMPLE / "evaluation.npz", "--out", tmp_path / "found.json"]
    # A rate far below what any machine answers: the search has tests of its own, under a clock of their own.
    rate = ["--target-qps", "500", "--target-latency-ms", "1000"]
    done = skerry("bench", compiled.bundle, *options, *rate, *SHORT, *compiled.trusting, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert json.loads((tmp_path / "found.json").read_text()) == found
    assert [one["profile"] for one in found["results"]] == ["cpu-fp32", "cpu-int8"]
    for one in found["results"]:
        assert one["valid"]
        assert one["metric"] == metric
        assert one["queries"] >= queries
        assert one["verified"]
        assert one["settings"]["caches"].startswith("off")
        assert one["settings"]["distinct_samples"] == 500
        assert one["machine"]["runtime"] == "onnxruntime"
        assert one["machine"]["threads"] == 1


def test_the_table(skerry: Skerry, compiled: Compiled) -> None:
    done = skerry(
        "bench", compiled.bundle, "--scenario", "single-stream", "--unverified", "--profile", "cpu-fp32", *SHORT
    )
    assert done.code == 0, done.err
    assert is_tidy(done.out)
    for words in ("digits 1.0.0, single-stream", "p90 latency", "valid", "golden vectors", "not looked at", "caches"):
        assert words in done.out
    assert "cpu-int8" not in done.out


def test_an_invalid_run_says_why(skerry: Skerry, compiled: Compiled) -> None:
    impossible = ("--target-qps", "500", "--target-latency-ms", "0.0001")
    done = skerry("bench", compiled.bundle, "--scenario", "server", *impossible, *SHORT, *compiled.trusting)
    assert done.code == ExitCode.CHECK_FAILED
    assert is_tidy(done.out)
    assert "INVALID" in done.out
    assert "queries took longer than 0.0001 ms" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        pytest.param((), ExitCode.USAGE, "--owner-key", id="neither keys nor unverified"),
        pytest.param(("--unverified", "--profile", "nope"), ExitCode.BAD_INPUT, "nope", id="no such variant"),
        pytest.param(("--unverified", "--evaluation", "nope.npz"), ExitCode.BAD_INPUT, "nope.npz", id="no such file"),
    ],
)
def test_bad_calls(skerry: Skerry, compiled: Compiled, options: tuple[str, ...], code: ExitCode, words: str) -> None:
    done = skerry("bench", compiled.bundle, "--scenario", "single-stream", *options)
    assert done.code == code
    assert words in done.err


def test_a_stranger_is_not_trusted(skerry: Skerry, compiled: Compiled) -> None:
    done = skerry("bench", compiled.bundle, "--scenario", "offline", "--owner-key", compiled.keys / "mallory.pub")
    assert done.code == ExitCode.REFUSED


def test_what_nothing_here_runs_is_left_out(
    skerry: Skerry, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulated = {"cpu-int8": "run by the emulator"}
    monkeypatch.setattr(
        "compiler.mlperf.measure.not_the_device", lambda subject: emulated.get(subject.manifest.profile, "")
    )
    done = skerry("bench", compiled.bundle, "--scenario", "single-stream", "--unverified", *SHORT)
    assert done.code == 0
    assert "left out" in done.out
    assert "run by the emulator" in done.out
    emulated["cpu-fp32"] = "run by the emulator"
    done = skerry("bench", compiled.bundle, "--scenario", "single-stream", "--unverified", *SHORT)
    assert done.code == ExitCode.BAD_INPUT
    assert "name one with --profile" in done.err
    named = ("--profile", "cpu-int8", "--profile", "cpu-fp32")
    done = skerry("bench", compiled.bundle, "--scenario", "single-stream", "--unverified", *named, *SHORT)
    assert done.code == ExitCode.CHECK_FAILED
    assert "INVALID" in done.out
    assert done.out.index("cpu-int8") < done.out.index("cpu-fp32")
