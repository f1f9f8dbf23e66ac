"""What a client asks for in its answer."""

from __future__ import annotations

from typing import NamedTuple


class WantedOutput(NamedTuple):
    """An output that the client asked for, and whether as binary data."""

    name: str
    binary: bool
