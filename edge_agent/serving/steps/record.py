"""Step: count the request and take its time."""

from __future__ import annotations

import time

from edge_agent.serving.call import Call
from edge_agent.serving.mark import MarkKind
from edge_agent.serving.step import Step
from edge_bundle.errors import ContractViolationError, FormatError, LimitExceededError

REJECTIONS = (ContractViolationError, FormatError, LimitExceededError)
"""Errors that the client caused, unless they are about an answer."""


def is_rejection(error: BaseException) -> bool:
    """Whether the request was at fault, not the node."""
    if isinstance(error, ContractViolationError):
        return error.where != "output"
    return isinstance(error, REJECTIONS)


class Record(Step):
    """Feeds the variant's meter: answered, rejected or failed, with the whole handling time in microseconds."""

    def enter(self, call: Call) -> None:
        """Start the clock."""
        call.started_ns = time.perf_counter_ns()

    def leave(self, call: Call) -> None:
        """Count the outcome."""
        meter = call.deployment.meter
        if call.error is None:
            kinds = {mark.kind for mark in call.marks} if call.marks else ()
            meter.answered(
                rows=call.rows,
                hit=call.hit,
                latency_us=(time.perf_counter_ns() - call.started_ns) / 1000,
                clipped=MarkKind.CLIPPED in kinds,
                flagged=MarkKind.FLAGGED in kinds,
            )
        elif is_rejection(call.error):
            meter.rejected()
        else:
            meter.failed()
