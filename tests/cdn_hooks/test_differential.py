"""The hook's judgement against the agent's own code, on thousands of seeded requests: it is never wrong, at most unsure."""

from __future__ import annotations

import base64
import collections
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from edge_agent.serving.call import Call
from edge_agent.serving.problem import status_of
from edge_agent.serving.steps.shape_check import ShapeCheck
from edge_agent.serving.tensor_check import TensorCheck
from edge_agent.serving.v2_binary import parse_length
from edge_agent.serving.v2_request import decode_request
from edge_agent.serving.wanted import WantedOutput
from edge_bundle.cache_key import cache_key
from edge_bundle.errors import SkerryError
from tests.cdn_hooks.node import run_node
from tests.cdn_hooks.request_maker import Made, RequestMaker
from tests.cdn_hooks.samples import INPUTS, MAX_BATCH, OUTPUTS, sample_settings

SEED = 20261122
REQUESTS = 6000


def _agent(made: Made) -> dict[str, Any]:
    """Key, outputs and id that the agent finds, or the status of its refusal."""
    settings = sample_settings()
    checks = [{r.name: TensorCheck(r, "input", max_batch=MAX_BATCH) for r in rules} for rules in (INPUTS, OUTPUTS)]
    call = Call(SimpleNamespace(input_checks=checks[0], output_checks=checks[1]), None)  # type: ignore[arg-type]
    try:
        request = decode_request(made.body, parse_length(made.head_length, body_bytes=len(made.body)))
        call.inputs = request.inputs
        call.wanted = request.wanted or tuple(WantedOutput(rule.name, request.binary) for rule in OUTPUTS)
        ShapeCheck().enter(call)
    except SkerryError as error:
        return {"refused": int(status_of(error))}
    key = cache_key(
        model_digest=settings.model_digest,
        scope=settings.cache.scope,
        contract_digest=settings.contract_digest,
        hook_digest="",
        inputs=list(call.inputs.items()),
    )
    return {"key": key, "form": [[*wanted] for wanted in call.wanted], "id": request.id}


def test_hook_and_agent_agree_wherever_the_hook_decides(tmp_path: Path) -> None:
    maker = RequestMaker(SEED)
    requests = [maker.make() for _ in range(REQUESTS)]
    cases = [{"body_base64": base64.b64encode(r.body).decode(), "head_length": r.head_length} for r in requests]
    judged = run_node(tmp_path, {"requests": cases})["requests"]
    kinds: collections.Counter[str] = collections.Counter()
    for made, hook in zip(requests, judged, strict=True):
        agent = _agent(made)
        kinds[f"{next(iter(hook))} {next(iter(agent))}"] += 1
        if "undecided" in hook:
            assert not hook["undecided"].startswith("bug"), hook["undecided"]
        else:
            assert hook == agent, made
    assert kinds["key key"] > REQUESTS // 5
    assert kinds["refused refused"] > REQUESTS // 5
    assert kinds["undecided key"] < REQUESTS // 10, kinds
