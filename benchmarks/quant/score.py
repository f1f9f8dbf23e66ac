"""How near a quantized model comes to the float one on rows that no quantizer has seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.quant.answers import answers
from benchmarks.quant.subjects import CLASSIFIERS, Subject
from compiler.quantization.evaluate import sqnr_db


@dataclass(frozen=True)
class Score:
    """SQNR in dB of what Softmax is taken of (``logits``) and of the output itself; share of equal top classes."""

    logits_db: float
    output_db: float
    agreement: float | None
    seconds: float = 0.0


def score(subject: Subject, model: bytes, seconds: float) -> Score:
    """Judge one quantizer's model; ``seconds`` is what it took to make, calibration included."""
    wanted, wanted_logits = subject.wanted
    output, logits = answers(model, subject.held_out)
    same = [int(a.argmax()) == int(b.argmax()) for a, b in zip(wanted, output, strict=True)]
    return Score(
        logits_db=sqnr_db(wanted_logits, logits),
        output_db=sqnr_db(wanted, output),
        agreement=float(np.mean(same)) if subject.name in CLASSIFIERS else None,
        seconds=seconds,
    )
