"""A proof in full, for a table of two columns: one name and one text for every figure."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.metrics.text import amount_text, interval_text
from edge_bundle.contract import Metric
from edge_bundle.proof import (
    AccuracyProof,
    AgreementProof,
    DeterminismProof,
    EstimateProof,
    Execution,
    Interval,
    LatencyProof,
    MeasuredOn,
    PairedProof,
    PlacementProof,
    Proof,
    QuantizationProof,
)

KB, MIB = 1000, 1 << 20

_EXECUTIONS = {
    Execution.DEVICE: "the device's own runtime",
    Execution.EMULATOR: "the vendor's emulator",
    Execution.SIMULATOR: "the vendor's simulator",
    Execution.STAND_IN: "the file before the vendor's last tool",
}


def proof_facts(proof: Proof) -> dict[str, str]:
    """Name -> text, in the order of reading."""
    return dict(_facts(proof))


def _facts(proof: Proof) -> Iterator[tuple[str, str]]:
    yield "variant", proof.variant_digest
    yield "precision", proof.precision.value
    yield "accuracy", _accuracy(proof.accuracy)
    yield from ((f"accuracy of {name}", _accuracy(part)) for name, part in sorted(proof.slices.items()))
    yield "against fp32", _paired(proof.accuracy.metric, proof.paired)
    yield "agreement with fp32", _agreement(proof.agreement)
    yield "latency", _latency(proof.latency, proof.measured_on.execution)
    if proof.estimate:
        yield "estimate", _estimate(proof.estimate)
    yield "peak memory", f"{proof.peak_rss_bytes / MIB:.1f} MiB of a fresh process"
    yield "artifact", f"{proof.artifact_bytes / KB:.1f} kB"
    yield "placement", _placement(proof.placement)
    yield "numeric class", proof.numeric_class.value
    yield from _determinism(proof.determinism)
    if proof.quantization:
        yield from _quantization(proof.quantization)
    yield "evaluation set", proof.evaluation_digest
    yield "measured on", _machine(proof.measured_on)
    yield "measured by", _runtime(proof.measured_on)
    yield "measured at", proof.measured_at


def _accuracy(proof: AccuracyProof) -> str:
    counted = f", {proof.correct} of {proof.samples}" if proof.correct is not None else f", {proof.samples} samples"
    by = "" if proof.interval is Interval.NONE else f", 95 % by {proof.interval.value}"
    return f"{proof.metric.value} {interval_text(proof)}{counted}{by}"


def _paired(metric: Metric, proof: PairedProof | None) -> str:
    if proof is None:
        return "no test: the metric gives one number for all samples"
    low, high = amount_text(metric, proof.low), amount_text(metric, proof.high)
    counts = f"{proof.worse} samples worse, {proof.better} better, p = {proof.p_value:.3g} ({proof.test})"
    return f"worse by {amount_text(metric, proof.drop)} ({low} to {high}), {counts}"


def _agreement(proof: AgreementProof) -> str:
    parts = [f"first answers {proof.top1 * 100:.2f} %"] if proof.top1 is not None else []
    parts.append(f"cosine {proof.cosine:.6f}")
    parts.append("every bit equal" if proof.sqnr_db is None else f"SQNR {proof.sqnr_db:.2f} dB")
    return ", ".join([*parts, f"differences of {proof.mean_abs_diff:.3g} on average, {proof.max_abs_diff:.3g} at most"])


def _latency(proof: LatencyProof | None, execution: Execution) -> str:
    if proof is None:
        return f"not measured: {_EXECUTIONS[execution]} says nothing of speed"
    return f"p50 {proof.p50_us:.1f} us, p90 {proof.p90_us:.1f} us, p99 {proof.p99_us:.1f} us over {proof.runs} runs"


def _estimate(proof: EstimateProof) -> str:
    memory = f"{proof.sram_bytes / KB:.1f} kB SRAM, {proof.flash_bytes / KB:.1f} kB flash"
    memory += f", {proof.dram_bytes / KB:.1f} kB DRAM" if proof.dram_bytes else ""
    return f"{proof.latency_us:.1f} us, {proof.cycles:,} cycles, {memory}; expected by {proof.tool}, never measured"


def _placement(proof: PlacementProof | None) -> str:
    if proof is None:
        return "the CPU, as there is nothing else"
    rest = f"; on the CPU: {', '.join(proof.elsewhere)}" if proof.elsewhere else ""
    return f"{proof.on_device} of {proof.nodes} nodes on {proof.device} ({proof.share * 100:.1f} %){rest}"


def _determinism(proof: DeterminismProof) -> Iterator[tuple[str, str]]:
    runs = f"{proof.samples} samples, {proof.repeats} times by one engine"
    yield "repeats", f"{runs}, {proof.engines} engines, {proof.processes} processes: {_verdict(proof.repeatable)}"
    counts = ", ".join(map(str, proof.threads))
    yield "thread counts", f"{counts}: {_verdict(proof.threads_agree)}" if proof.threads else "not tried"
    places = f"each of {proof.batch_positions} places: {_verdict(proof.batches_agree)}"
    yield "batch places", places if proof.batch_positions else "not tried"


def _verdict(same: bool | None) -> str:
    return "not one bit differs" if same else "bits differ"


def _quantization(proof: QuantizationProof) -> Iterator[tuple[str, str]]:
    yield "quantization", f"{proof.scheme}, {proof.quantized} layers quantized, {len(proof.kept)} kept"
    for layer in proof.kept:
        yield f"kept {layer.layer}", f"{layer.operator} in {layer.precision}: {layer.reason}"
    if proof.calibration_digest:
        yield "calibration set", f"{proof.calibration_digest}, {proof.calibration_samples} samples"


def _machine(measured: MeasuredOn) -> str:
    return f"{measured.cpu}, {measured.arch}, {measured.cores} cores, {measured.os}"


def _runtime(measured: MeasuredOn) -> str:
    threads = f"{measured.threads} thread{'s' if measured.threads > 1 else ''}"
    return f"{measured.runtime} {measured.runtime_version}, {threads}, {_EXECUTIONS[measured.execution]}"
