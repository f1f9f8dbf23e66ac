"""The built hook in real workerd: junk costs no inference, and what is not public never reaches the agent."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest

from edge_bundle.contract import CachePolicy, Reuse
from tests.cdn_hooks.agent import AgentThread, served
from tests.cdn_hooks.client import IMAGE, Ask, as_binary, as_json, edited, image_input, send
from tests.cdn_hooks.edge import MAX_BODY_BYTES, Edge, digits_release, image_number, open_hook, raw
from tests.cdn_hooks.releases import PROFILE
from tests.cdn_hooks.workerd import Workerd

pytestmark = pytest.mark.heavy

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
        pytest.param(raw("{}", "text/plain"), 415, id="content-type-text"),
        pytest.param(raw("{}", "text/html; charset=utf-8"), 415, id="content-type-html"),
        pytest.param(raw("{}", Content_Encoding="gzip"), 415, id="content-coding"),
        pytest.param(raw(TOO_LARGE), 413, id="body-too-large-by-length"),
        pytest.param(Ask(body=(TOO_LARGE[: MAX_BODY_BYTES // 2],) * 3), 413, id="body-too-large-chunked"),
        pytest.param(raw(""), 400, id="body-empty"),
        pytest.param(raw("{"), 400, id="json-truncated"),
        pytest.param(raw("[]"), 400, id="json-no-object"),
        pytest.param(raw("\ufeff{}"), 400, id="json-byte-order-mark"),
        pytest.param(raw(b'{"id":"\xff"}'), 400, id="json-no-utf8"),
        pytest.param(raw('{"inputs":[NaN]}'), 400, id="json-nan"),
        pytest.param(raw("{}"), 400, id="inputs-missing"),
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
        pytest.param(as_json(image_input(image_number(1)), parameters={"priority": 1}), "unknown-parameter", id="hint"),
        pytest.param(as_json(image_input(image_number(2), note="x")), "unknown-parameter", id="unknown-member"),
        pytest.param(as_json(image_input(image_number(3)), id=7), "request-id", id="id-no-text"),
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


def test_wrong_requests_alone_show_that_the_agent_changed(tmp_path: Path) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    variant = release.variants[PROFILE]
    wrong = as_json(image_input(shape=[1, 64]))
    with AgentThread(variant) as agent:
        open_hook(release, agent.port, tmp_path / "hook").close()
        config = tmp_path / "hook" / "config.js"
        config.write_text(config.read_text().replace('"recheck_ms":60000', '"recheck_ms":200'))
        with Workerd(tmp_path / "hook") as hook:
            assert send(hook.port, wrong).cache_status == ""
            agent.activate(served(variant, agent.engine, variant_digest="sha256:" + "f" * 64))
            time.sleep(0.3)
            assert send(hook.port, wrong).cache_status == "skerry-cdn; fwd=bypass; detail=recheck"
            assert send(hook.port, wrong).cache_status == "skerry-cdn; fwd=bypass; detail=other-variant"
            assert (agent.requests, agent.engine.runs) == (2, 0)
