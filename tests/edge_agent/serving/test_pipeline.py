"""The walk itself: whatever happens, every step entered is left once, from the bottom up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge_agent.models import ModelTable
from edge_agent.serving.call import Call
from edge_agent.serving.deployment import Deployments
from edge_agent.serving.pipeline import Pipeline
from edge_agent.serving.settings import ServingSettings
from edge_agent.serving.step import Step
from edge_agent.telemetry.recorder import Recorder
from edge_bundle.errors import InvalidInputError, SkerryError, UnavailableError
from tests.edge_agent.serving.test_flights import DirectWire
from tests.edge_agent.serving.world import served


class Probe(Step):
    """A step that writes down its visits; ``enter_does`` and ``leave_does`` say what else happens."""

    def __init__(self, name: str, log: list[str], enter_does: str = "", leave_does: str = "") -> None:
        self.name, self.log, self.enter_does, self.leave_does = name, log, enter_does, leave_does

    def enter(self, call: Call) -> Awaitable[None] | None:
        self.log.append(f"+{self.name}")
        if "wait" in self.enter_does:
            return self._later(call)
        self._act(call)
        return None

    def leave(self, call: Call) -> None:
        self.log.append(f"-{self.name}")
        if self.leave_does == "fail":
            raise UnavailableError(what="leave", detail=self.name)

    async def _later(self, call: Call) -> None:
        await asyncio.sleep(3600 if "forever" in self.enter_does else 0)
        self._act(call)

    def _act(self, call: Call) -> None:
        if "answer" in self.enter_does:
            call.outputs = {}
        if "fail" in self.enter_does:
            raise UnavailableError(what="enter", detail=self.name)
        if "bug" in self.enter_does:
            raise ZeroDivisionError


def walk(first: str, second: str, *, leave: str = "", cancel: bool = False) -> tuple[str, BaseException | None]:
    """Run three steps; returns the visits and how the call ended (or what was raised)."""
    log: list[str] = []

    async def go() -> BaseException | None:
        table = ModelTable()
        table.activate(served())
        with ThreadPoolExecutor(1) as executor:
            deployment = Deployments(table, Recorder(), ServingSettings(), executor).get("scale")
        call = Call(deployment, DirectWire())
        steps = [Probe("a", log), Probe("b", log, first, leave), Probe("c", log, second)]

        async def run() -> None:
            waiting = Pipeline(steps).run(call)
            if waiting is not None:
                await waiting

        task = asyncio.create_task(run())
        await asyncio.sleep(0)
        if cancel:
            task.cancel()
        (raised,) = await asyncio.gather(task, return_exceptions=True)
        assert raised is None or type(raised) is type(call.error)
        return call.error

    error = asyncio.run(go())
    return " ".join(log), error


@pytest.mark.parametrize(
    ("first", "second", "visits", "error"),
    [
        pytest.param("", "answer", "+a +b +c -c -b -a", None, id="answer-at-the-bottom"),
        pytest.param("answer", "", "+a +b -b -a", None, id="answer-on-the-way"),
        pytest.param("wait", "wait answer", "+a +b +c -c -b -a", None, id="waiting-steps"),
        pytest.param("wait answer", "", "+a +b -b -a", None, id="answer-after-waiting"),
        pytest.param("fail", "", "+a +b -b -a", UnavailableError, id="refusal"),
        pytest.param("wait fail", "", "+a +b -b -a", UnavailableError, id="refusal-after-waiting"),
        pytest.param("wait", "fail", "+a +b +c -c -b -a", UnavailableError, id="refusal-below-a-wait"),
        pytest.param("bug", "", "+a +b -b -a", ZeroDivisionError, id="bug"),
        pytest.param("wait bug", "", "+a +b -b -a", ZeroDivisionError, id="bug-after-waiting"),
        pytest.param("wait", "bug", "+a +b +c -c -b -a", ZeroDivisionError, id="bug-below-a-wait"),
    ],
)
def test_every_step_entered_is_left(first: str, second: str, visits: str, error: type[BaseException] | None) -> None:
    got, ended = walk(first, second)
    assert got == visits
    assert ended is None if error is None else isinstance(ended, error)


def test_cancellation_leaves_every_step() -> None:
    visits, ended = walk("wait forever", "answer", cancel=True)
    assert visits == "+a +b -b -a"
    assert isinstance(ended, asyncio.CancelledError)


def test_a_step_that_fails_to_leave_does_not_keep_the_others() -> None:
    visits, ended = walk("", "answer", leave="fail")
    assert visits == "+a +b +c -c -b -a"
    assert isinstance(ended, SkerryError)


@pytest.mark.parametrize("change", [{"recheck_share": 1.5}, {"engine_timeout_s": 0.0}, {"worker_threads": 0}])
def test_settings_that_cannot_work(change: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(change))):
        ServingSettings(**change)  # type: ignore[arg-type]
