"""The state directory belongs to the agent's user alone: whoever can write there could swap what it serves.

Checked at the start, because a directory made by hand, or restored from a backup, may be open to others.
"""

from __future__ import annotations

import stat
from pathlib import Path

from edge_bundle.errors import InvalidInputError

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_private(state_dir: Path) -> None:
    """Raise ``InvalidInputError`` if others may write into the directory, or read the node's key."""
    identity = state_dir / "identity"
    for path, forbidden, expected in (
        (state_dir, WRITABLE_BY_OTHERS, "a directory that only its owner can write to"),
        (identity, WRITABLE_BY_OTHERS, "a directory that only its owner can write to"),
        (identity / "node.seed", OPEN_TO_OTHERS, "a private key that only its owner can read"),
    ):
        mode = _mode(path)
        if mode & forbidden:
            advice = f"chmod go-rwx {path}"
            raise InvalidInputError(file=str(path), expected=expected, got=f"mode {mode:04o}", advice=advice)


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return 0
