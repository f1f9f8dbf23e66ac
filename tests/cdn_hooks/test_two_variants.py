"""Two ``portable-exact`` variants of one release: same model, same contract, other answers; nobody mixes them up."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from compiler.compile import compile_bundle
from edge_bundle.manifest import NumericClass
from edge_runtime.factory import open_engine, source_of
from tests.cdn_hooks.agent import AgentThread, served
from tests.cdn_hooks.client import as_json, image_input, send
from tests.cdn_hooks.edge import MISS, image_number, open_hook
from tests.compiler.models import digits_request, verified

pytestmark = pytest.mark.heavy

FLOATS, INTEGERS = "wasm-simd128", "wasm-simd128-int8"


def test_one_agent_and_one_worker_keep_two_portable_variants_apart(tmp_path: Path) -> None:
    compile_bundle(digits_request(tmp_path / "bundle", FLOATS, INTEGERS))
    release = verified(tmp_path / "bundle")
    floats, integers = release.variants[FLOATS], release.variants[INTEGERS]
    for variant in (floats, integers):
        assert variant.manifest.numeric_class is NumericClass.PORTABLE_EXACT
        assert variant.manifest.model_digest == floats.manifest.model_digest
        assert variant.manifest.contract_digest == floats.manifest.contract_digest
    ask, other = as_json(image_input()), as_json(image_input(image_number(1)))
    with ExitStack() as stack:
        agent = stack.enter_context(AgentThread(floats))
        engine = stack.enter_context(open_engine(source_of(integers.manifest, integers.files)))
        hook = stack.enter_context(open_hook(release, agent.port, tmp_path / "hook", profile=FLOATS))
        first = send(hook.port, ask)
        assert (first.status, first.cache_status) == (200, MISS)
        agent.activate(served(integers, engine))
        assert send(hook.port, other).cache_status.endswith("skerry-cdn; fwd=miss; detail=other-variant")
        second = send(hook.port, ask)
        assert second.cache_status == "skerry; fwd=miss; stored, skerry-cdn; fwd=bypass; detail=other-variant"
        assert second.body != first.body
        assert second.headers["skerry-cache-key"] != first.headers["skerry-cache-key"]
        agent.activate(served(floats, agent.engine))
        send(hook.port, other)
        again = send(hook.port, ask)
        assert again.cache_status.startswith("skerry-cdn; hit")
        assert (again.body, again.headers["skerry-cache-key"]) == (first.body, first.headers["skerry-cache-key"])
