"""What the contract says of a tensor that broke its range and was let through."""

from __future__ import annotations

import enum
from typing import NamedTuple


class MarkKind(enum.StrEnum):
    """What was done to the tensor."""

    FLAGGED = "flagged"
    CLIPPED = "clipped"


class Mark(NamedTuple):
    """One tensor let through by the contract although values broke its range. ``side`` is ``input`` or ``output``."""

    kind: MarkKind
    side: str
    tensor: str
