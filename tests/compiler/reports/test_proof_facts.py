"""A proof in words: nothing is left out, and what was not measured is not claimed."""

from __future__ import annotations

import msgspec
import pytest

from compiler.compile import CompileResult
from compiler.reports.proof_facts import proof_facts
from edge_bundle.contract import Metric
from edge_bundle.proof import (
    AccuracyProof,
    DeterminismProof,
    EstimateProof,
    Execution,
    Interval,
    KeptLayer,
    PlacementProof,
    Proof,
    QuantizationProof,
)


@pytest.fixture
def proof(digits: CompileResult) -> Proof:
    return next(variant.proof for variant in digits.variants if variant.proof.profile == "cpu-fp32")


def test_every_figure_is_there(proof: Proof) -> None:
    facts = proof_facts(proof)
    accuracy, latency = proof.accuracy, proof.latency
    assert latency
    assert facts["accuracy"] == (
        f"top1 {accuracy.value * 100:.2f} % ({accuracy.low * 100:.2f}-{accuracy.high * 100:.2f}), "
        f"{accuracy.correct} of 500, 95 % by wilson"
    )
    assert facts["accuracy of ink-heavy"].startswith("top1 ")
    assert f"p90 {latency.p90_us:.1f} us" in facts["latency"]
    assert facts["placement"] == "the CPU, as there is nothing else"
    assert facts["numeric class"] == "host-exact"
    assert facts["repeats"] == "16 samples, 3 times by one engine, 2 engines, 3 processes: not one bit differs"
    assert facts["thread counts"] in (
        "not tried",
        f"{', '.join(map(str, proof.determinism.threads))}: not one bit differs",
    )
    assert facts["batch places"] == "each of 8 places: not one bit differs"
    assert facts["agreement with fp32"].startswith("first answers 100.00 %, cosine 1.000000, every bit equal")
    assert facts["against fp32"].startswith("worse by 0.00 points")
    assert facts["measured by"].endswith("1 thread, the device's own runtime")
    assert facts["evaluation set"] == proof.evaluation_digest


def test_what_stands_in_for_a_device_claims_no_speed(proof: Proof) -> None:
    facts = proof_facts(
        msgspec.structs.replace(
            proof,
            latency=None,
            measured_on=msgspec.structs.replace(proof.measured_on, execution=Execution.STAND_IN),
            estimate=EstimateProof(tool="vela 5.2.0", latency_us=123.4, cycles=45678, sram_bytes=90_000, flash_bytes=1000),
            placement=PlacementProof(device="ethos-u55", nodes=4, on_device=3, elsewhere=("Softmax s",)),
        )
    )  # fmt: skip
    assert facts["latency"] == "not measured: the file before the vendor's last tool says nothing of speed"
    assert facts["estimate"] == (
        "123.4 us, 45,678 cycles, 90.0 kB SRAM, 1.0 kB flash; expected by vela 5.2.0, never measured"
    )
    assert facts["placement"] == "3 of 4 nodes on ethos-u55 (75.0 %); on the CPU: Softmax s"


def test_one_number_without_an_interval(proof: Proof) -> None:
    one = AccuracyProof(
        metric=Metric.FUNCTION, samples=7, value=0.125, low=0.125, high=0.125, interval=Interval.NONE
    )  # fmt: skip
    facts = proof_facts(msgspec.structs.replace(proof, accuracy=one, slices={}, paired=None))
    assert facts["accuracy"] == "function 0.125, 7 samples"
    assert facts["against fp32"] == "no test: the metric gives one number for all samples"


def test_bits_that_differ_and_what_was_not_tried(proof: Proof) -> None:
    shaky = DeterminismProof(samples=4, repeats=2, engines=2, processes=2, repeatable=False)
    facts = proof_facts(msgspec.structs.replace(proof, determinism=shaky))
    assert facts["repeats"].endswith("bits differ")
    assert (facts["thread counts"], facts["batch places"]) == ("not tried", "not tried")


def test_layers_that_were_kept(proof: Proof) -> None:
    kept = KeptLayer(layer="conv1", operator="Conv", precision="float", reason="12.1 dB alone")
    made = QuantizationProof(
        scheme="uint8 x int8", quantized=9, kept=(kept,), calibration_digest="sha256:ab", calibration_samples=200
    )
    facts = proof_facts(msgspec.structs.replace(proof, quantization=made))
    assert facts["quantization"] == "uint8 x int8, 9 layers quantized, 1 kept"
    assert facts["kept conv1"] == "Conv in float: 12.1 dB alone"
    assert facts["calibration set"] == "sha256:ab, 200 samples"
