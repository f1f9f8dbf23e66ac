"""Signed figures beside those measured again, and which of them hold. Pure rules.

1. Where the same bits are promised (``portable-exact`` anywhere, else the same machine, runtime version and threads),
   figures must be equal; sums and means but for the last digits, since numpy's order of adding depends on the CPU.
2. What is held against the fp32 model, which runs in ONNX Runtime here, must be equal on the same machine only.
3. Elsewhere accuracy holds if it lies in the signed interval; other figures are shown.
4. Memory holds within ``MEMORY_FACTOR`` on the same machine. Latency depends on the moment: it is shown.
5. Placement holds if no more nodes run elsewhere than signed (``edge_bundle/placement.py``).
6. What can only be compiled again (a vendor's estimate) is shown as signed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from edge_bundle.errors import PlacementError
from edge_bundle.manifest import NumericClass
from edge_bundle.placement import check_placement
from edge_bundle.proof import (
    AccuracyProof,
    AgreementProof,
    DeterminismProof,
    Interval,
    LatencyProof,
    PairedProof,
    PlacementProof,
    Proof,
)

SUM_TOLERANCE = 1e-9
"""Relative: a million float64 additions in another order differ by less."""

MEMORY_FACTOR = 1.5
"""Peak memory of a process on one machine varies by a tenth; a leak or another code path is more than this."""

Value: TypeAlias = float | bool | str | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure. ``ok`` is ``None`` where it is shown but not judged; ``note`` says why, and of what to think then.

    A figure that one side lacks is ``None``.
    """

    profile: str
    figure: str
    signed: Value
    recomputed: Value
    ok: bool | None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """How far figures can be expected to be the same: the variant's own bits, and those of the fp32 model."""

    same_bits: bool
    same_reference: bool
    same_machine: bool


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured anew of one variant; what needs a model that was not given is ``None``."""

    accuracy: AccuracyProof | None
    slices: dict[str, AccuracyProof]
    paired: PairedProof | None
    agreement: AgreementProof | None
    determinism: DeterminismProof
    placement: PlacementProof | None
    peak_rss_bytes: int
    latency: LatencyProof | None


ELSEWHERE = "measured on another machine than this"
NEEDS_MODEL = "not recomputed: needs --model"
MOMENT = "depends on the moment"


def compare(proof: Proof, figures: Figures, around: Circumstances) -> tuple[Row, ...]:
    """Every figure of a proof that running the variant gives."""
    return tuple(_Comparison(proof, figures, around).rows())


def not_recomputed(proof: Proof, reason: str) -> tuple[Row, ...]:
    """The same figures where the variant cannot be run here."""
    note = f"not recomputed: {reason}"
    return tuple(
        Row(profile=proof.profile, figure=figure, signed=signed, recomputed=None, ok=None, note=note)
        for figure, signed in _signed(proof)
    )


def _signed(proof: Proof) -> Iterator[tuple[str, Value]]:
    yield "accuracy", proof.accuracy.value
    yield from ((f"accuracy of {name}", part.value) for name, part in sorted(proof.slices.items()))
    if proof.paired:
        yield "drop", proof.paired.drop
    if proof.agreement.top1 is not None:
        yield "agreement", proof.agreement.top1
    yield "repeatable", proof.deterministic
    if proof.placement:
        yield "nodes on the device", proof.placement.on_device
    yield "peak memory MiB", _mib(proof.peak_rss_bytes)
    if proof.latency:
        yield "p50 us", proof.latency.p50_us
    yield from _estimates(proof)


def _estimates(proof: Proof) -> Iterator[tuple[str, float]]:
    if proof.estimate:
        yield "estimated us", proof.estimate.latency_us
        yield "estimated cycles", proof.estimate.cycles
        yield "estimated SRAM bytes", proof.estimate.sram_bytes
        yield "estimated flash bytes", proof.estimate.flash_bytes


class _Comparison:
    """One variant's rows."""

    def __init__(self, proof: Proof, figures: Figures, around: Circumstances) -> None:
        self._proof, self._figures, self._around = proof, figures, around

    def rows(self) -> Iterator[Row]:
        proof, got = self._proof, self._figures
        yield from self._accuracy("accuracy", proof.accuracy, got.accuracy)
        if got.accuracy:
            for name in sorted(proof.slices.keys() | got.slices.keys()):
                yield from self._accuracy(f"accuracy of {name}", proof.slices.get(name), got.slices.get(name))
        yield from self._against_fp32()
        yield from self._determinism()
        yield from self._placement()
        yield self._memory()
        yield from self._latency()
        yield from self._estimate()

    def _row(self, figure: str, signed: Value, got: Value, ok: bool | None, note: str = "") -> Row:
        return Row(profile=self._proof.profile, figure=figure, signed=signed, recomputed=got, ok=ok, note=note)

    def _exact(self, figure: str, signed: Value, got: Value, *, expected: bool) -> Row:
        return self._row(figure, signed, got, _same(signed, got) if expected else None, "" if expected else ELSEWHERE)

    def _accuracy(self, figure: str, signed: AccuracyProof | None, got: AccuracyProof | None) -> Iterator[Row]:
        """Rules 1 and 3."""
        if got is None and signed is not None:
            lost = figure != "accuracy"
            yield self._row(figure, signed.value, None, False if lost else None, "" if lost else NEEDS_MODEL)
            return
        if signed is None or got is None:
            yield self._row(figure, None, got.value if got else None, ok=False)
            return
        expected = self._around.same_bits
        if expected or signed.interval is Interval.NONE:
            yield self._exact(figure, signed.value, got.value, expected=expected)
        else:
            ok = signed.low <= got.value <= signed.high
            yield self._row(figure, signed.value, got.value, ok, "elsewhere: inside the signed interval")
        yield self._exact(f"{figure}: samples", signed.samples, got.samples, expected=True)
        if signed.correct is not None:
            yield self._exact(f"{figure}: correct", signed.correct, got.correct, expected=expected)
        if signed.interval is not Interval.NONE:
            yield self._exact(f"{figure}: low", signed.low, got.low, expected=expected)
            yield self._exact(f"{figure}: high", signed.high, got.high, expected=expected)

    def _against_fp32(self) -> Iterator[Row]:
        """Rule 2."""
        pairs: list[tuple[str, PairedProof | AgreementProof | None, PairedProof | AgreementProof | None]] = [
            ("paired", self._proof.paired, self._figures.paired),
            ("agreement", self._proof.agreement, self._figures.agreement),
        ]
        for name, signed, got in pairs:
            if signed is None:
                continue
            for field in signed.__struct_fields__:
                before = getattr(signed, field)
                if before is None and (got is None or getattr(got, field) is None):
                    continue  # a figure that this model cannot have
                figure = f"{name}: {_words(field)}"
                if got is None:
                    yield self._row(figure, before, None, None, NEEDS_MODEL)
                else:
                    yield self._exact(figure, before, getattr(got, field), expected=self._around.same_reference)

    def _determinism(self) -> Iterator[Row]:
        """What the numeric class claims is judged; what was only recorded is shown."""
        signed, got, claim = self._proof.determinism, self._figures.determinism, self._proof.numeric_class
        exact, portable = claim is not NumericClass.APPROXIMATE, claim is NumericClass.PORTABLE_EXACT
        for figure, before, now, judged in (
            ("repeatable", signed.repeatable, got.repeatable, exact),
            ("threads agree", signed.threads_agree, got.threads_agree, portable),
            ("batches agree", signed.batches_agree, got.batches_agree, portable),
        ):
            if before is None:
                continue
            if now is None:
                yield self._row(figure, before, None, None, "not recomputed: too few cores here")
            else:
                note = "" if judged else f"not claimed by the class {claim.value}"
                yield self._row(figure, before, now, before == now if judged else None, note)

    def _placement(self) -> Iterator[Row]:
        """Rule 5."""
        signed, got = self._proof.placement, self._figures.placement
        if signed is None:
            return
        try:
            check_placement(signed, got, runtime=self._proof.measured_on.runtime)
            ok, note = (
                True,
                "" if got and got.nodes == signed.nodes else "nodes are counted after the runtime joined some",
            )
        except PlacementError as error:
            ok, note = False, error.detail
        yield self._row("nodes on the device", signed.on_device, got.on_device if got else None, ok, note)
        elsewhere = got.nodes - got.on_device if got else None
        yield self._row("nodes elsewhere", signed.nodes - signed.on_device, elsewhere, ok)

    def _memory(self) -> Row:
        """Rule 4."""
        signed, got = self._proof.peak_rss_bytes, self._figures.peak_rss_bytes
        ok = 1 / MEMORY_FACTOR <= got / signed <= MEMORY_FACTOR if signed else False
        note = f"within a factor of {MEMORY_FACTOR}" if self._around.same_machine else ELSEWHERE
        return self._row("peak memory MiB", _mib(signed), _mib(got), ok if self._around.same_machine else None, note)

    def _latency(self) -> Iterator[Row]:
        signed, got = self._proof.latency, self._figures.latency
        if signed is None or got is None:
            return
        for figure, before, now in (
            ("p50 us", signed.p50_us, got.p50_us), ("p90 us", signed.p90_us, got.p90_us),
            ("p99 us", signed.p99_us, got.p99_us),
        ):  # fmt: skip
            yield self._row(figure, before, now, None, MOMENT if self._around.same_machine else ELSEWHERE)

    def _estimate(self) -> Iterator[Row]:
        """Rule 6."""
        tool = self._proof.estimate.tool if self._proof.estimate else ""
        for figure, value in _estimates(self._proof):
            yield self._row(figure, value, None, None, f"not recomputed: {tool} expects it when it compiles")


def _same(signed: Value, got: Value) -> bool:
    if isinstance(signed, float) and isinstance(got, float):
        return math.isclose(signed, got, rel_tol=SUM_TOLERANCE, abs_tol=SUM_TOLERANCE)
    return signed == got


def _mib(size: int) -> float:
    return round(size / (1 << 20), 1)


def _words(field: str) -> str:
    return field.replace("_", " ").replace("sqnr db", "SQNR dB").replace("top1", "first answers")
