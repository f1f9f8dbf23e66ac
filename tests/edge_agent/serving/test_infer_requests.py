"""Requests that must be refused, each with a status, an error name and both kinds of error body."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest

from edge_agent.serving.settings import ServingSettings
from edge_bundle.contract import Limits, OnViolation
from edge_bundle.tensor import DType, Tensor
from tests.edge_agent.serving.world import (
    INPUT,
    WIDTH,
    AnswerEngine,
    Reply,
    binary_request,
    contract,
    floats,
    fp32,
    infer_body,
    rule,
    served,
    serving,
)


def ask(body: bytes | str | dict[str, Any], *, path: str = "/v2/models/scale/infer", **headers: str) -> Reply:
    async def go() -> Reply:
        async with serving(served()) as server:
            reply = await server.send(body, path, **headers)
            for meter in server.recorder.meters():
                window = meter.window
                assert window.requests == window.hits + window.misses + window.rejected + window.failed
            return reply

    return asyncio.run(go())


def tensor_object(**changes: Any) -> dict[str, Any]:
    item = {"name": INPUT, "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4], **changes}
    return {"inputs": [{key: value for key, value in item.items() if value is not None}]}


def raw_data(text: str, **changes: Any) -> str:
    return json.dumps(tensor_object(data="@", **changes)).replace('"@"', text)


REFUSED = [
    pytest.param("", 400, "FormatError", "truncated", id="empty-body"),
    pytest.param("{", 400, "FormatError", "truncated", id="truncated-json"),
    pytest.param("[]", 400, "FormatError", "Expected `object`", id="not-an-object"),
    pytest.param(b"\xff\xfe{}", 400, "FormatError", "malformed", id="not-utf8"),
    pytest.param("[" * 1000, 400, "FormatError", "", id="deep-nesting"),
    # CPython 3.11 and 3.12 stop at the depth, 3.13 has room for it and the count is wrong.
    pytest.param(raw_data("[" * 1500 + "]" * 1500), 400, "FormatError", "", id="deep-nesting-in-data"),
    pytest.param({}, 400, "FormatError", "inputs", id="no-inputs-member"),
    pytest.param({"inputs": []}, 400, "ContractViolationError", "names", id="no-inputs"),
    pytest.param({"inputs": [tensor_object()["inputs"][0]] * 2}, 400, "FormatError", "twice", id="same-input-twice"),
    pytest.param({"inputs": tensor_object()["inputs"] * 65}, 400, "FormatError", "length", id="too-many-inputs"),
    pytest.param(tensor_object(name="z"), 400, "ContractViolationError", "expected x, got z", id="unknown-input"),
    pytest.param(tensor_object(name="n" * 2000), 400, "FormatError", "length", id="name-too-long"),
    pytest.param(tensor_object(datatype="FP64"), 400, "ContractViolationError", "FP32, got FP64", id="wrong-dtype"),
    pytest.param(tensor_object(datatype="BYTES"), 400, "FormatError", "'BYTES'", id="bytes-dtype"),
    pytest.param(tensor_object(datatype="BF16"), 400, "FormatError", "'BF16'", id="bf16-dtype"),
    pytest.param(tensor_object(datatype="fp32"), 400, "FormatError", "'fp32'", id="dtype-lower-case"),
    pytest.param(tensor_object(datatype="FP16"), 400, "FormatError", "no JSON form", id="fp16-as-json"),
    pytest.param(tensor_object(shape=[4]), 400, "ContractViolationError", "shape", id="wrong-rank"),
    pytest.param(tensor_object(shape=[2, 2]), 400, "ContractViolationError", "shape", id="wrong-shape"),
    pytest.param(tensor_object(shape=[-1, 4]), 400, "FormatError", "shape", id="negative-dimension"),
    pytest.param(tensor_object(shape=[0, 4], data=[]), 400, "ContractViolationError", "1 to 8 rows", id="no-rows"),
    pytest.param(tensor_object(shape=[9, 4], data=[0] * 36), 400, "ContractViolationError", "8 rows", id="many-rows"),
    pytest.param(tensor_object(shape=[2**31, 4]), 400, "FormatError", "shape", id="huge-dimension"),
    pytest.param(tensor_object(shape=[2**30] * 8), 400, "LimitExceededError", "elements", id="huge-product"),
    pytest.param(tensor_object(shape=[1] * 9), 400, "FormatError", "shape", id="rank-nine"),
    pytest.param(tensor_object(shape=["1", "4"]), 400, "FormatError", "shape", id="shape-of-strings"),
    pytest.param(tensor_object(data=[1, 2, 3]), 400, "FormatError", "4 elements", id="too-few-elements"),
    pytest.param(tensor_object(data=[1, 2, 3, 4, 5]), 400, "FormatError", "4 elements", id="too-many-elements"),
    pytest.param(tensor_object(data=[[1, 2], [3, 4]]), 400, "FormatError", "nested", id="nested-as-other-shape"),
    pytest.param(tensor_object(data=[[1, 2, 3, 4, 5]]), 400, "FormatError", "4 elements", id="nested-row-too-long"),
    pytest.param(tensor_object(data=[[[1, 2, 3, 4]]]), 400, "FormatError", "Expected", id="nested-too-deep"),
    pytest.param(tensor_object(data=[1, "2", 3, 4]), 400, "FormatError", "got `str`", id="string-element"),
    pytest.param(tensor_object(data=[1, True, 3, 4]), 400, "FormatError", "got `bool`", id="bool-in-floats"),
    pytest.param(tensor_object(data=[1, None, 3, 4]), 400, "FormatError", "null", id="null-element"),
    pytest.param(raw_data("[1,NaN,3,4]"), 400, "FormatError", "malformed", id="nan-literal"),
    pytest.param(raw_data("[1,1e39,3,4]"), 400, "FormatError", "fit FP32", id="float-overflow"),
    pytest.param(raw_data("[1,1e999,3,4]"), 400, "FormatError", "out of range", id="double-overflow"),
    pytest.param(tensor_object(data=[1, 2, 3, 101]), 400, "ContractViolationError", "range", id="above-the-range"),
    pytest.param(tensor_object(data=None), 400, "FormatError", "neither", id="no-data"),
    pytest.param(
        tensor_object(parameters={"binary_data_size": 16}), 400, "FormatError", "both", id="data-and-binary-size"
    ),
    pytest.param(
        tensor_object(data=None, parameters={"binary_data_size": 16}), 400, "FormatError", "header", id="no-header-length"
    ),
    pytest.param(
        tensor_object(data=None, parameters={"binary_data_size": -16}), 400, "FormatError", "-16", id="negative-size"
    ),
    pytest.param(
        tensor_object(data=None, parameters={"binary_data_size": True}), 400, "FormatError", "True", id="size-is-bool"
    ),
    pytest.param(
        tensor_object(parameters={"shared_memory_region": "r"}), 400, "FormatError", "shared_memory", id="shared-memory"
    ),
    pytest.param(infer_body(parameters={"sequence_id": 3}), 400, "FormatError", "sequence_id", id="sequence"),
    pytest.param(infer_body(parameters={"binary_data_output": 1}), 400, "FormatError", "true or false", id="flag-is-int"),
    pytest.param(infer_body(id=7), 400, "FormatError", "id", id="id-not-text"),
    pytest.param(
        infer_body(outputs=[{"name": "q"}]), 400, "ContractViolationError", "expected y, got q", id="unknown-output"
    ),
    pytest.param(infer_body(outputs=[{"name": "y"}] * 2), 400, "FormatError", "twice", id="same-output-twice"),
    pytest.param(
        infer_body(outputs=[{"name": "y", "parameters": {"classification": 2}}]), 400, "FormatError", "classification",
        id="classification",
    ),
    pytest.param("x" * 20_000, 413, "LimitExceededError", "16384 bytes", id="body-too-large"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "title", "text"), REFUSED)
def test_refused(body: Any, status: int, title: str, text: str) -> None:
    reply = ask(body)
    assert (reply.status, reply.json["title"]) == (status, title), reply.body
    assert text in reply.json["detail"]
    assert reply.json["error"] == reply.json["detail"]
    assert reply.json["status"] == status
    assert reply.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "headers", "status", "title"),
    [
        pytest.param("/v2/models/nobody/infer", {}, 404, "NotFoundError", id="unknown-model"),
        pytest.param("/v2/models/scale/versions/9.9.9/infer", {}, 404, "NotFoundError", id="unknown-version"),
        pytest.param("/v2/modles/scale/infer", {}, 404, "HTTPNotFound", id="unknown-path"),
        pytest.param("/v2/health/live", {}, 405, "HTTPMethodNotAllowed", id="post-to-health"),
        pytest.param("/v2/models/scale/infer", {"Content_Encoding": "br"}, 415, "MediaTypeError", id="compressed"),
        pytest.param("/v2/models/scale/infer", {"Content_Type": "text/plain"}, 415, "MediaTypeError", id="text-plain"),
    ],
)
def test_refused_by_headers_or_path(path: str, headers: dict[str, str], status: int, title: str) -> None:
    reply = ask(infer_body(), path=path, **headers)
    assert (reply.status, reply.json["title"]) == (status, title)
    for name in headers:
        assert name.replace("_", "-") in reply.json["advice"]


@pytest.mark.parametrize(
    ("path", "status", "allow"),
    [
        pytest.param("/v2/models/scale/infer", 405, "POST", id="infer"),
        pytest.param("/v2/models/scale/versions/1.0.0/infer", 405, "POST", id="infer-of-a-version"),
        pytest.param("/", 404, None, id="root"),
        pytest.param("/v2/models/scale/infer/more", 404, None, id="below-infer"),
        pytest.param("/v2/models//infer", 404, None, id="no-name"),
        pytest.param("/v2/%0A%1B", 404, None, id="control-characters"),
    ],
)
def test_what_no_route_takes_is_refused_as_problem_details(path: str, status: int, allow: str | None) -> None:
    async def go() -> Reply:
        async with serving(served()) as server:
            return await server.get(path)

    reply = asyncio.run(go())
    assert (reply.status, reply.headers.get("Allow")) == (status, allow)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json["detail"].startswith(f"GET {path}: ")


ONE_ROW = fp32([1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param({"length": "0"}, "1 to", id="header-length-zero"),
        pytest.param({"length": "-5"}, "1 to", id="header-length-negative"),
        pytest.param({"length": "99999"}, "1 to", id="header-length-beyond-body"),
        pytest.param({"length": "7e1"}, "1 to", id="header-length-not-a-number"),
        pytest.param({"length": "٣"}, "", id="header-length-other-digits"),
        pytest.param({"shift": -1}, "", id="header-length-one-short"),
        pytest.param({"shift": 1}, "", id="header-length-one-long"),
        pytest.param({"size": 12}, "binary_data_size 16", id="size-too-small"),
        pytest.param({"size": 20}, "16 left", id="size-beyond-body"),
        pytest.param({"size": 2**62}, "left in the body", id="size-huge"),
        pytest.param({"extra": b"\0"}, "1 bytes more", id="bytes-left-over"),
        pytest.param({"cut": 1}, "15 left", id="data-cut-short"),
    ],
)
def test_binary_sizes_that_lie(change: dict[str, Any], text: str) -> None:
    body, headers = binary_request(ONE_ROW, size=change.get("size"))
    body = body[: len(body) - change.get("cut", 0)] + change.get("extra", b"")
    length = int(headers["Inference_Header_Content_Length"]) + change.get("shift", 0)
    reply = ask(body, Inference_Header_Content_Length=change.get("length", str(length)))
    assert reply.status == 400
    if text:
        assert text in reply.json["detail"]


def test_a_chunked_body_is_bounded_too() -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 1024

    async def go() -> int:
        async with (
            serving(served()) as server,
            server.session.post(
                server.url("/v2/models/scale/infer"), data=chunks(), headers={"Content-Type": "application/json"}
            ) as response,
        ):
            return response.status

    assert asyncio.run(go()) == 413


def test_bool_bytes_other_than_zero_and_one_are_refused() -> None:
    terms = contract(inputs=(rule(dtype=DType.BOOL),))

    async def go() -> Reply:
        async with serving(served(terms=terms)) as server:
            body, headers = binary_request(Tensor(DType.BOOL, (1, WIDTH), b"\0\1\2\0"))
            return await server.send(body, **headers)

    reply = asyncio.run(go())
    assert (reply.status, "BOOL" in reply.json["detail"]) == (400, True)


NAN = math.nan


@pytest.mark.parametrize(
    ("mode", "values", "status", "answer", "header"),
    [
        pytest.param(OnViolation.REJECT, [0, 1, 2, 3], 200, [0, 2, 4, 6], None, id="reject-in-range"),
        pytest.param(OnViolation.REJECT, [0, 1, 2, 11], 400, None, None, id="reject-above"),
        pytest.param(OnViolation.REJECT, [0, 1, 2, NAN], 400, None, None, id="reject-nan"),
        pytest.param(OnViolation.CLIP, [-5, 1, 2, 11], 200, [0, 2, 4, 20], 'clipped; input="x"', id="clip"),
        pytest.param(
            OnViolation.CLIP, [-math.inf, 1, 2, math.inf], 200, [0, 2, 4, 20], 'clipped; input="x"', id="clip-inf"
        ),
        pytest.param(OnViolation.CLIP, [0, 1, 2, NAN], 400, None, None, id="clip-nan-has-no-nearest"),
        pytest.param(OnViolation.FLAG, [0, 1, 2, 11], 200, [0, 2, 4, 22], 'flagged; input="x"', id="flag"),
        pytest.param(OnViolation.FLAG, [0, 1, 2, NAN], 200, [0, 2, 4, NAN], None, id="flag-nan"),
    ],
)
def test_values_out_of_range(
    mode: OnViolation, values: list[float], status: int, answer: list[float] | None, header: str | None
) -> None:
    terms = contract(inputs=(rule(minimum=0.0, maximum=10.0, on_violation=mode),))

    async def go() -> tuple[Reply, Reply]:
        async with serving(served(terms=terms)) as server:
            body, headers = binary_request(fp32(values), head_only={"parameters": {"binary_data_output": True}})
            return await server.send(body, **headers), await server.send(body, **headers)

    for reply in asyncio.run(go()):  # fresh, then from the cache
        assert reply.status == status
        if answer is not None:
            length = int(reply.headers["Inference-Header-Content-Length"])
            assert floats(fp32([0] * 4).__class__(DType.FP32, (1, 4), reply.body[length:])) == pytest.approx(
                answer, nan_ok=True
            )
        if header is not None:
            assert reply.headers["Skerry-Contract"] == header


def test_nan_in_an_answer_asked_for_as_json_is_refused_not_null() -> None:
    terms = contract(inputs=(rule(allow_nan=True),), outputs=(rule("y", allow_nan=True),))

    async def go() -> Reply:
        async with serving(served(terms=terms)) as server:
            body, headers = binary_request(fp32([1, 2, 3, NAN]))
            return await server.send(body, **headers)

    reply = asyncio.run(go())
    assert (reply.status, "binary" in reply.json["detail"]) == (400, True)


def test_a_trickling_body_is_cut_off() -> None:
    async def go() -> bytes:
        async with serving(served(), settings=ServingSettings(read_timeout_s=0.05)) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"POST /v2/models/scale/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            answer = await reader.readuntil(b"\r\n")
            writer.close()
            return answer

    assert b" 400 " in asyncio.run(go())


def test_header_names_hold_no_bytes_of_tensor_names() -> None:
    evil = "a\r\nSet-Cookie: b"
    terms = contract(outputs=(rule(evil, maximum=1.0, on_violation=OnViolation.FLAG),), limits=Limits())

    async def go() -> Reply:
        async with serving(served(AnswerEngine({evil: fp32([2.0] * 4)}), terms)) as server:
            return await server.send(infer_body())

    reply = asyncio.run(go())
    assert reply.status == 200
    assert reply.headers["Skerry-Contract"] == 'flagged; output="a%0D%0ASet-Cookie: b"'
