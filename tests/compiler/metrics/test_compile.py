"""A user's metric through a whole compile, and again from the bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.compile import compile_bundle
from compiler.recomputing.recompute import recompute
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import DigestMismatchError, InvalidInputError
from edge_bundle.proof import Interval
from tests.compiler.models import classifier, contract_text, verified, write_job

SOURCE = "def near(outputs, targets):\n    return 1.0 - abs(outputs - targets).max(axis=1)\n"
ROWS = np.random.default_rng(4).normal(size=(40, 4)).astype(np.float32)
SLICES = np.array(["left", "right"] * 20)


def test_a_users_metric_is_signed_and_found_again(tmp_path: Path) -> None:
    contract = contract_text(
        inputs={"x": (-1, 4)},
        outputs={"y": (-1, 3)},
        accuracy='metric = "function"\nfunction = "near.py:near"\nagainst = "reference"\nminimum = 0.9\nmax_drop = 0.1',
    )
    metric = tmp_path / "near.py"
    metric.write_text(SOURCE)
    evaluation = {"x": ROWS, "slice": SLICES}
    request = write_job(
        tmp_path, classifier().SerializeToString(), contract, calibration={"x": ROWS}, evaluation=evaluation,
        profiles=("cpu-fp32", "cpu-int8"),
    )  # fmt: skip
    release = verified(compile_bundle(request).bundle_dir)
    assert release.provenance.digests["metric"] == sha256_digest(SOURCE.encode())
    proof = release.proofs["cpu-int8"]
    assert proof.accuracy.interval is Interval.BOOTSTRAP
    assert set(proof.slices) == {"left", "right"}
    assert proof.paired is not None
    assert proof.paired.test == "permutation"
    assert proof.paired.drop == pytest.approx(1.0 - proof.accuracy.value)
    assert release.proofs["cpu-fp32"].accuracy.value == 1.0
    rows = recompute(release, request.evaluation_path, model_path=request.model_path)
    assert not [row for row in rows if row.ok is False]
    assert [row.ok for row in rows if row.figure == "accuracy"] == [True, True]
    metric.write_text(SOURCE.replace("1.0", "2.0"))
    with pytest.raises(DigestMismatchError, match=r"metric near.py:near"):
        recompute(release, request.evaluation_path)
    metric.unlink()
    with pytest.raises(InvalidInputError, match=r"near.py: expected the Python file"):
        recompute(release, request.evaluation_path)


def test_without_the_model_agreement_with_it_is_not_recomputed(tmp_path: Path) -> None:
    contract = contract_text(
        inputs={"x": (-1, 4)}, outputs={"y": (-1, 3)}, accuracy='metric = "mae"\nagainst = "reference"\nmax_drop = 0.1'
    )
    data = classifier().SerializeToString()
    request = write_job(tmp_path, data, contract, calibration={"x": ROWS}, evaluation={"x": ROWS})
    release = verified(compile_bundle(request).bundle_dir)
    rows = recompute(release, request.evaluation_path)
    assert [row.ok for row in rows if row.figure == "accuracy"] == [None]
    again = recompute(release, request.evaluation_path, model_path=request.model_path)
    assert [row.ok for row in again if row.figure == "accuracy"] == [True]
