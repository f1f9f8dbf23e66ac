"""A native runtime that crashes on a new release: the order is refused by name, and what served goes on serving."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from edge_agent import activate
from edge_bundle.messages import UpdateResult
from tests.edge_runtime.test_trial import engine_that
from tests.sim.memory_hub import FakeClock
from tests.sim.node import close, hub_with, make_config, make_node, served_version
from tests.sim.releases import make_release


def test_a_crash_in_native_code_is_a_refused_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    hub = hub_with(clock, "1.0.0")
    config = make_config(tmp_path / "node", hub.tuf.root)
    node = make_node(config, hub, clock, prove=partial(activate.prove, cache_dir=config.state / "compiled"))
    asyncio.run(node.poller.tick())
    assert served_version(node) == "1.0.0"

    stub = tmp_path / "stub"
    stub.mkdir()
    engine_that("os.kill(os.getpid(), signal.SIGSEGV)", monkeypatch, stub)
    hub.publish(make_release("1.1.0"))
    hub.order("1.1.0")
    asyncio.run(node.poller.tick())
    outcome = hub.outcomes[-1]
    assert (outcome.result, outcome.error) == (UpdateResult.REFUSED, "EngineError")
    assert "crashed: SIGSEGV" in outcome.detail
    assert served_version(node) == "1.0.0"
    close(node)


def test_a_current_release_that_crashes_after_a_restart_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a package or a driver was updated: without the trial the agent would die at every start."""
    clock = FakeClock()
    hub = hub_with(clock, "1.0.0")
    config = make_config(tmp_path / "node", hub.tuf.root)
    prove = partial(activate.prove, cache_dir=config.state / "compiled")
    node = make_node(config, hub, clock, prove=prove)
    asyncio.run(node.poller.tick())
    close(node)
    stub = tmp_path / "stub"
    stub.mkdir()
    engine_that("os.kill(os.getpid(), signal.SIGSEGV)", monkeypatch, stub)
    node = make_node(config, hub, clock, prove=prove)
    asyncio.run(node.updater.restore())
    assert served_version(node) is None
    (event,) = node.recorder.take_events()
    assert event.kind == "rollback"
    assert "crashed: SIGSEGV" in event.detail
    close(node)
