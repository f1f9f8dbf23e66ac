from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bundle import blobs
from edge_bundle.ddsketch import Sketch
from edge_bundle.errors import RefusedError, SkerryError
from edge_bundle.messages import UpdateResult
from edge_bundle.telemetry import ServingRecord, TelemetryBatch
from fleet_hub.http.metrics import family
from fleet_hub.rules import enrolment, roles, rollout, telemetry_ingest
from fleet_hub.rules.enrolment import TokenState
from fleet_hub.rules.roles import Permission, Principal, Role
from fleet_hub.rules.rollout import NodeState, Rollout, Selector


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        pytest.param(Selector({}), True, id="everybody"),
        pytest.param(Selector({"site": "north"}), True, id="label-equal"),
        pytest.param(Selector({"site": "south"}), False, id="label-differs"),
        pytest.param(Selector({"rack": ""}), False, id="label-missing"),
        pytest.param(Selector({"site": "north", "rack": "1"}), False, id="every-label-counts"),
        pytest.param(Selector({}, "cpu-fp32"), True, id="profile-equal"),
        pytest.param(Selector({"site": "north"}, "cpu-int8"), False, id="profile-differs"),
    ],
)
def test_selector(selector: Selector, selected: bool) -> None:
    assert selector.selects(labels={"site": "north"}, profile="cpu-fp32") is selected


def _rollout(seq: int, model: str = "digits", **labels: str) -> Rollout:
    return Rollout(f"{model}-{seq}", seq, model, f"1.{seq}.0", Selector(labels))


def test_newest_rollout_that_selects_the_node_wins_per_model() -> None:
    rollouts = [_rollout(4, site="south"), _rollout(3), _rollout(1), _rollout(2, "letters")]
    found = rollout.newest_per_model(rollouts, labels={"site": "north"}, profile="p")
    assert [one.rollout_id for one in found] == ["digits-3", "letters-2"]


PENDING, ACTIVATED, REFUSED, FAILED, SUPERSEDED = NodeState


@pytest.mark.parametrize(
    ("state", "activated", "refused", "failed"),
    [
        pytest.param(PENDING, ACTIVATED, REFUSED, FAILED, id="pending"),
        pytest.param(FAILED, ACTIVATED, REFUSED, FAILED, id="failed-tries-again"),
        pytest.param(REFUSED, ACTIVATED, REFUSED, REFUSED, id="refused-may-heal"),
        pytest.param(ACTIVATED, ACTIVATED, ACTIVATED, ACTIVATED, id="activated-is-final"),
        pytest.param(SUPERSEDED, SUPERSEDED, SUPERSEDED, SUPERSEDED, id="superseded-is-final"),
    ],
)
def test_state_table(state: NodeState, activated: NodeState, refused: NodeState, failed: NodeState) -> None:
    assert rollout.after_result(state, UpdateResult.ACTIVATED) == activated
    assert rollout.after_result(state, UpdateResult.REFUSED) == refused
    assert rollout.after_result(state, UpdateResult.FAILED) == failed


@given(st.sampled_from(NodeState), st.lists(st.sampled_from(UpdateResult), max_size=8))
@settings(deadline=None)
def test_finished_rollouts_stay_finished(state: NodeState, results: list[UpdateResult]) -> None:
    seen = [state]
    for result in results:
        seen.append(rollout.after_result(seen[-1], result))
    done = [rollout.is_done([one]) for one in seen]
    assert done == sorted(done)


def test_a_rollout_without_nodes_is_not_done() -> None:
    assert not rollout.is_done([])


@pytest.mark.parametrize(
    ("token", "message"),
    [
        pytest.param(None, "unknown", id="unknown"),
        pytest.param(TokenState({}, 1_000, None), "expired", id="at-its-expiry"),
        pytest.param(TokenState({}, 5_000, "other"), "used before", id="spent-by-another-key"),
    ],
)
def test_tokens_that_do_not_count(token: TokenState | None, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        enrolment.check_token(token, keyid="key", now_ms=1_000)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(TokenState({}, 1_001, None), id="fresh"),
        pytest.param(TokenState({}, 1_000, "key"), id="answer-got-lost"),
    ],
)
def test_tokens_that_count(token: TokenState) -> None:
    assert enrolment.check_token(token, keyid="key", now_ms=1_000) is token


def test_node_ids_stay_names() -> None:
    assert enrolment.node_id("edge-1", "ab" * 32) == "edge-1-abababababab"
    assert len(enrolment.node_id("x" * 128, "ab" * 32)) == 128


def test_principals_are_found_by_their_token_alone() -> None:
    one = Principal("one", Role.VIEWER, roles.hash_token("skerry_viewer_1"))
    two = Principal("two", Role.OPERATOR, roles.hash_token("skerry_operator_2"))
    assert roles.find("skerry_operator_2", (one, two)) == two
    assert roles.find("skerry_operator_", (one, two)) is None
    assert roles.find("", (one, two)) is None


@pytest.mark.parametrize(
    ("role", "granted"),
    [
        (Role.VIEWER, {Permission.VIEW}),
        (Role.OPERATOR, {Permission.VIEW, Permission.OPERATE}),
        (Role.PUBLISHER, {Permission.VIEW, Permission.PUBLISH}),
    ],
)
def test_grants(role: Role, granted: set[Permission]) -> None:
    principal = Principal("p", role, roles.hash_token("t"))
    for permission in Permission:
        if permission in granted:
            roles.require(principal, permission)
        else:
            with pytest.raises(RefusedError):
                roles.require(principal, permission)


def test_metric_labels_are_escaped() -> None:
    text = family("m", "gauge", "Help.", [({"a": 'x"\\\n'}, 1.5)])
    assert text == '# HELP m Help.\n# TYPE m gauge\nm{a="x\\"\\\\\\n"} 1.5\n'


@given(st.binary(max_size=400), st.booleans())
@settings(deadline=None)
def test_any_bytes_as_telemetry_are_refused_by_name(data: bytes, packed: bool) -> None:
    with pytest.raises(SkerryError):
        telemetry_ingest.decode(blobs.compress(data) if packed else data, node_id="node-1")


_RECORDS = st.lists(
    st.tuples(st.sampled_from(["1.0.0", "1.1.0"]), st.floats(0.0, 1e9), st.integers(0, 50)), max_size=12
)


def _batch(rows: list[tuple[str, float, int]]) -> TelemetryBatch:
    records = []
    for version, latency_us, hits in rows:
        sketch = Sketch()
        sketch.add(latency_us)
        records.append(
            ServingRecord(
                model="digits",
                version=version,
                variant_digest="sha256:" + "0" * 64,
                profile="p",
                start_ms=hits + 1,
                end_ms=hits + 2,
                requests=hits,
                hits=hits,
                latency_us=sketch,
            )
        )
    return TelemetryBatch(node_id="node-1", boot_id="b", sequence=0, serving=tuple(records))


@given(_RECORDS)
@settings(deadline=None)
def test_sums_do_not_depend_on_the_order_and_survive_the_wire(rows: list[tuple[str, float, int]]) -> None:
    batch = _batch(rows)
    sums = telemetry_ingest.add_up(batch)
    assert sum(total.counts["hits"] for total in sums.values()) == sum(hits for _, _, hits in rows)
    backwards = telemetry_ingest.add_up(_batch(rows[::-1]))
    assert {key: total.counts for key, total in sums.items()} == {key: total.counts for key, total in backwards.items()}
    wire = blobs.compress(msgspec.msgpack.encode(batch))
    assert telemetry_ingest.decode(wire, node_id="node-1") == batch
