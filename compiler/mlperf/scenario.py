"""The four scenarios and what MLPerf asks of a run of each.

Source: MLPerf Inference Rules (github.com/mlcommons/inference_policies, ``inference_rules.adoc``, "Scenarios" and
"Early stopping"), and the defaults of LoadGen (github.com/mlcommons/inference, ``loadgen/mlperf.conf``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

NS_PER_S = 1_000_000_000

SUBMISSION_DURATION_S = 600.0
"""How long a run of a submission to MLPerf lasts at least."""

OFFLINE_MIN_SAMPLES = 24_576
"""Fewest samples of an offline run; where the data set is smaller, each sample once is enough."""


class Scenario(enum.StrEnum):
    """How queries arrive.

    ``single-stream``: the next one as soon as the one before is answered. ``multi-stream``: the same, each of several
    samples. ``server``: one sample each, at random times (Poisson). ``offline``: one query of all samples.
    """

    SINGLE_STREAM = "single-stream"
    MULTI_STREAM = "multi-stream"
    SERVER = "server"
    OFFLINE = "offline"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """``percentile`` (a fraction) of the latency counts; ``min_queries`` are the fewest that early stopping allows."""

    percentile: float
    min_queries: int
    samples_per_query: int = 1


RULES = {
    Scenario.SINGLE_STREAM: Rules(percentile=0.90, min_queries=64),
    Scenario.MULTI_STREAM: Rules(percentile=0.99, min_queries=662, samples_per_query=8),
    Scenario.SERVER: Rules(percentile=0.99, min_queries=662),
    Scenario.OFFLINE: Rules(percentile=0.90, min_queries=1),
}
"""64 and 662 are what ``early_stopping.min_queries`` gives for the 90th and the 99th percentile."""
