"""The built hook in real workerd: repeats cost no inference, answers stay the same, and a broken agent breaks nothing."""

from __future__ import annotations

import dataclasses
import json
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http

from edge_bundle.cache_key import cache_key
from edge_bundle.contract import CachePolicy, Reuse
from edge_bundle.tensor import DType, Tensor
from edge_bundle.walk import VerifiedRelease
from tests.cdn_hooks.agent import HOST, AgentThread, served
from tests.cdn_hooks.client import IMAGE, Ask, as_binary, as_json, image_input, send
from tests.cdn_hooks.edge import MISS, Edge, digits_release, image_number, open_edge, open_hook, raw
from tests.cdn_hooks.impostor import Impostor
from tests.cdn_hooks.node import write_probe
from tests.cdn_hooks.releases import PROFILE
from tests.cdn_hooks.vectors import cache_key_cases, expected_keys
from tests.cdn_hooks.workerd import Workerd

pytestmark = pytest.mark.heavy


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
    for edge in open_edge(tmp_path, CachePolicy(reuse=Reuse.CDN, ttl_s=0.2)):
        ask = as_json(image_input())
        assert edge.through(ask).cache_status == MISS
        time.sleep(0.3)
        assert edge.through(ask).cache_status == MISS
        assert edge.costs() == (2, 2)


def test_without_leave_of_the_contract_nothing_is_kept(tmp_path: Path) -> None:
    for edge in open_edge(tmp_path, CachePolicy(reuse=Reuse.NODE)):
        for agents in ("skerry; fwd=miss; stored", "skerry; hit"):
            got = edge.through(as_json(image_input()))
            assert got.cache_status == f"{agents}, skerry-cdn; fwd=bypass; detail=not-cacheable"


def test_steps_aside_while_the_agent_serves_another_variant(edge: Edge) -> None:
    variant = edge.release.variants[PROFILE]
    ask = as_json(image_input())
    edge.through(ask)
    edge.agent.activate(served(variant, edge.agent.engine, variant_digest="sha256:" + "f" * 64))
    other = as_json(image_input(image_number(1)))
    assert edge.through(other).cache_status.endswith("skerry-cdn; fwd=miss; detail=other-variant")
    assert edge.through(ask).cache_status.endswith("skerry-cdn; fwd=bypass; detail=other-variant")
    edge.agent.activate(served(variant, edge.agent.engine))
    edge.through(ask)
    assert edge.through(ask).cache_status.startswith("skerry-cdn; hit")


def test_agent_gone_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        with open_hook(release, unused.getsockname()[1], tmp_path / "hook") as hook:
            got = send(hook.port, as_json(image_input()))
    assert (got.status, json.loads(got.body)["title"]) == (502, "UnavailableError")


def test_agent_silent_is_a_timeout(tmp_path: Path) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    with (
        socket.create_server((HOST, 0)) as silent,
        open_hook(release, silent.getsockname()[1], tmp_path / "hook", origin_timeout_s=0.2) as hook,
    ):
        got = send(hook.port, as_json(image_input()))
    assert (got.status, json.loads(got.body)["title"]) == (504, "UnavailableError")


def test_repeats_are_answered_while_the_agent_is_down(tmp_path: Path) -> None:
    release = digits_release(tmp_path / "layout", CachePolicy(reuse=Reuse.CDN))
    with AgentThread(release.variants[PROFILE]) as agent:
        hook = open_hook(release, agent.port, tmp_path / "hook")
        first = send(hook.port, as_json(image_input()))
    with hook:
        again = send(hook.port, as_json(image_input()))
        assert (again.status, again.body) == (200, first.body)
        assert send(hook.port, as_json(image_input(image_number(1)))).status == 502


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
        open_hook(release, agent.port, tmp_path / "hook") as hook,
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
        open_hook(release, agent.port, tmp_path / "hook") as hook,
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
        open_hook(release, agent.port, tmp_path / "hook").close()
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
        got = send(probe.port, raw(json.dumps({"vectors": cache_key_cases()})))
    assert json.loads(got.body)["vectors"] == expected_keys()
