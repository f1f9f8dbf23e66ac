"""How a finished release takes its place on disk.

The bundle grows in a hidden sibling and is moved in one rename, so an interrupted compile leaves no half bundle. An
older bundle steps aside first; if the process dies between the two renames, the next compile puts it back.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from edge_bundle.errors import ConflictError


def staging_dir(out_dir: Path) -> Path:
    """Where the bundle grows: a sibling, so that the final rename stays on one file system."""
    return out_dir.parent / f".{out_dir.name}.partial"


def recover(out_dir: Path) -> None:
    """Put back an older bundle that stepped aside for one that never came."""
    old = _aside(out_dir)
    if old.exists() and not out_dir.exists():
        old.rename(out_dir)


def check_destination(out_dir: Path, *, force: bool) -> None:
    """``out_dir`` is free, or an older bundle that may be replaced.

    Raises:
        ConflictError: something else is there (never overwritten), or a bundle and ``force`` is off.

    """
    if not out_dir.exists() or (out_dir.is_dir() and not any(out_dir.iterdir())):
        return
    if not (out_dir.is_dir() and (out_dir / "oci-layout").is_file()):
        raise ConflictError(
            what=str(out_dir),
            expected="a free place for the bundle",
            got="something that is not a bundle",
            advice="choose another place; this one is never overwritten",
        )
    if not force:
        raise ConflictError(
            what=str(out_dir),
            expected="a free place for the bundle",
            got="an older bundle",
            advice="choose another place, or replace it with --force",
        )


def claim(out_dir: Path) -> None:
    """Make an empty staging directory: a place that cannot be written shows before hours of work, not after.

    Raises:
        OSError: the place cannot be written.

    """
    staging = staging_dir(out_dir)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)


def publish(out_dir: Path, *, force: bool) -> None:
    """Move the staged bundle to ``out_dir``.

    Raises:
        ConflictError: ``out_dir`` was taken meanwhile.

    """
    check_destination(out_dir, force=force)
    old = _aside(out_dir)
    if out_dir.exists():
        shutil.rmtree(old, ignore_errors=True)
        out_dir.rename(old)
    staging_dir(out_dir).rename(out_dir)
    shutil.rmtree(old, ignore_errors=True)


def _aside(out_dir: Path) -> Path:
    return out_dir.parent / f".{out_dir.name}.old"
