"""Which kernel taps fall inside the input, for each output position along one axis: padding without a padded copy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis of a window operator; sizes in elements, ``pad`` before the first."""

    size: int
    out: int
    kernel: int
    stride: int
    dilation: int
    pad: int

    def taps(self, position: int) -> range:
        """The taps inside the input at one output position; may be empty."""
        first = position * self.stride - self.pad
        return range(
            min(self.kernel, max(0, -(first // self.dilation))),
            max(0, min(self.kernel, -((first - self.size) // self.dilation))),
        )

    def segments(self) -> list[Segment]:
        """Runs of output positions that have the same taps, in order."""
        keyed = [(position, self.taps(position)) for position in range(self.out)]
        runs = [(taps, [p for p, _ in run]) for taps, run in groupby(keyed, key=lambda item: tuple(item[1]))]
        return [
            Segment(
                start=positions[0],
                count=len(positions),
                first=taps[0] if taps else 0,
                taps=len(taps),
                source=positions[0] * self.stride - self.pad + (taps[0] if taps else 0) * self.dilation if taps else 0,
            )
            for taps, positions in runs
        ]


@dataclass(frozen=True, slots=True)
class Segment:
    """Output positions ``start`` .. ``start + count - 1`` see kernel taps ``first`` .. ``first + taps - 1``.

    ``source`` is the input position that tap ``first`` meets at ``start`` (0 where there are no taps).
    """

    start: int
    count: int
    first: int
    taps: int
    source: int
