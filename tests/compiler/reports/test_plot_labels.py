from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.reports.plots.labels import Box, Point, place_labels

FRAME = Box(0.0, 0.0, 800.0, 300.0)


def test_a_lone_label_is_on_the_right() -> None:
    place = place_labels([Point(100, 100, 10, "cpu")], FRAME)[0]
    assert place.box.left > 110
    assert not place.led


def test_at_the_right_edge_it_is_on_the_left() -> None:
    place = place_labels([Point(790, 100, 5, "cpu-fp32")], FRAME)[0]
    assert place.box.right < 785


def test_labels_of_a_crowd_do_not_touch() -> None:
    points = [Point(400.0 + index, 150.0, 6.0, f"profile-{index}") for index in range(16)]
    places = place_labels(points, FRAME)
    assert all(a.box.overlap(b.box) == 0.0 for a, b in combinations(places, 2))
    assert any(place.led for place in places)


def test_there_is_always_a_place() -> None:
    """Even in a frame that no label fits in."""
    assert len(place_labels([Point(1, 1, 1, "much too long")], Box(0, 0, 2, 2))) == 1


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(40, 760), st.floats(40, 260), st.floats(3, 20)), min_size=1, max_size=8))
def test_labels_stay_inside(spots: list[tuple[float, float, float]]) -> None:
    points = [Point(x, y, radius, "a-profile") for x, y, radius in spots]
    assert all(place.box.within(FRAME) for place in place_labels(points, FRAME))
