"""Enrolment, polls, rollouts and telemetry over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from edge_bundle import blobs
from edge_bundle.ddsketch import Sketch
from edge_bundle.errors import RemoteError
from edge_bundle.keys import SigningKey
from edge_bundle.messages import EnrolResponse, UpdateResult
from edge_bundle.telemetry import EventRecord, ServingRecord, TelemetryBatch
from fleet_hub.api import Problem
from tests.fleet_hub.running import PROFILE, TEAM, Clock, Node, RunningHub, enrolled, init, outcome, serve, slot
from tests.fleet_hub.samples import OWNERS, make_bundle

VARIANT = "sha256:" + "2" * 64


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub for tests that only look at their own nodes."""
    with serve(init(tmp_path_factory.mktemp("shared"))) as hub:
        yield hub


def with_hub(tmp_path: Path, run: Callable[[RunningHub], Awaitable[None]], clock: Clock | None = None) -> None:
    async def main(hub: RunningHub) -> None:
        await run(hub)

    with serve(init(tmp_path), clock) as hub:
        asyncio.run(main(hub))


async def publish(hub: RunningHub, directory: Path, *versions: str) -> None:
    async with hub.client("publisher") as client:
        for version in versions:
            with make_bundle(directory / version, version) as layout:
                await client.publish(layout, OWNERS, TEAM)


def title(body: bytes) -> str:
    return msgspec.json.decode(body, type=Problem).title


