"""The built hook in real workerd in front of a real agent: junk and repeats cost no inference, answers stay the same."""

from __future__ import annotations

import dataclasses
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tritonclient.http

from cdn_hooks.build import build_hook
from edge_bundle.cache_key import cache_key
from edge_bundle.contract import CachePolicy, Limits, Reuse
from edge_bundle.contract_file import load_contract
from edge_bundle.tensor import DType, Tensor
from edge_bundle.walk import VerifiedRelease
from tests.cdn_hooks.agent import HOST, AgentThread, served
from tests.cdn_hooks.client import IMAGE, Answer, Ask, as_binary, as_json, edited, image_input, send
from tests.cdn_hooks.impostor import Impostor
from tests.cdn_hooks.node import write_probe
from tests.cdn_hooks.releases import PROFILE, make_release
from tests.cdn_hooks.vectors import cache_key_cases, expected_keys
from tests.cdn_hooks.workerd import Workerd

pytestmark = pytest.mark.heavy

DIGITS = Path(__file__).parent.parent.parent / "examples" / "digits"
MAX_BODY_BYTES = 65_536
MISS = "skerry; fwd=miss; stored, skerry-cdn; fwd=miss; stored"


def digits_release(directory: Path, cache: CachePolicy) -> VerifiedRelease:
    """The digits example, with small limits."""
    contract = msgspec.structs.replace(
        load_contract(DIGITS / "contract.toml"), cache=cache, limits=Limits(max_batch=4, max_body_bytes=MAX_BODY_BYTES)
    )
    return make_release(directory, contract, (DIGITS / "digits.onnx").read_bytes())


@dataclasses.dataclass(frozen=True)
class Edge:
    """An agent and the hook in front of it."""

    agent: AgentThread
    hook: Workerd
    release: VerifiedRelease

    def costs(self) -> tuple[int, int]:
        """Requests that reached the agent, and inferences."""
        return self.agent.requests, self.agent.engine.runs

    def through(self, ask: Ask) -> Answer:
        """The hook's answer."""
        return send(self.hook.port, ask)

    def direct(self, ask: Ask) -> Answer:
        """The agent's answer."""
        return send(self.agent.port, ask)


def _hook(release: VerifiedRelease, port: int, out: Path, *, origin_timeout_s: float = 10.0) -> Workerd:
    origin = f"http://{HOST}:{port}"
    build_hook(
        release, target="workers", profile=PROFILE, origin=origin, out_dir=out, origin_timeout_s=origin_timeout_s
    )
    return Workerd(out)


def _edge(directory: Path, cache: CachePolicy) -> Iterator[Edge]:
    release = digits_release(directory / "layout", cache)
    with AgentThread(release.variants[PROFILE]) as agent, _hook(release, agent.port, directory / "hook") as hook:
        yield Edge(agent, hook, release)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    """Fresh caches, an hour to live."""
    yield from _edge(tmp_path, CachePolicy(reuse=Reuse.CDN))


@pytest.fixture(scope="module")
def shared_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """For tests that leave no traces in caches."""
    yield from _edge(tmp_path_factory.mktemp("edge"), CachePolicy(reuse=Reuse.CDN))


def _image(number: int) -> list[float]:
    return [float((value + number) % 17) for value in range(64)]


def _raw(body: str | bytes, content_type: str = "application/json", **headers: str) -> Ask:
    data = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Ask(headers={"Content-Type": content_type, **named}, body=data)


