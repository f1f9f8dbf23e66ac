"""The path of a request: one visible list of steps.

A request enters the steps from the top; the step that answers (a cache hit, the engine) ends the way down, and every
step entered is then left, from the bottom up. A step is left even when it or a later one failed, so a step that takes
something in ``enter`` gives it back in ``leave``, and one that only looks at answers defines no ``enter``.

Steps are plain functions: only one that has to wait returns an awaitable, so that a cached or inlined answer costs no
coroutine at all. Which steps define ``enter`` and ``leave`` is looked up once, not for every request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from edge_agent.serving.call import Call
from edge_agent.serving.step import Step
from edge_agent.serving.steps.answer_check import AnswerCheck
from edge_agent.serving.steps.execute import Execute
from edge_agent.serving.steps.hold import Hold
from edge_agent.serving.steps.range_check import RangeCheck
from edge_agent.serving.steps.record import Record
from edge_agent.serving.steps.reuse import Reuse
from edge_agent.serving.steps.shape_check import ShapeCheck
from edge_agent.serving.steps.translate import Translate
from edge_bundle.errors import SkerryError


def standard_steps(reuse: Reuse) -> tuple[Step, ...]:
    """The steps of inference, from the client to the engine.

    Values are checked after the cache lookup: a stored answer belongs to inputs that passed the same check.
    """
    return (
        Hold(),  # keep the variant open until the request is done
        Record(),  # count it and take its time
        Translate(),  # request bytes to tensors; answer tensors to bytes
        ShapeCheck(),  # names, dtypes, shapes, batch, requested outputs
        reuse,  # cache lookup, single flight; store the answer
        RangeCheck(),  # values of the inputs: reject, clip or flag
        AnswerCheck(),  # names, dtypes, shapes and values of the answer
        Execute(),  # the engine
    )


class Pipeline:
    """Runs calls through a list of steps."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._enters = tuple(step.enter if type(step).enter is not Step.enter else None for step in steps)
        # By the number of steps entered: what to call on the way back, in order.
        self._leaves = tuple(
            tuple(step.leave for step in reversed(steps[:depth]) if type(step).leave is not Step.leave)
            for depth in range(len(steps) + 1)
        )

    def run(self, call: Call) -> Awaitable[None] | None:
        """Run one call to its end: afterwards either ``call.error`` is set or the answer is encoded.

        Returns None when that is already done, else an awaitable to finish it. Errors that are not ``SkerryError``
        (cancellation, a bug) are raised after every entered step was left.
        """
        try:
            waiting = self._enter(call)
        except BaseException as error:
            self._leave(call, error)
            raise
        if waiting is not None:
            return self._finish(call, waiting)
        self._leave(call, call.error)
        return None

    async def _finish(self, call: Call, first: Awaitable[None]) -> None:
        waiting: Awaitable[None] | None = first
        try:
            while waiting is not None:
                await waiting
                waiting = self._enter(call)
        except SkerryError as error:
            call.error = error
        except BaseException as error:
            self._leave(call, error)
            raise
        self._leave(call, call.error)

    def _enter(self, call: Call) -> Awaitable[None] | None:
        try:
            for enter in self._enters[call.depth :]:
                if call.outputs is not None:
                    return None
                call.depth += 1
                if enter is None:
                    continue
                waiting = enter(call)
                if waiting is not None:
                    return waiting
        except SkerryError as error:
            call.error = error
        return None

    def _leave(self, call: Call, error: BaseException | None) -> None:
        call.error = error
        for leave in self._leaves[call.depth]:
            try:
                leave(call)
            except SkerryError as failure:
                call.error = failure
