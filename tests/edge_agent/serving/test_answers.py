"""An engine whose answer breaks the contract: the client gets an error that names the tensor, never the tensor."""

from __future__ import annotations

import asyncio
import math

import pytest

from edge_bundle.contract import OnViolation
from edge_bundle.errors import EngineError
from edge_bundle.tensor import DType, Tensor
from tests.edge_agent.serving.world import (
    OUTPUT,
    AnswerEngine,
    GatedEngine,
    Reply,
    contract,
    fp32,
    infer_body,
    rule,
    served,
    serving,
)


def answer(tensors: dict[str, Tensor], mode: OnViolation = OnViolation.REJECT) -> Reply:
    terms = contract(outputs=(rule(OUTPUT, minimum=0.0, maximum=1.0, on_violation=mode),))

    async def go() -> Reply:
        async with serving(served(AnswerEngine(tensors), terms)) as server:
            reply = await server.send(infer_body())
            window = server.recorder.meters()[0].window
            assert (window.failed, window.answered) == ((0, 1) if reply.status == 200 else (1, 0))
            return reply

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("tensors", "text"),
    [
        pytest.param({}, "no such tensor", id="missing"),
        pytest.param({OUTPUT: fp32([0.5] * 8)}, "1 rows in every tensor", id="other-batch"),
        pytest.param({OUTPUT: fp32([0.5] * 4, (4, 1))}, "shape", id="other-shape"),
        pytest.param({OUTPUT: Tensor(DType.INT32, (1, 4), bytes(16))}, "dtype", id="other-dtype"),
        pytest.param({OUTPUT: Tensor(DType.FP32, (1, 4), bytes(12))}, "16 bytes", id="other-size"),
        pytest.param({OUTPUT: fp32([0.5, 0.5, 0.5, 1.5])}, "range", id="above"),
        pytest.param({OUTPUT: fp32([0.5, 0.5, 0.5, math.nan])}, "NaN", id="nan"),
    ],
)
def test_a_wrong_answer_is_withheld(tensors: dict[str, Tensor], text: str) -> None:
    reply = answer(tensors)
    assert (reply.status, reply.json["title"]) == (500, "ContractViolationError")
    assert text in reply.json["detail"]


def test_flagged_and_clipped_answers_are_sent() -> None:
    tensors = {OUTPUT: fp32([0.5, 0.5, 0.5, 1.5])}
    flagged = answer(tensors, OnViolation.FLAG)
    assert (flagged.values, flagged.headers["Skerry-Contract"]) == ([0.5, 0.5, 0.5, 1.5], 'flagged; output="y"')
    clipped = answer(tensors, OnViolation.CLIP)
    assert (clipped.values, clipped.headers["Skerry-Contract"]) == ([0.5, 0.5, 0.5, 1.0], 'clipped; output="y"')


def test_a_bug_is_logged_and_answered_in_the_same_form(caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> tuple[Reply, int]:
        engine = GatedEngine(ValueError("a bug"))
        engine.gate.set()
        model = served(engine)
        async with serving(model) as server:
            replies = await asyncio.gather(*(server.send(infer_body()) for _ in range(3)))
            assert {reply.status for reply in replies} == {500}
            assert server.recorder.meters()[0].window.failed == 3
            return replies[0], model.users.count

    reply, users = asyncio.run(go())
    assert (reply.json["title"], users) == ("InternalError", 0)
    assert "a bug" not in reply.json["error"]
    assert "a bug" in caplog.text


def test_an_engine_failure_names_runtime_and_operator() -> None:
    async def go() -> Reply:
        engine = GatedEngine(EngineError(runtime="onnxruntime", detail="Conv node /c1: bad alloc"))
        engine.gate.set()
        async with serving(served(engine)) as server:
            return await server.send(infer_body())

    reply = asyncio.run(go())
    assert (reply.status, reply.json["title"]) == (500, "EngineError")
    assert reply.json["error"] == "runtime onnxruntime: Conv node /c1: bad alloc"
