"""A variant for Qualcomm's tensor processor on a node: proven in the emulator, refused where the chip is another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.compile import compile_bundle
from edge_agent.activate import prove
from edge_bundle.errors import WrongTargetError
from edge_bundle.proof import Execution
from edge_bundle.walk import VerifiedVariant
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.qnn import device
from edge_runtime.qnn.device import Host
from tests.compiler.models import DIGITS, digits_request, verified
from tests.edge_runtime.qnn.contexts import needs_toolchain

PROFILE = "qnn-htp-v73"

pytestmark = needs_toolchain


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("qnn") / "bundle"
    compile_bundle(digits_request(out, PROFILE))
    return out


@pytest.fixture(scope="module")
def variant(bundle: Path) -> VerifiedVariant:
    return verified(bundle).variants[PROFILE]


def test_the_proof_says_what_ran(variant: VerifiedVariant) -> None:
    proof = variant.proof
    assert proof.measured_on.execution is Execution.EMULATOR
    assert proof.latency is None
    assert proof.placement is not None
    assert (proof.placement.device, proof.placement.share, proof.placement.elsewhere) == ("htp-v73", 1.0, ())
    assert proof.accuracy.value > 0.95
    assert variant.manifest.options == {"htp-arch": "v73", "soc": "SM8550", "performance": "burst"}
    assert variant.manifest.toolchain["onnxruntime-qnn"]


def test_a_node_proves_and_runs_it(variant: VerifiedVariant) -> None:
    with np.load(DIGITS / "evaluation.npz") as found:
        images = found["image"][:3]
    served = prove(variant)
    with served.engine as engine:
        answers = to_array(engine.run({"image": to_tensor(images)})["probabilities"])
    assert answers.shape == (3, 10)
    assert np.allclose(answers.sum(axis=1), 1, atol=0.05)


def test_a_node_with_another_chip_refuses_it(variant: VerifiedVariant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "this_host", lambda: Host(emulated=False, soc_id=618))
    with pytest.raises(WrongTargetError, match=r"expected code for HTP v79, got HTP v73 \(SM8550\)"):
        prove(variant)


@pytest.mark.heavy
def test_the_same_bundle_every_time(bundle: Path, tmp_path: Path) -> None:
    again = compile_bundle(digits_request(tmp_path / "again", PROFILE))
    assert again.bundle_digest == verified(bundle).bundle_digest