def test_token_binds_the_key_and_its_labels(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        async with hub.client("operator") as operator:
            token = (await operator.create_token({"site": "north"})).token
            node = Node(hub)
            status, body = await node.enrol(token, labels={"site": "lies", "rack": "7"})
            assert status == 200
            assert msgspec.json.decode(body, type=EnrolResponse).poll_interval_s == 30.0
            (row,) = await operator.nodes()
            assert row.labels == {"site": "north", "rack": "7"}
            assert row.keyid == node.key.public.keyid
            # The answer may have been lost: the same key may ask again, another key may not.
            again = Node(hub, node.key)
            assert (await again.enrol(token))[0] == 200
            assert again.node_id == node.node_id
            status, body = await Node(hub).enrol(token)
            assert (status, title(body)) == (403, "RefusedError")
            assert len(await operator.nodes()) == 1

    with_hub(tmp_path, run)


def test_known_key_with_a_new_token_keeps_its_identity(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        node = await enrolled(hub)
        async with hub.client("operator") as operator:
            token = (await operator.create_token({"site": "south"})).token
            again = Node(hub, node.key)
            assert (await again.enrol(token))[0] == 200
            assert again.node_id == node.node_id
            assert [row.labels for row in await operator.nodes()] == [{"site": "south"}]

    with_hub(tmp_path, run)


def test_expired_and_unknown_tokens_are_refused(tmp_path: Path) -> None:
    clock = Clock()

    async def run(hub: RunningHub) -> None:
        async with hub.client("operator") as operator:
            token = (await operator.create_token({}, ttl_s=60.0)).token
        assert (await Node(hub).enrol("skerry_enrol_" + "0" * 64))[0] == 403
        clock.offset_s = 61.0
        status, body = await Node(hub).enrol(token)
        assert status == 403
        assert b"expired" in body

    with_hub(tmp_path, run, clock)


def test_enrolment_must_be_signed_by_the_key_it_brings(shared: RunningHub) -> None:
    async def run(hub: RunningHub) -> None:
        async with hub.client("operator") as operator:
            token = (await operator.create_token({})).token
        thief = Node(hub)
        honest_send = thief.send

        async def send(method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
            return await honest_send(method, path, body, signer=SigningKey.generate())

        thief.send = send  # type: ignore[method-assign,assignment]
        status, body = await thief.enrol(token)
        assert (status, title(body)) == (401, "UnauthenticatedError")

    asyncio.run(run(shared))


@pytest.mark.parametrize(
    ("case", "status"),
    [
        pytest.param("stranger", 401, id="unknown-node"),
        pytest.param("forged", 401, id="signed-by-another-key"),
        pytest.param("other-node", 403, id="one-node-in-the-name-of-another"),
        pytest.param("stale", 401, id="replayed-after-the-clock-window"),
        pytest.param("query", 401, id="query-beside-the-signature"),
    ],
)
def test_polls_of_others_are_refused(shared: RunningHub, case: str, status: int) -> None:
    async def run(hub: RunningHub) -> None:
        node, other = await enrolled(hub), await enrolled(hub)
        path = f"/v1/nodes/{node.node_id}/poll"
        sender, query = node, ""
        if case == "stranger":
            sender = Node(hub, node.key, "nobody-1")
        elif case == "forged":
            sender = Node(hub, other.key, node.node_id)
        elif case == "other-node":
            sender = other
        elif case == "stale":  # signed an hour ago
            sender = Node(RunningHub(hub.url, hub.result, Clock(-3600.0)), node.key, node.node_id)
        else:
            query = "?x=1"
        got, _ = await sender.send("POST", path, b"{}", query=query)
        assert got == status

    asyncio.run(run(shared))


def test_rollout_reaches_selected_nodes_and_finishes(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        await publish(hub, tmp_path, "1.0.0")
        north, south = await enrolled(hub, {"site": "north"}), await enrolled(hub, {"site": "south"})
        async with hub.client("operator") as operator:
            rollout = await operator.start_rollout("digits", "1.0.0", labels={"site": "north"})
            assert rollout.counts == {"pending": 1}
            assert rollout.nodes[0].last_seen_ms > 0
            assert (await south.poll()).desired == ()
            (order,) = (await north.poll()).desired
            assert (order.model, order.version, order.target_path) == ("digits", "1.0.0", "digits/1.0.0.json")
            await north.poll(outcome(rollout.rollout_id, UpdateResult.FAILED, error="UnavailableError"))
            row = await operator.rollout_status(rollout.rollout_id)
            assert (row.done, row.nodes[0].state, row.nodes[0].error) == (False, "failed", "UnavailableError")
            north.slots = (slot("1.0.0"),)
            await north.poll(outcome(rollout.rollout_id, UpdateResult.ACTIVATED))
            row = await operator.rollout_status(rollout.rollout_id)
            assert (row.done, row.counts) == (True, {"activated": 1})
            (running,) = await operator.running()
            assert (running.node_id, running.version, running.rollout_id) == (north.node_id, "1.0.0", row.rollout_id)
            assert (running.profile, running.since_ms) == (PROFILE, 2_000)
            actions = [event.action for event in (await operator.audit()).events]
            assert actions[-3:] == ["rollout.start", "update.failed", "update.activated"]

    with_hub(tmp_path, run)


def test_stuck_node_blocks_neither_its_rollout_nor_the_next(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        await publish(hub, tmp_path, "1.0.0", "1.1.0")
        good, stuck = await enrolled(hub), await enrolled(hub)
        async with hub.client("operator") as operator:
            first = await operator.start_rollout("digits", "1.0.0")
            await good.poll(outcome(first.rollout_id, UpdateResult.ACTIVATED))
            second = await operator.start_rollout("digits", "1.1.0")
            assert [order.version for order in (await good.poll()).desired] == ["1.1.0"]
            assert [order.version for order in (await stuck.poll()).desired] == ["1.1.0"]
            first = await operator.rollout_status(first.rollout_id)
            assert (first.done, first.counts) == (True, {"activated": 1, "superseded": 1})
            late = outcome(first.rollout_id, UpdateResult.ACTIVATED)
            await stuck.poll(late)  # too late to change the older rollout
            assert (await operator.rollout_status(first.rollout_id)).counts == {"activated": 1, "superseded": 1}
            assert [row.rollout_id for row in await operator.list_rollouts()] == [second.rollout_id, first.rollout_id]

    with_hub(tmp_path, run)


def test_late_comers_and_lost_outcomes(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        await publish(hub, tmp_path, "1.0.0")
        async with hub.client("operator") as operator:
            rollout = await operator.start_rollout("digits", "1.0.0", profile=PROFILE)
            assert (rollout.done, rollout.nodes) == (False, ())
            late = await enrolled(hub)
            assert len((await late.poll()).desired) == 1
            assert (await operator.rollout_status(rollout.rollout_id)).counts == {"pending": 1}
            late.slots = (slot("1.0.0", previous="0.9.0"),)
            await late.poll()  # its outcome got lost, but it says what runs
            assert (await operator.rollout_status(rollout.rollout_id)).counts == {"activated": 1}
            assert (await operator.running())[0].previous_version == "0.9.0"
            late.slots = ()
            await late.poll()
            assert await operator.running() == ()

    with_hub(tmp_path, run)


@pytest.mark.parametrize(
    ("result", "refusal"),
    [
        pytest.param(None, "ConflictError", id="ordered-and-not-heard-of"),
        pytest.param(UpdateResult.ACTIVATED, "ConflictError", id="activated"),
        pytest.param(UpdateResult.REFUSED, None, id="refused-by-the-node"),
    ],
)
def test_no_rollout_goes_back(tmp_path: Path, result: UpdateResult | None, refusal: str | None) -> None:
    """The node would refuse, and one that enrols later would not: the fleet would be split."""

    async def run(hub: RunningHub) -> None:
        await publish(hub, tmp_path, "1.9.0", "1.10.0")
        node = await enrolled(hub, {"site": "north"})
        async with hub.client("operator") as operator:
            newer = await operator.start_rollout("digits", "1.10.0")
            if result is not None:
                await node.poll(outcome(newer.rollout_id, result, version="1.10.0"))
            await operator.start_rollout("digits", "1.9.0", labels={"site": "south"})  # no node that had more
            if refusal is None:
                assert (await operator.start_rollout("digits", "1.9.0")).counts == {"pending": 1}
                return
            with pytest.raises(RemoteError, match=r"expected version 1\.10\.0 or newer") as caught:
                await operator.start_rollout("digits", "1.9.0")
            assert caught.value.name == refusal
            assert "under a higher version" in caught.value.advice
            assert (await operator.start_rollout("digits", "1.10.0")).version == "1.10.0"

    with_hub(tmp_path, run)


def test_rollout_to_a_profile_that_the_release_lacks_is_refused(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        await publish(hub, tmp_path, "1.0.0")
        async with hub.client("operator") as operator:
            with pytest.raises(RemoteError, match=r"no variant of digits 1\.0\.0 named 'opnvino'") as caught:
                await operator.start_rollout("digits", "1.0.0", profile="opnvino")
            assert caught.value.name == "NotFoundError"
            assert PROFILE in caught.value.advice
            assert await operator.list_rollouts() == ()

    with_hub(tmp_path, run)


def test_rollout_of_an_unknown_release_is_refused(shared: RunningHub) -> None:
    async def run(hub: RunningHub) -> None:
        async with hub.client("operator") as operator:
            with pytest.raises(RemoteError) as caught:
                await operator.start_rollout("digits", "9.9.9")
            assert caught.value.name == "NotFoundError"
            assert await operator.list_rollouts() == ()

    asyncio.run(run(shared))


def record(*latencies_us: float, version: str = "1.0.0", hits: int = 0) -> ServingRecord:
    sketch = Sketch()
    for latency in latencies_us:
        sketch.add(latency)
    return ServingRecord(
        model="digits",
        version=version,
        variant_digest=VARIANT,
        profile=PROFILE,
        start_ms=1_000,
        end_ms=2_000,
        requests=len(latencies_us),
        samples=len(latencies_us),
        hits=hits,
        misses=len(latencies_us) - hits,
        latency_us=sketch,
    )


def packed(node: Node, sequence: int, *records: ServingRecord, boot: str = "boot-1", node_id: str = "") -> bytes:
    event = EventRecord(at_ms=5, kind="activated", model="digits", detail=f"{sequence}")
    batch = TelemetryBatch(
        node_id=node_id or node.node_id, boot_id=boot, sequence=sequence, serving=records, events=(event,)
    )
    return blobs.compress(msgspec.msgpack.encode(batch))


async def upload(node: Node, data: bytes) -> tuple[int, bytes]:
    return await node.send("POST", f"/v1/nodes/{node.node_id}/telemetry", data)


def test_batch_sent_twice_counts_once(tmp_path: Path) -> None:
    async def run(hub: RunningHub) -> None:
        node = await enrolled(hub)
        first = packed(node, 0, record(100.0, 200.0, 300.0, hits=1), record(400.0))
        assert await upload(node, first) == (200, b'{"accepted":true}')
        assert await upload(node, first) == (200, b'{"accepted":false}')
        answers = await asyncio.gather(*(upload(node, packed(node, 1, record(500.0))) for _ in range(4)))
        assert sorted(body for _, body in answers) == [b'{"accepted":false}'] * 3 + [b'{"accepted":true}']
        assert await upload(node, packed(node, 0, record(600.0), boot="boot-2")) == (200, b'{"accepted":true}')
        async with hub.client("viewer") as viewer:
            (row,) = await viewer.telemetry_summary()
            assert (row.requests, row.samples, row.hits, row.misses, row.batches) == (6, 6, 1, 5, 3)
            assert row.p50_us == pytest.approx(300.0, rel=0.01)
            assert row.p99_us == pytest.approx(500.0, rel=0.01)
            assert [event.detail for event in await viewer.node_events()] == ["0", "0", "1"]

    with_hub(tmp_path, run)


def test_totals_are_kept_apart_by_version_and_survive_a_restart(tmp_path: Path) -> None:
    result = init(tmp_path)
    nodes: list[Node] = []

    async def before(hub: RunningHub) -> None:
        nodes.append(await enrolled(hub))
        await upload(nodes[0], packed(nodes[0], 0, record(1.0), record(2.0, version="1.1.0"), record()))

    async def after(hub: RunningHub) -> None:
        node = Node(hub, nodes[0].key, nodes[0].node_id)
        assert await upload(node, packed(node, 0, record(1.0))) == (200, b'{"accepted":false}')
        async with hub.client("viewer") as viewer:
            assert [(row.version, row.requests) for row in await viewer.telemetry_summary()] == [
                ("1.0.0", 1),
                ("1.1.0", 1),
            ]

    with serve(result) as hub:
        asyncio.run(before(hub))
    with serve(result) as hub:
        asyncio.run(after(hub))


def _hostile_sketch() -> ServingRecord:
    return msgspec.structs.replace(record(), latency_us=Sketch(bins=dict.fromkeys(range(5000), 1), count=5000))


@pytest.mark.parametrize(
    ("make", "status"),
    [
        pytest.param(lambda _: b"", 400, id="empty"),
        pytest.param(lambda _: b"not zstd", 400, id="not-zstd"),
        pytest.param(lambda _: blobs.compress(b"not msgpack"), 400, id="not-msgpack"),
        pytest.param(lambda _: blobs.compress(bytes(8 << 20)), 413, id="zip-bomb"),
        pytest.param(lambda _: bytes(2 << 20), 413, id="oversized-body"),
        pytest.param(lambda node: packed(node, -1, record()), 400, id="negative-sequence"),
        pytest.param(lambda node: packed(node, 0, record(), node_id="other-1"), 403, id="batch-of-another-node"),
        pytest.param(lambda node: packed(node, 0, _hostile_sketch()), 413, id="sketch-with-too-many-bins"),
        pytest.param(
            lambda node: packed(node, 0, msgspec.structs.replace(record(), requests=-5)), 400, id="negative-count"
        ),
        pytest.param(
            lambda node: packed(
                node, 0, msgspec.structs.replace(record(), latency_us=Sketch(bins={10**6: 1}, count=1))
            ),
            400,
            id="bin-beyond-float",
        ),
        pytest.param(
            lambda node: packed(node, 0, msgspec.structs.replace(record(), latency_us=Sketch(count=7))),
            400,
            id="sketch-that-does-not-add-up",
        ),
        pytest.param(
            lambda node: packed(node, 0, msgspec.structs.replace(record(), hits=2**53)), 400, id="count-beyond-reason"
        ),
        pytest.param(
            lambda node: packed(node, 0, msgspec.structs.replace(record(), end_ms=2**63)), 400, id="time-beyond-64-bits"
        ),
        pytest.param(lambda node: packed(node, 2**63, record()), 400, id="sequence-beyond-64-bits"),
        pytest.param(lambda node: packed(node, 0, record(), boot="../boot"), 400, id="boot-id-that-is-no-name"),
        pytest.param(
            lambda node: packed(node, 0, msgspec.structs.replace(record(), model="../x")), 400, id="name-that-is-none"
        ),
    ],
)
def test_hostile_telemetry_is_refused_whole(shared: RunningHub, make: Callable[[Node], bytes], status: int) -> None:
    async def run(hub: RunningHub) -> None:
        node = await enrolled(hub)
        got, body = await upload(node, make(node))
        assert got == status, body
        async with hub.client("viewer") as viewer:
            assert await viewer.telemetry_summary() == ()

    asyncio.run(run(shared))