BATCH_OF_FIVE = image_input(IMAGE * 5, shape=[5, 1, 8, 8])
TOO_LARGE = b" " * (MAX_BODY_BYTES + 1)


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        pytest.param(Ask(method="GET"), 405, id="method-get"),
        pytest.param(Ask(method="PUT", body=b"{}"), 405, id="method-put"),
        pytest.param(Ask(method="DELETE", path="/v2/models/digits/versions/1.0.0/infer"), 405, id="method-delete"),
        pytest.param(Ask(path="/v2/models/digits", body=b"{}"), 405, id="method-post-to-metadata"),
        pytest.param(Ask(method="DELETE", path="/v2/health/ready"), 405, id="method-delete-of-health"),
        pytest.param(_raw("{}", "text/plain"), 415, id="content-type-text"),
        pytest.param(_raw("{}", "text/html; charset=utf-8"), 415, id="content-type-html"),
        pytest.param(_raw("{}", Content_Encoding="gzip"), 415, id="content-coding"),
        pytest.param(_raw(TOO_LARGE), 413, id="body-too-large-by-length"),
        pytest.param(Ask(body=(TOO_LARGE[: MAX_BODY_BYTES // 2],) * 3), 413, id="body-too-large-chunked"),
        pytest.param(_raw(""), 400, id="body-empty"),
        pytest.param(_raw("{"), 400, id="json-truncated"),
        pytest.param(_raw("[]"), 400, id="json-no-object"),
        pytest.param(_raw("\ufeff{}"), 400, id="json-byte-order-mark"),
        pytest.param(_raw(b'{"id":"\xff"}'), 400, id="json-no-utf8"),
        pytest.param(_raw('{"inputs":[NaN]}'), 400, id="json-nan"),
        pytest.param(_raw("{}"), 400, id="inputs-missing"),
        pytest.param(as_json([]), 400, id="inputs-none"),
        pytest.param(as_json({"inputs": 3}), 400, id="input-without-name"),
        pytest.param(as_json([3]), 400, id="input-no-object"),
        pytest.param(as_json(image_input(name="picture")), 400, id="input-unknown"),
        pytest.param(as_json([image_input(), image_input()]), 400, id="input-twice"),
        pytest.param(as_json([image_input(), image_input(name="more")]), 400, id="input-too-many"),
        pytest.param(as_json(image_input(datatype="FP64")), 400, id="dtype-other"),
        pytest.param(as_json(image_input(datatype="BYTES")), 400, id="dtype-unknown"),
        pytest.param(as_json(image_input(datatype=None)), 400, id="dtype-missing"),
        pytest.param(as_json(image_input(shape=None)), 400, id="shape-missing"),
        pytest.param(as_json(image_input(shape=[1, 64])), 400, id="shape-other-rank"),
        pytest.param(as_json(image_input(shape=[1, 1, 4, 16])), 400, id="shape-other-size"),
        pytest.param(as_json(image_input(shape=[1, 1, 8, "8"])), 400, id="shape-text"),
        pytest.param(as_json(image_input(shape=[1, 1, 8, 8.5])), 400, id="shape-fraction"),
        pytest.param(as_json(image_input([], shape=[0, 1, 8, 8])), 400, id="batch-empty"),
        pytest.param(as_json(BATCH_OF_FIVE), 400, id="batch-too-large"),
        pytest.param(as_json(image_input(shape=[-1, 1, 8, 8])), 400, id="batch-negative"),
        pytest.param(as_json(image_input(IMAGE[1:])), 400, id="data-too-few"),
        pytest.param(as_json(image_input([*IMAGE, 0.0])), 400, id="data-too-many"),
        pytest.param(as_json(image_input([*IMAGE[1:], "1"])), 400, id="data-text"),
        pytest.param(as_json(image_input([*IMAGE[1:], True])), 400, id="data-boolean"),
        pytest.param(as_json(image_input([*IMAGE[1:], None])), 400, id="data-null"),
        pytest.param(as_json(image_input([*IMAGE[1:], 1e39])), 400, id="data-beyond-fp32"),
        pytest.param(as_json(image_input([IMAGE[:32], IMAGE[32:]])), 400, id="data-nested-otherwise"),
        pytest.param(as_json(image_input([IMAGE])), 400, id="data-nested-one-level"),
        pytest.param(as_json(image_input(data=None)), 400, id="data-missing"),
        pytest.param(as_json(image_input(parameters={"binary_data_size": 256})), 400, id="data-twice"),
        pytest.param(as_json(image_input(data=None, parameters={"binary_data_size": 256})), 400, id="binary-no-header"),
        pytest.param(as_binary(size=255), 400, id="binary-size-too-small"),
        pytest.param(as_binary(size=260), 400, id="binary-size-too-large"),
        pytest.param(as_binary(IMAGE[1:], size=256), 400, id="binary-data-cut-off"),
        pytest.param(as_binary([*IMAGE, 0.0], size=256), 400, id="binary-data-left-over"),
        pytest.param(as_binary(head_length="-1"), 400, id="head-length-negative"),
        pytest.param(as_binary(head_length="0"), 400, id="head-length-zero"),
        pytest.param(as_binary(head_length="1e2"), 400, id="head-length-no-number"),
        pytest.param(as_binary(head_length="99999"), 400, id="head-length-beyond-body"),
        pytest.param(as_binary(head_length="20"), 400, id="head-length-too-short"),
        pytest.param(as_json(image_input(), outputs=[{"name": "logits"}]), 400, id="output-unknown"),
        pytest.param(as_json(image_input(), outputs=[{"name": "probabilities"}] * 2), 400, id="output-twice"),
        pytest.param(as_json(image_input(), outputs={}), 400, id="outputs-no-array"),
        pytest.param(as_json(image_input(), parameters={"binary_data_output": 1}), 400, id="flag-no-boolean"),
    ],
)
def test_junk_is_turned_away_as_the_agent_would(shared_edge: Edge, ask: Ask, status: int) -> None:
    before = shared_edge.costs()
    got = shared_edge.through(ask)
    assert shared_edge.costs() == before, "junk reached the agent"
    want = shared_edge.direct(ask)
    assert (got.status, want.status) == (status, status)
    problem, agents = json.loads(got.body), json.loads(want.body)
    assert got.headers["content-type"] == want.headers["content-type"].partition(";")[0] == "application/problem+json"
    assert problem["title"] == agents["title"]
    if status in {404, 405, 415}:
        assert (problem["detail"], problem.get("advice")) == (agents["detail"], agents.get("advice"))
    assert problem["error"] == problem["detail"] != ""
    assert problem["status"] == status
    assert got.headers.get("allow") == want.headers.get("allow")
    assert shared_edge.agent.engine.runs == before[1]


@pytest.mark.parametrize(
    ("ask", "detail"),
    [
        pytest.param(as_json(image_input(_image(1)), parameters={"priority": 1}), "unknown-parameter", id="hint"),
        pytest.param(as_json(image_input(_image(2), note="x")), "unknown-parameter", id="unknown-member"),
        pytest.param(as_json(image_input(_image(3)), id=7), "request-id", id="id-no-text"),
        pytest.param(as_json(image_input(shape=[1.0, 1, 8, 8])), "number-form", id="shape-as-float"),
        pytest.param(
            as_json(image_input(IMAGE, parameters={"shared_memory_region": "r"})), "unknown-parameter", id="shm"
        ),
        pytest.param(
            dataclasses.replace(as_json(image_input()), headers={"Authorization": "Bearer x"}),
            "authorization",
            id="authorised",
        ),
        pytest.param(
            dataclasses.replace(as_json(image_input()), headers={"Cache-Control": "no-cache"}),
            "request-directive",
            id="no-cache",
        ),
        pytest.param(edited(as_json(image_input()), b"[0.0,", b"[-0,"), "number-form", id="minus-zero"),
    ],
)
def test_what_the_hook_cannot_judge_goes_to_the_agent(shared_edge: Edge, ask: Ask, detail: str) -> None:
    for _ in range(2):
        requests, _runs = shared_edge.costs()
        got = shared_edge.through(ask)
        assert shared_edge.costs()[0] == requests + 1
        want = shared_edge.direct(ask)
        assert (got.status, got.body) == (want.status, want.body)
        assert got.cache_status.endswith(f"skerry-cdn; fwd=bypass; detail={detail}")


def test_repeats_cost_nothing(edge: Edge) -> None:
    ask = as_json(image_input())
    first = edge.through(ask)
    assert (first.status, first.cache_status) == (200, MISS)
    assert edge.costs() == (1, 1)
    for _ in range(3):
        again = edge.through(ask)
        assert again.status == 200
        assert again.cache_status.startswith("skerry-cdn; hit; ttl=")
        assert again.body == first.body
        for name in ("content-type", "skerry-release", "skerry-variant", "skerry-cache-key"):
            assert again.headers[name] == first.headers[name]
    assert edge.costs() == (1, 1)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(as_binary(), id="binary"),
        pytest.param(as_json(image_input([[[list(IMAGE[i : i + 8]) for i in range(0, 64, 8)]]])), id="nested"),
        pytest.param(as_json(image_input(), outputs=[{"name": "probabilities"}]), id="outputs-named"),
        pytest.param(as_json(image_input(), parameters={"binary_data_output": False}), id="default-said"),
        pytest.param(as_json(image_input(), id=None), id="id-null"),
        pytest.param(
            dataclasses.replace(as_binary(), path="/v2/models/digits/versions/1.0.0/infer"), id="version-said"
        ),
        pytest.param(Ask(body=(as_json(image_input()).body,)), id="chunked"),  # type: ignore[arg-type]
    ],
)
def test_same_question_in_another_form_is_a_repeat(edge: Edge, other: Ask) -> None:
    first = edge.through(as_json(image_input()))
    again = edge.through(other)
    assert again.cache_status.startswith("skerry-cdn; hit")
    assert again.body == first.body == edge.direct(other).body
    assert edge.agent.engine.runs == 1


