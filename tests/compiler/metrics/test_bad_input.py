"""What is wrong with a set, a contract or a user's function is named: file, key, expected, found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.measuring.fresh_process import own_peak_rss
from compiler.measuring.runner import score
from compiler.metrics import function_file, function_process
from compiler.metrics.judge import Judge
from edge_bundle.errors import EngineError, InvalidInputError, LimitExceededError
from edge_bundle.proof import Interval
from edge_runtime.arrays import to_tensor
from edge_runtime.engine import Engine
from tests.compiler.metrics.worlds import contract, evaluation, judge

OUTPUTS = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)
MIXED = np.array([0, 1, 0, 1, 1, 0])


@pytest.mark.parametrize(
    ("accuracy", "labels", "texts"),
    [
        pytest.param("", None, ("labels: expected 6 integers, one per sample", "no such array"), id="top1 without"),
        pytest.param("", MIXED / 2, ("expected 6 integers", "float64 of shape (6,)"), id="top1 of fractions"),
        pytest.param("", MIXED[:, None], ("expected 6 integers", "int64 of shape (6, 1)"), id="top1 of columns"),
        pytest.param("", MIXED + 4, ("expected class numbers from 0 to 4", "got 5"), id="beyond the classes"),
        pytest.param("", MIXED - 1, ("expected class numbers from 0 to 4", "got -1"), id="below the classes"),
        pytest.param('metric = "mae"', None, ("numbers of shape (6, 5), one output per sample",), id="mae without"),
        pytest.param('metric = "mae"', MIXED, ("numbers of shape (6, 5)", "int64 of shape (6,)"), id="mae of classes"),
        pytest.param('metric = "cosine"', OUTPUTS * np.nan, ("finite numbers", "NaN or infinity"), id="cosine of NaN"),
        pytest.param(
            'metric = "mae"',
            OUTPUTS.astype(float) + 1e308,
            ("numbers up to 1.7e+38", "got 1e+308"),
            id="mae of the huge",
        ),
        pytest.param('metric = "exact-match"', OUTPUTS[:, :3], ("float32 of shape (6, 3)",), id="match of others"),
    ],
)
def test_labels_that_do_not_fit(accuracy: str, labels: NDArray[Any] | None, texts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        judge(accuracy, evaluation(6, labels))
    for text in ("evaluation.npz: labels", *texts):
        assert text in str(refusal.value)
    assert labels is not None or "accuracy.against" in refusal.value.advice


@pytest.mark.parametrize(
    ("labels", "slices", "text"),
    [
        pytest.param(np.ones(6, int), (), "labels: expected both labels, 0 and 1, got only label 1", id="one class"),
        pytest.param(
            MIXED,
            tuple("nndddn"),
            r"slice: expected both .* in every slice, got .* in 'd' \(3 samples\)",
            id="in a slice",
        ),
        pytest.param(MIXED * 2, (), "class numbers from 0 to 1, got 2", id="three classes"),
    ],
)
def test_areas_need_both_classes(labels: NDArray[Any], slices: tuple[str, ...], text: str) -> None:
    mixed = labels.copy()
    if slices:
        mixed[[2, 3, 4]] = 1
    with pytest.raises(InvalidInputError, match=text):
        judge('metric = "auc"', evaluation(6, mixed, slices), shape=(-1, 1))


@pytest.mark.parametrize(
    ("accuracy", "shape", "text"),
    [
        pytest.param("", (-1,), r"accuracy.output: expected an output of shape \[batch, classes\]", id="no classes"),
        pytest.param("", (-1, 3, 3), r"accuracy.output: .* got 'y' of shape \[-1, 3, 3\]", id="a map"),
        pytest.param("", (2, 3), "accuracy.output", id="two rows"),
        pytest.param("", (-1, 1), "accuracy.metric: expected a metric that fits the one number of 'y'", id="one score"),
        pytest.param('metric = "auc"', (-1, 3), "one number per sample, or of two classes", id="auc of three"),
        pytest.param(
            'metric = "top-k"\nk = 6', (-1, 5), "accuracy.k: expected at most 5, the classes", id="k too large"
        ),
    ],
)
def test_outputs_that_do_not_suit(accuracy: str, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        judge(accuracy, evaluation(6, MIXED), shape=shape)


@pytest.mark.parametrize(
    ("accuracy", "text"),
    [
        pytest.param('metric = "auc"\nagainst = "reference"', "accuracy.against", id="auc against fp32"),
        pytest.param('metric = "mae"\nminimum = 0.5', "accuracy.minimum", id="mae from below"),
        pytest.param('metric = "top-k"', "accuracy.k", id="no k"),
        pytest.param('metric = "function"', "accuracy.function", id="no function"),
    ],
)
def test_contracts_that_contradict_themselves(accuracy: str, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        contract(accuracy)


def _function(folder: Path, source: str, *, labels: NDArray[Any] | None = MIXED, slices: tuple[str, ...] = ()) -> Judge:
    (folder / "metric.py").write_text(source)
    return judge('metric = "function"\nfunction = "metric.py:score"', evaluation(6, labels, slices), folder=folder)


def test_a_function_of_the_whole_set(tmp_path: Path) -> None:
    source = "def score(outputs, targets):\n    print('said')\n    return (outputs.argmax(axis=1) == targets).mean()\n"
    over = _function(tmp_path, source, slices=tuple("aabbbb"))
    scored = over.score(OUTPUTS)
    right = OUTPUTS.argmax(axis=1) == MIXED
    proof = over.accuracy(scored)
    assert proof.value == proof.low == proof.high == right.mean()
    assert proof.interval is Interval.NONE
    assert {name: part.value for name, part in over.slices(scored).items()} == {
        "a": right[:2].mean(),
        "b": right[2:].mean(),
    }
    assert over.paired(scored, scored) is None


def test_a_function_of_each_sample_sees_the_inputs(tmp_path: Path) -> None:
    source = "def score(outputs, targets, *, inputs):\n    return inputs['x'][:, 0] + targets\n"
    over = _function(tmp_path, source, slices=tuple("aabbbb"))
    scored = over.score(OUTPUTS)
    each = np.arange(0, 24, 4) + MIXED
    proof = over.accuracy(scored)
    assert proof.value == each.mean()
    assert proof.low < proof.value < proof.high
    assert proof.interval is Interval.BOOTSTRAP
    assert over.slices(scored)["a"].value == each[:2].mean()
    assert over.function_digest == function_file.read_function("metric.py:score", tmp_path).digest


def test_a_function_against_the_reference_needs_no_labels(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def score(outputs, targets):\n    return -abs(outputs - targets).max()\n")
    asked = 'metric = "function"\nfunction = "m.py:score"\nagainst = "reference"'
    over = judge(asked, evaluation(6), folder=tmp_path).knowing(OUTPUTS)
    assert over.score(OUTPUTS).value == 0.0


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("def score(", "expected a Python file", id="no Python"),
        pytest.param("def other(a, b): ...", "metric.py: score: expected a function of that name, got functions: other", id="no such"),
        pytest.param("def score(a): ...", r"expected a function of \(outputs, targets\)", id="one parameter"),
        pytest.param("def score(a, b):\n    return a.nothing", "AttributeError: .*nothing", id="it raises"),
        pytest.param("import none_such\ndef score(a, b): ...", "ModuleNotFoundError: .*none_such", id="it imports"),
        pytest.param("def score(a, b):\n    return a", r"one number, or one for each of 6 samples, got float32 of shape \(6, 5\)", id="a table"),
        pytest.param("def score(a, b):\n    return 'good'", "one number, or one for each", id="a word"),
        pytest.param("def score(a, b):\n    return None", "TypeError: expected numbers", id="nothing"),
        pytest.param("def score(a, b):\n    import numpy\n    return numpy.zeros(10**6)", r"each of 6 samples, got 8000128 bytes", id="a flood of numbers"),
        pytest.param("def score(a, b):\n    import numpy\n    return numpy.longdouble('1e4000')", "finite numbers", id="beyond float64"),
        pytest.param("def score(a, b):\n    return [1e308] * 6", "finite numbers", id="sums beyond float64"),
        pytest.param("def score(a, b):\n    import os\n    os.abort()", "a result, got crashed: SIGABRT", id="it crashes"),
        pytest.param("def score(a, b):\n    return float('nan')", "finite numbers up to 3e[+]150, got NaN", id="NaN"),
        pytest.param("def score(a, b):\n    import os\n    os._exit(3)", "a result, got failed with exit status 3", id="it exits"),
        pytest.param("def score(a, b):\n    import os\n    os._exit(0)", "a result, got no result", id="it leaves quietly"),
    ],
)  # fmt: skip
def test_functions_that_fail(tmp_path: Path, source: str, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text) as refusal:
        _function(tmp_path, source).score(OUTPUTS)
    assert "metric.py" in str(refusal.value)


def test_a_function_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_process, "TIMEOUT_S", 1.0)
    with pytest.raises(InvalidInputError, match=r"metric.py: score: expected an answer within 1 s, got none"):
        _function(tmp_path, "def score(a, b):\n    while True: pass\n").score(OUTPUTS)


def test_a_function_that_floods_its_output(tmp_path: Path) -> None:
    source = "import os\ndef score(a, b):\n    for _ in range(2000): os.write(1, b'x' * 65536)\n    return 1.0\n"
    over = _function(tmp_path, source)
    before = own_peak_rss()
    assert over.score(OUTPUTS).value == 1.0
    assert own_peak_rss() - before < 32 << 20, "131 MB were written"


def test_a_function_that_leaves_a_child_behind(tmp_path: Path) -> None:
    """It holds the pipe of the function's output, and would be waited for."""
    source = (
        "import pathlib, subprocess\n"
        f"def score(a, b):\n    child = subprocess.Popen(['sleep', '600'])\n"
        f"    pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n    return 1.0\n"
    )
    assert _function(tmp_path, source).score(OUTPUTS).value == 1.0
    child = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("place", ["/dev/zero", "a pipe"])
