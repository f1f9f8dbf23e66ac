"""How near a quantized model comes to the float one on rows that no quantizer has seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quant.answers import answers
from benchmarks.quant.subjects import CLASSIFIERS, Subject
from compiler.metrics.mcnemar import mcnemar_p
from compiler.quantization.evaluate import sqnr_db

SIGNIFICANT = 0.05
"""Probability below which a difference is no chance."""

SURE = 1.96
"""Standard errors that go with it."""


@dataclass(frozen=True)
class Score:
    """SQNR in dB of what Softmax is taken of (``logits``) and of the output itself.

    ``noise`` is each row's squared error of the output; ``same`` says of each whether the top class is the float
    model's, ``None`` where the output is no class.
    """

    logits_db: float
    output_db: float
    noise: NDArray[np.float64]
    same: NDArray[np.bool_] | None
    seconds: float = 0.0

    @property
    def agreement(self) -> float | None:
        """The share of equal top classes."""
        return None if self.same is None else float(np.mean(self.same))


def score(subject: Subject, model: bytes, seconds: float) -> Score:
    """Judge one quantizer's model; ``seconds`` is what it took to make, calibration included."""
    wanted, wanted_logits = subject.wanted
    output, logits = answers(model, subject.held_out)
    same = [int(a.argmax()) == int(b.argmax()) for a, b in zip(wanted, output, strict=True)]
    return Score(
        logits_db=sqnr_db(wanted_logits, logits),
        output_db=sqnr_db(wanted, output),
        noise=_noise(wanted, output),
        same=np.asarray(same) if subject.name in CLASSIFIERS else None,
        seconds=seconds,
    )


def not_worse(ours: Score, other: Score, *, agreement: bool) -> bool:
    """Whether ours is as good, or the difference may be chance.

    Of agreement by McNemar's test over the rows on which only one agrees; of SQNR by the standard error of the
    difference of its logarithms over rows.
    """
    if agreement:
        if ours.same is None or other.same is None:
            return False
        worse, better = int((other.same & ~ours.same).sum()), int((ours.same & ~other.same).sum())
        return worse <= better or mcnemar_p(worse, better) >= SIGNIFICANT
    totals = float(ours.noise.sum()), float(other.noise.sum())
    if min(totals) <= 0.0:
        return totals[0] <= totals[1]
    spread = ours.noise / totals[0] - other.noise / totals[1]
    return math.log(totals[0] / totals[1]) <= SURE * math.sqrt(float(np.square(spread).sum()))


def _noise(wanted: Sequence[NDArray[Any]], found: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    return np.asarray(
        [float(np.square(np.subtract(a, b, dtype=np.float64)).sum()) for a, b in zip(wanted, found, strict=True)]
    )