@pytest.mark.parametrize("binary", [pytest.param(False, id="json"), pytest.param(True, id="binary")])
def test_the_id_of_each_request_comes_back(edge: Edge, binary: bool) -> None:
    answers = []
    for request_id in ("one", 'two \u00e9 "}', None):
        ask = as_binary(parameters={"binary_data_output": binary}, id=request_id)
        got, want = edge.through(ask), edge.direct(ask)
        assert got.body == want.body
        length = "inference-header-content-length"
        assert got.headers.get(length) == want.headers.get(length)
        answers.append(got.cache_status.partition(";")[0])
    assert answers == ["skerry", "skerry-cdn", "skerry-cdn"]
    assert edge.agent.engine.runs == 1


def test_json_and_binary_answers_are_kept_apart(edge: Edge) -> None:
    plain, binary = as_binary(), as_binary(parameters={"binary_data_output": True})
    assert edge.through(plain).cache_status == MISS
    assert edge.through(binary).cache_status == "skerry; hit, skerry-cdn; fwd=miss; stored"
    for ask in (plain, binary):
        again = edge.through(ask)
        assert again.cache_status.startswith("skerry-cdn; hit")
        assert again.body == edge.direct(ask).body


def test_refusals_of_the_agent_are_not_kept(edge: Edge) -> None:
    ask = as_json(image_input([*IMAGE[1:], 99.0]))
    for _ in range(2):
        got = edge.through(ask)
        assert (got.status, got.cache_status) == (400, "skerry-cdn; fwd=miss; detail=status")
        assert json.loads(got.body)["title"] == "ContractViolationError"
    assert edge.costs() == (2, 0)


