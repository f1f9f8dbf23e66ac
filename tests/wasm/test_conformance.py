"""Every direct node test of the ONNX package, as ``make conformance`` runs them."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.conformance.report import PASSED_TARGET
from benchmarks.conformance.run import run_cases
from benchmarks.conformance.verdict import Outcome


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_no_answer_is_wrong() -> None:
    verdicts = run_cases("", lambda _: None, lambda _: None)
    wrong = {verdict.case: verdict.reason for verdict in verdicts if verdict.outcome is Outcome.WRONG}
    assert wrong == {}
    assert Counter(verdict.outcome for verdict in verdicts)[Outcome.PASSED] >= PASSED_TARGET
    assert all(verdict.operator and verdict.reason for verdict in verdicts if verdict.outcome is Outcome.REFUSED)
