"""The git commit that a provenance names."""

from __future__ import annotations

import subprocess
from pathlib import Path

GIT_TIMEOUT_S = 10.0


def commit_of(folder: Path) -> str:
    """The commit checked out in ``folder``, or nothing where there is no git, no repository, or no commit."""
    try:
        done = subprocess.run(  # noqa: S603 - no part of it comes from outside
            ["git", "-C", str(folder), "rev-parse", "--verify", "HEAD"],  # noqa: S607 - whichever git the caller has
            capture_output=True, text=True, check=False, timeout=GIT_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