def test_answers_expire(tmp_path: Path) -> None:
    for edge in _edge(tmp_path, CachePolicy(reuse=Reuse.CDN, ttl_s=0.2)):
        ask = as_json(image_input())
        assert edge.through(ask).cache_status == MISS
        time.sleep(0.3)
        assert edge.through(ask).cache_status == MISS
        assert edge.costs() == (2, 2)


def test_without_leave_of_the_contract_nothing_is_kept(tmp_path: Path) -> None:
    for edge in _edge(tmp_path, CachePolicy(reuse=Reuse.NODE)):
        for agents in ("skerry; fwd=miss; stored", "skerry; hit"):
            got = edge.through(as_json(image_input()))
            assert got.cache_status == f"{agents}, skerry-cdn; fwd=bypass; detail=not-cacheable"


def test_steps_aside_while_the_agent_serves_another_variant(edge: Edge) -> None:
    variant = edge.release.variants[PROFILE]
    ask = as_json(image_input())
    edge.through(ask)
    edge.agent.activate(served(variant, edge.agent.engine, variant_digest="sha256:" + "f" * 64))
    other = as_json(image_input(_image(1)))
    assert edge.through(other).cache_status.endswith("skerry-cdn; fwd=miss; detail=other-variant")
    assert edge.through(ask).cache_status.endswith("skerry-cdn; fwd=bypass; detail=other-variant")
    edge.agent.activate(served(variant, edge.agent.engine))
    edge.through(ask)
    assert edge.through(ask).cache_status.startswith("skerry-cdn; hit")


