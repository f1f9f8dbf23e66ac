"""The slots state machine, as a table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge_agent.slots import ALLOWED, Event, ModelSlots, Phase, Slot, activate, check_floor, fail, rollback, stage
from edge_bundle.errors import ConflictError, RollbackError


def slot(version: str) -> Slot:
    digest = "sha256:" + version.replace(".", "").rjust(64, "0")
    return Slot(
        version=version,
        bundle_digest=digest,
        variant_digest=digest,
        profile="cpu-fp32",
        index_digest=digest,
        blobs=(digest,),
    )


ONE, TWO, THREE = slot("1.0.0"), slot("2.0.0"), slot("3.0.0")

IN_PHASE = {
    Phase.EMPTY: ModelSlots(),
    Phase.FIRST_STAGED: ModelSlots(staged=ONE),
    Phase.ACTIVE: ModelSlots(current=ONE, floor="1.0.0"),
    Phase.STAGED: ModelSlots(current=ONE, staged=TWO, floor="1.0.0"),
}

APPLY: dict[Event, Callable[[ModelSlots], ModelSlots]] = {
    Event.STAGE: lambda slots: stage(slots, THREE),
    Event.ACTIVATE: lambda slots: activate(slots, at_ms=7),
    Event.FAIL: fail,
    Event.ROLLBACK: rollback,
}

NEXT = {
    (Phase.EMPTY, Event.STAGE): Phase.FIRST_STAGED,
    (Phase.FIRST_STAGED, Event.STAGE): Phase.FIRST_STAGED,
    (Phase.FIRST_STAGED, Event.ACTIVATE): Phase.ACTIVE,
    (Phase.FIRST_STAGED, Event.FAIL): Phase.EMPTY,
    (Phase.ACTIVE, Event.STAGE): Phase.STAGED,
    (Phase.ACTIVE, Event.ROLLBACK): Phase.EMPTY,
    (Phase.STAGED, Event.STAGE): Phase.STAGED,
    (Phase.STAGED, Event.ACTIVATE): Phase.ACTIVE,
    (Phase.STAGED, Event.FAIL): Phase.ACTIVE,
    (Phase.STAGED, Event.ROLLBACK): Phase.EMPTY,
}


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("phase", list(Phase))
def test_every_event_in_every_phase(phase: Phase, event: Event) -> None:
    slots = IN_PHASE[phase]
    assert slots.phase is phase
    expected = NEXT.get((phase, event))
    assert (event in ALLOWED[phase]) == (expected is not None)
    if expected is None:
        with pytest.raises(ConflictError):
            APPLY[event](slots)
    else:
        assert APPLY[event](slots).phase is expected


def test_activation_keeps_the_old_current_as_previous_and_raises_the_floor() -> None:
    slots = activate(IN_PHASE[Phase.STAGED], at_ms=42)
    assert (slots.current, slots.previous, slots.staged) == (slot_at(TWO, 42), ONE, None)
    assert slots.floor == "2.0.0"


def test_rollback_returns_to_previous_and_keeps_the_floor() -> None:
    slots = rollback(activate(IN_PHASE[Phase.STAGED], at_ms=42))
    assert (slots.current, slots.previous) == (ONE, None)
    assert slots.floor == "2.0.0"


def test_repairing_the_same_variant_keeps_the_way_back() -> None:
    active = activate(IN_PHASE[Phase.STAGED], at_ms=42)
    repaired = activate(stage(active, TWO), at_ms=43)
    assert repaired.previous == ONE


def test_a_release_below_the_floor_is_refused_after_a_rollback_too() -> None:
    slots = rollback(activate(IN_PHASE[Phase.STAGED], at_ms=42))
    with pytest.raises(RollbackError):
        check_floor(slots, "1.9.9", subject="release")
    check_floor(slots, "2.0.0", subject="release")
    with pytest.raises(RollbackError):
        activate(stage(slots, ONE), at_ms=1)


def test_versions_are_ordered_as_numbers() -> None:
    with pytest.raises(RollbackError):
        check_floor(ModelSlots(floor="1.10.0"), "1.9.0", subject="release")


def test_blobs_of_all_slots_are_held() -> None:
    slots = ModelSlots(current=ONE, previous=TWO, staged=THREE)
    assert slots.blobs == {*ONE.blobs, *TWO.blobs, *THREE.blobs}


def slot_at(one: Slot, at_ms: int) -> Slot:
    return Slot(
        version=one.version,
        bundle_digest=one.bundle_digest,
        variant_digest=one.variant_digest,
        profile=one.profile,
        index_digest=one.index_digest,
        blobs=one.blobs,
        activated_at_ms=at_ms,
    )
