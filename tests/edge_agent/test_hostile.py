"""Attacks on the agent: a hub that lies in its answers, and a state directory that somebody else got at."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import msgspec
import pytest

from edge_agent.disk import RealDisk
from edge_agent.lock import exclusive
from edge_agent.orders import OrderBook
from edge_agent.schedule import MIN_INTERVAL_S
from edge_agent.slots import ModelSlots
from edge_agent.store import Store
from edge_agent.telemetry.spool import Spool
from edge_agent.texts import carried, one_line
from edge_bundle import canonical
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import FormatError, InvalidInputError, LimitExceededError, UnavailableError
from edge_bundle.limits import MAX_MODELS
from edge_bundle.messages import DesiredRelease, EnrolRequest, PollRequest, PollResponse
from tests.sim.memory_hub import FakeClock
from tests.sim.node import close, hub_with, make_config, make_node, served_version
from tests.sim.releases import MODEL


def order(model: str, path: str = "") -> DesiredRelease:
    return DesiredRelease(rollout_id="r", model=model, version="1.0.0", target_path=path or f"{model}/1.0.0.json")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("../../etc/passwd", id="traversal"),
        pytest.param("*", id="wildcard"),
        pytest.param("", id="nothing"),
        pytest.param("digits/\x00.json", id="nul"),
        pytest.param("digits/\U0001f600.json", id="emoji"),
        pytest.param("digits/" + "x" * 4000, id="long"),
        pytest.param("root.json", id="metadata"),
    ],
)
def test_orders_for_odd_paths_are_refused(tmp_path: Path, path: str) -> None:
    clock = FakeClock()
    hub = hub_with(clock, "1.0.0")
    node = make_node(make_config(tmp_path, hub.tuf.root), hub, clock)
    hub.orders[MODEL] = DesiredRelease(rollout_id="r", model=MODEL, version="1.0.0", target_path=path)
    asyncio.run(node.poller.tick())
    assert node.poller.orders.last[-1].error == "UntrustedMetadataError"
    hub.order("1.0.0")
    asyncio.run(node.poller.tick())
    assert served_version(node) == "1.0.0"
    close(node)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b'{"desired":[],"poll_interval_s":1e999}', id="interval-infinite"),
        pytest.param(b'{"desired":[],"poll_interval_s":NaN}', id="interval-not-a-number"),
        pytest.param(b'{"desired":[],"poll_interval_s":"1"}', id="interval-as-text"),
        pytest.param(b'{"desired":[],"poll_interval_s":1,"poll_interval_s":2}', id="interval-twice"),
        pytest.param(b'{"desired":' + b"[" * 1000 + b"]" * 1000 + b',"poll_interval_s":1}', id="nested"),
        pytest.param(
            canonical.dumps(PollResponse(desired=(order("m"),) * (MAX_MODELS + 1), poll_interval_s=1.0)),
            id="orders-without-number",
        ),
        pytest.param(
            canonical.dumps(PollResponse(desired=(order("M\u00fcller"),), poll_interval_s=1.0)), id="model-in-unicode"
        ),
        pytest.param(
            canonical.dumps(PollResponse(desired=(order("m", "x" * 10_000),), poll_interval_s=1.0)), id="path-too-long"
        ),
    ],
)
def test_absurd_answers_to_a_poll_are_refused(answer: bytes) -> None:
    with pytest.raises((FormatError, LimitExceededError)):
        canonical.decode(answer, PollResponse, what="answer")


@pytest.mark.parametrize("interval_s", [0.0, -1.0, -1e308, 1e308])
def test_no_interval_of_the_hub_makes_the_node_spin_or_sleep(tmp_path: Path, interval_s: float) -> None:
    clock = FakeClock()
    hub = hub_with(clock, "1.0.0")
    node = make_node(make_config(tmp_path, hub.tuf.root), hub, clock)
    node.poller.schedule.succeeded(interval_s)
    assert MIN_INTERVAL_S <= node.poller.schedule.wait_s(0.0) <= node.poller.config.hub.poll_interval_s


def test_made_up_models_fill_no_memory() -> None:
    book = OrderBook()
    for number in range(3 * MAX_MODELS):
        made_up = order(f"m{number}")
        book.failed(made_up, LimitExceededError(what="x", limit=1, got=2, unit="bytes"), at_ms=number)
        assert not book.is_due(made_up, now_ms=0)
    assert len(book.last) == MAX_MODELS
    assert sum(not book.is_due(order(f"m{number}"), now_ms=0) for number in range(3 * MAX_MODELS)) == MAX_MODELS


def test_text_that_no_message_can_carry_does_not_stop_the_polls(tmp_path: Path) -> None:
    clock = FakeClock()
    hub = hub_with(clock, "1.0.0")
    node = make_node(make_config(tmp_path, hub.tuf.root), hub, clock)
    bad = b'{"signed":{"_type":"\\ud800","version":1},"signatures":[]}'
    hub.faults.metadata = {**hub.tuf.files, "timestamp.json": bad}
    for _ in range(2):
        asyncio.run(node.poller.tick())
    assert hub.outcomes[-1].error == "UntrustedMetadataError"
    canonical.decode(canonical.dumps(hub.polls[-1]), PollRequest, what="poll")
    hub.faults.metadata = None
    asyncio.run(node.poller.tick())
    assert served_version(node) == "1.0.0"
    close(node)


def test_texts_are_made_fit() -> None:
    assert carried("a\ud800\n\x1b[2J\tb\n\n", max_chars=99) == "a?\n?[2J\tb"
    assert one_line("Intel\x00\x1b[31m\n\u00b5\udcff", max_chars=20) == "Intel  [31m \u00b5 "


def test_what_the_machine_says_of_itself_fits_an_enrolment(tmp_path: Path) -> None:
    clock = FakeClock()
    hub = hub_with(clock, "1.0.0")
    node = make_node(make_config(tmp_path, hub.tuf.root), hub, clock)
    seen: list[EnrolRequest] = []
    enrol = hub.enrol

    async def watch(request: EnrolRequest) -> object:
        seen.append(canonical.decode(canonical.dumps(request), EnrolRequest, what="enrolment"))
        return await enrol(request)

    node.poller.machine = {"cpu": "Odd\x00\x1b[2J" + "x" * 1000}
    hub.enrol = watch  # type: ignore[method-assign,assignment]
    asyncio.run(node.poller.tick())
    assert seen[0].machine["cpu"].startswith("Odd  [2Jxxx")
    close(node)


# Somebody else at the state directory.


def test_slots_cannot_point_outside_the_state_directory(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    digest = sha256_digest(b"x")
    slot = {
        "version": "1.0.0",
        "bundle_digest": digest,
        "variant_digest": digest,
        "profile": "p",
        "index_digest": "sha256:../../../victim",
        "blobs": [],
        "activated_at_ms": 0,
    }
    state = tmp_path / "state"
    slots = {"schema": 1, "models": {MODEL: {"current": slot, "floor": "1.0.0"}}}
    RealDisk().write(state / "slots.json", msgspec.json.encode(slots))
    with pytest.raises(FormatError, match="index_digest"):
        Store(state, RealDisk())
    assert victim.read_bytes() == b"precious"


def test_no_more_models_are_written_than_can_be_read_again(tmp_path: Path) -> None:
    store = Store(tmp_path, RealDisk())
    for number in range(MAX_MODELS):
        store.commit(f"m{number}", ModelSlots())
    with pytest.raises(LimitExceededError):
        store.commit("one-more", ModelSlots())
    assert len(Store(tmp_path, RealDisk()).models) == MAX_MODELS


def test_links_in_the_place_of_our_files_are_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    for name in ("slots.json.tmp", "partial"):
        (tmp_path / name).symlink_to(victim)
    with pytest.raises(UnavailableError):
        RealDisk().write(tmp_path / "slots.json", b"x")
    with pytest.raises(UnavailableError):
        RealDisk().append(tmp_path / "partial", b"x")
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        pytest.param("", 0o777, id="state-open-to-all"),
        pytest.param("", 0o770, id="state-open-to-a-group"),
        pytest.param("identity", 0o707, id="identity-open-to-all"),
        pytest.param("identity/node.seed", 0o644, id="key-readable-by-all"),
        pytest.param("identity/node.seed", 0o640, id="key-readable-by-a-group"),
    ],
)
def test_a_state_directory_open_to_others_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    state = tmp_path / "state"
    RealDisk().write(state / "identity" / "node.seed", b"k" * 32)
    with exclusive(state):
        pass
    (state / name).chmod(mode)
    with pytest.raises(InvalidInputError, match="only its owner") as caught, exclusive(state):
        pass
    assert "chmod" in caught.value.advice


def test_everything_the_agent_makes_is_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with exclusive(tmp_path / "state"), Spool(tmp_path / "state" / "spool", node_id="n", boot_id="b"):
            pass
        with Spool(tmp_path / "state" / "spool", node_id="n", boot_id="b"):
            made = list((tmp_path / "state").rglob("*"))
            assert {path.name for path in made} >= {"spool", "spool-wal", "lock"}
            assert not [path for path in (tmp_path / "state", *made) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    finally:
        os.umask(old)