def test_another_model_of_the_agent_is_not_public(edge: Edge) -> None:
    letters = served(edge.release.variants[PROFILE], edge.agent.engine)
    edge.agent.activate(dataclasses.replace(letters, name="letters"))
    ask = dataclasses.replace(as_json(image_input()), path="/v2/models/letters/infer")
    assert edge.direct(ask).status == 200
    before = edge.costs()
    assert edge.through(ask).status == 404
    assert edge.costs() == before


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/metrics", id="metrics"),
        pytest.param("/status", id="status"),
        pytest.param("/healthz", id="health-of-no-protocol"),
        pytest.param("/v2/models/stats", id="statistics"),
        pytest.param("/v2/models/digits/stats", id="statistics-of-the-model"),
        pytest.param("/v2/models/digits/versions/1.0.0/stats", id="statistics-of-the-version"),
        pytest.param("/v2/models/none/ready", id="other-model"),
        pytest.param("/v2/models/digits/infer/", id="slash-at-the-end"),
        pytest.param("/v2/models/digits/versions/../../../../metrics", id="dots"),
        pytest.param("/v2/models/%64igits", id="escaped"),
        pytest.param("//evil.example/v2", id="looks-like-a-host"),
        pytest.param("/elsewhere?x=1", id="unknown"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_public_costs_the_agent_nothing(shared_edge: Edge, method: str, path: str) -> None:
    before = shared_edge.costs()
    got = shared_edge.through(Ask(method=method, path=path, headers={"Authorization": "Bearer x"}, body=b"{}"))
    problem = json.loads(got.body)
    assert (got.status, problem["title"], problem["status"]) == (404, "HTTPNotFound", 404)
    assert shared_edge.costs() == before


def test_wrong_requests_alone_show_that_the_agent_changed(tmp_path: Path) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    variant = release.variants[PROFILE]
    wrong = as_json(image_input(shape=[1, 64]))
    with AgentThread(variant) as agent:
        _hook(release, agent.port, tmp_path / "hook").close()
        config = tmp_path / "hook" / "config.js"
        config.write_text(config.read_text().replace('"recheck_ms":60000', '"recheck_ms":200'))
        with Workerd(tmp_path / "hook") as hook:
            assert send(hook.port, wrong).cache_status == ""
            agent.activate(served(variant, agent.engine, variant_digest="sha256:" + "f" * 64))
            time.sleep(0.3)
            assert send(hook.port, wrong).cache_status == "skerry-cdn; fwd=bypass; detail=recheck"
            assert send(hook.port, wrong).cache_status == "skerry-cdn; fwd=bypass; detail=other-variant"
            assert (agent.requests, agent.engine.runs) == (2, 0)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v2/health/ready", id="ready"),
        pytest.param("/v2", id="server"),
        pytest.param("/v2/health/live", id="live"),
        pytest.param("/v2/models/digits", id="model"),
        pytest.param("/v2/models/digits/ready", id="model-ready"),
        pytest.param("/v2/models/digits/versions/1.0.0", id="version"),
        pytest.param("/v2/models/digits/versions/7.0.0/ready", id="unknown-version"),
    ],
)
def test_health_and_metadata_pass_through(shared_edge: Edge, path: str) -> None:
    got, want = (send(port, Ask(method="GET", path=path)) for port in (shared_edge.hook.port, shared_edge.agent.port))
    assert (got.status, got.body, got.cache_status) == (want.status, want.body, "")


def test_infer_of_another_version_passes_through(shared_edge: Edge) -> None:
    requests, _runs = shared_edge.costs()
    got = shared_edge.through(Ask(path="/v2/models/digits/versions/2.0.0/infer", body=b"junk"))
    assert (got.status, json.loads(got.body)["title"]) == (404, "NotFoundError")
    assert shared_edge.costs()[0] == requests + 1


def test_agent_gone_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        with _hook(release, unused.getsockname()[1], tmp_path / "hook") as hook:
            got = send(hook.port, as_json(image_input()))
    assert (got.status, json.loads(got.body)["title"]) == (502, "UnavailableError")


def test_agent_silent_is_a_timeout(tmp_path: Path) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    with (
        socket.create_server((HOST, 0)) as silent,
        _hook(release, silent.getsockname()[1], tmp_path / "hook", origin_timeout_s=0.2) as hook,
    ):
        got = send(hook.port, as_json(image_input()))
    assert (got.status, json.loads(got.body)["title"]) == (504, "UnavailableError")


def test_repeats_are_answered_while_the_agent_is_down(tmp_path: Path) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    with AgentThread(release.variants[PROFILE]) as agent:
        hook = _hook(release, agent.port, tmp_path / "hook")
        first = send(hook.port, as_json(image_input()))
    with hook:
        again = send(hook.port, as_json(image_input()))
        assert (again.status, again.body) == (200, first.body)
        assert send(hook.port, as_json(image_input(_image(1)))).status == 502


ANSWERS = {
    "no-json": (b"ok", "", "malformed"),
    "no-object": (b"[]", "", "malformed"),
    "open-string": (b'{"outputs', "", "malformed"),
    "no-utf8": (b'{"id":"\xff"}', "", "malformed"),
    "head-length-no-number": (b"{}", "Inference-Header-Content-Length: x\r\n", "malformed"),
    "head-length-beyond-body": (b"{}", "Inference-Header-Content-Length: 99\r\n", "malformed"),
    "coded": (b"{}", "Content-Encoding: br\r\n", "negotiated"),
}


