"""Where labels of points go, so that none lies on another or on a point."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHAR_PX, LINE_PX = 5.2, 12.0
"""Size of a character of nine points, roughly, at the 72 dots per inch of SVG."""

GAP_PX = 4.0
"""Between a point's edge and its label."""

NEAR_PX = 10.0
"""Farther away than this a label gets a line to its point."""

CROSSED_PX2 = 60.0
"""A disc between a point and its label is as bad as so much covered area."""

STEPS = 12
"""Places on the way that are looked at."""

DISTANCES_PX = (0.0, 12.0, 26.0, 42.0, 60.0, 80.0, 105.0, 135.0, 170.0)
ANGLES = (0.0, math.pi, 0.5 * math.pi, 1.5 * math.pi, 0.25 * math.pi, 1.75 * math.pi, 0.75 * math.pi, 1.25 * math.pi)
"""Tried in this order: right, left, above, below, then between them."""


@dataclass(frozen=True)
class Point:
    """A disc to be labelled, in pixels with y upwards."""

    x: float
    y: float
    radius: float
    text: str


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels with y upwards."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """The shared area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    def within(self, other: Box) -> bool:
        """Whether nothing of it sticks out."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.bottom >= other.bottom
            and self.top <= other.top
        )


@dataclass(frozen=True)
class Place:
    """The label's box, and whether it is so far away that a line has to lead to it."""

    box: Box
    led: bool


def place_labels(points: Sequence[Point], frame: Box) -> list[Place]:
    """A place for each point's label within ``frame``: the first free one, else the one that covers least."""
    taken = [Box(p.x - p.radius, p.y - p.radius, p.x + p.radius, p.y + p.radius) for p in points]
    places = []
    for point in points:
        best, least = None, math.inf
        for place in _candidates(point, frame):
            covered = sum(place.box.overlap(box) for box in taken) + CROSSED_PX2 * _crossed(point, place, points)
            if covered < least:
                best, least = place, covered
            if covered == 0.0:
                break
        found = best or Place(_box(point, 0.0, 0.0), led=False)
        taken.append(found.box)
        places.append(found)
    return places


def _crossed(point: Point, place: Place, points: Sequence[Point]) -> int:
    """Discs of others between a point and its label: a label behind one would be taken for that one's."""
    x, y = (place.box.left + place.box.right) / 2, (place.box.bottom + place.box.top) / 2
    way = [(point.x + (x - point.x) * step / STEPS, point.y + (y - point.y) * step / STEPS) for step in range(STEPS)]
    others = (one for one in points if one != point)
    outside = [spot for spot in way if math.dist(spot, (point.x, point.y)) > point.radius]
    return sum(any(math.dist(spot, (one.x, one.y)) < one.radius for spot in outside) for one in others)


def _candidates(point: Point, frame: Box) -> Iterator[Place]:
    for distance in DISTANCES_PX:
        for angle in ANGLES:
            box = _box(point, angle, distance)
            if box.within(frame):
                yield Place(box, led=distance > NEAR_PX)


def _box(point: Point, angle: float, distance: float) -> Box:
    """The label's box with its nearest edge ``distance`` farther out than it has to be."""
    width, height = CHAR_PX * len(point.text), LINE_PX
    reach = point.radius + GAP_PX + distance
    across, up = math.cos(angle), math.sin(angle)
    x = point.x + across * (reach + width / 2)
    y = point.y + up * (reach + height / 2)
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
