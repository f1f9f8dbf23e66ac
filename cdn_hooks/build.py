"""Builds a hook: a verified release, a profile and an origin in, a directory of files out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cdn_hooks.settings import DEFAULT_ORIGIN_TIMEOUT_S, HookSettings, hook_settings
from cdn_hooks.targets import find_target
from edge_bundle.errors import InvalidInputError
from edge_bundle.walk import VerifiedRelease, VerifiedVariant


@dataclass(frozen=True, kw_only=True)
class HookBuild:
    """What was written: ``files`` are the names under ``out_dir``, sorted."""

    target: str
    out_dir: Path
    files: tuple[str, ...]
    settings: HookSettings


def build_hook(
    release: VerifiedRelease,
    *,
    target: str,
    profile: str,
    origin: str,
    out_dir: Path,
    origin_timeout_s: float = DEFAULT_ORIGIN_TIMEOUT_S,
) -> HookBuild:
    """Write the hook of one variant of a verified release; the same arguments give the same bytes.

    ``origin`` is the base URL of the agent that serves the profile. Files of an earlier build in ``out_dir`` are
    replaced, others are left alone. Raises ``InvalidInputError`` for an unknown target or profile, an origin that is no
    URL, or an ``out_dir`` that is a file.
    """
    render = find_target(target)
    settings = hook_settings(_variant(release, profile), origin=origin, origin_timeout_s=origin_timeout_s)
    files = render(settings)
    _write(files, out_dir)
    return HookBuild(target=target, out_dir=out_dir, files=tuple(sorted(files)), settings=settings)


def _variant(release: VerifiedRelease, profile: str) -> VerifiedVariant:
    variant = release.variants.get(profile)
    if variant is None:
        raise InvalidInputError(
            file=f"{release.name} {release.version}",
            key="--profile",
            expected=f"one of {', '.join(sorted(release.variants))}",
            got=repr(profile),
        )
    return variant


def _write(files: dict[str, bytes], out_dir: Path) -> None:
    if out_dir.exists() and not out_dir.is_dir():
        raise InvalidInputError(file=str(out_dir), key="--out", expected="a directory", got="a file")
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, content in sorted(files.items()):
        (out_dir / name).write_bytes(content)