@pytest.mark.parametrize(("body", "headers", "detail"), ANSWERS.values(), ids=ANSWERS.keys())
def test_mangled_answers_are_neither_kept_nor_a_trap(tmp_path: Path, body: bytes, headers: str, detail: str) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    with (
        Impostor(_genuine(release, headers, len(body)) + body) as agent,
        _hook(release, agent.port, tmp_path / "hook") as hook,
    ):
        for _ in range(2):
            got = send(hook.port, as_json(image_input()))
            assert got.cache_status == f"skerry-cdn; fwd=miss; detail={detail}"
    assert agent.requests == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"garbage\r\n\r\n", id="no-http"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, id="headers-without-end"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="protocol"),
        pytest.param(None, id="cut-off"),
    ],
)
def test_broken_answers_are_a_problem_not_a_crash(tmp_path: Path, answer: bytes | None) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    with (
        Impostor(answer or _genuine(release, "", 100) + b"{}") as agent,
        _hook(release, agent.port, tmp_path / "hook") as hook,
    ):
        got = send(hook.port, as_json(image_input()))
    assert (got.status, json.loads(got.body)["title"]) == (502, "UnavailableError")


def _genuine(release: VerifiedRelease, headers: str, length: int) -> bytes:
    """The head of an answer with everything that the hook asks for before it keeps one."""
    variant = release.variants[PROFILE]
    key = cache_key(
        model_digest=variant.manifest.model_digest,
        scope=variant.variant_digest,
        contract_digest=variant.manifest.contract_digest,
        hook_digest="",
        inputs=[("image", Tensor(DType.FP32, (1, 1, 8, 8), np.array(IMAGE, dtype="<f4").tobytes()))],
    )
    facts = f"Skerry-Variant: {variant.variant_digest}\r\nSkerry-Cache-Key: {key}\r\n"
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{facts}{headers}\r\n".encode()


def test_without_a_cache_service_answers_still_come(tmp_path: Path) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    with AgentThread(release.variants[PROFILE]) as agent:
        _hook(release, agent.port, tmp_path / "hook").close()
        config = tmp_path / "hook" / "config.capnp"
        config.write_text(config.read_text().replace('cacheApiOutbound = "cache",', ""))
        with Workerd(tmp_path / "hook") as hook:
            for agents in ("skerry; fwd=miss; stored", "skerry; hit"):
                got = send(hook.port, as_json(image_input()))
                assert got.status == 200
                assert got.cache_status == f"{agents}, skerry-cdn; fwd=miss; detail=cache-failed"


def test_tritonclient_talks_through_the_hook(edge: Edge) -> None:
    client = tritonclient.http.InferenceServerClient(f"{HOST}:{edge.hook.port}")
    try:
        assert client.is_model_ready("digits")
        given = tritonclient.http.InferInput("image", [1, 1, 8, 8], "FP32")
        given.set_data_from_numpy(np.array(IMAGE, dtype=np.float32).reshape(1, 1, 8, 8))
        answers = [client.infer("digits", [given]).as_numpy("probabilities") for _ in range(2)]
    finally:
        client.close()
    assert answers[0].tobytes() == answers[1].tobytes()
    assert edge.agent.engine.runs == 1


def test_cache_keys_in_workerd(tmp_path: Path) -> None:
    write_probe(tmp_path)
    modules = [*sorted(path.name for path in tmp_path.glob("*.js") if path.name not in ("probe_node.js", "worker.js"))]
    modules.sort(key=lambda name: name != "probe_worker.js")
    listed = ",\n".join(f'(name = "{name}", esModule = embed "{name}")' for name in modules)
    (tmp_path / "config.capnp").write_text(
        f"""
        using Workerd = import "/workerd/workerd.capnp";
        const config :Workerd.Config = (
          services = [(name = "probe", worker = (modules = [{listed}], compatibilityDate = "2026-11-01"))],
          sockets = [(name = "http", http = (), service = "probe")],
        );
        """
    )
    with Workerd(tmp_path) as probe:
        got = send(probe.port, _raw(json.dumps({"vectors": cache_key_cases()})))
    assert json.loads(got.body)["vectors"] == expected_keys()