def test_a_function_file_without_an_end(tmp_path: Path, place: str) -> None:
    path = tmp_path / "metric.py"
    if place == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(place)
    with pytest.raises(InvalidInputError, match=r"metric.py: expected a regular file, got"):
        function_file.read_function("metric.py:score", tmp_path)


@pytest.mark.parametrize(
    "source", ["(" * 100_000, "-" * 100_000 + "1", "a" + ".b" * 100_000, "x = " + "[" * 5000 + "]" * 5000]
)
def test_a_function_file_that_nests_without_end(tmp_path: Path, source: str) -> None:
    (tmp_path / "metric.py").write_text(source)
    with pytest.raises(InvalidInputError, match=r"metric.py: expected a Python file"):
        function_file.read_function("metric.py:score", tmp_path)


def test_outputs_whose_squares_are_no_numbers() -> None:
    """They would fail when the proof is written, after all the work."""
    engine = Mock(Engine, runtime_version="1.0")
    engine.run.return_value = {"y": to_tensor(np.full((1, 5), 1e300))}
    with pytest.raises(EngineError, match=r"sample 0, output 'y': expected finite scores, got .* beyond 3e\+150"):
        score(engine, evaluation(6), contract("").scored)


def test_a_missing_or_huge_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInputError, match=r"none.py: expected the Python file that accuracy.function names"):
        function_file.read_function("none.py:score", tmp_path)
    (tmp_path / "metric.py").write_text("def score(a, b): ...")
    monkeypatch.setattr(function_file, "MAX_BYTES", 10)
    with pytest.raises(LimitExceededError, match="at most 10 bytes"):
        function_file.read_function("metric.py:score", tmp_path)
