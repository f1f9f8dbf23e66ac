"""Builds a hook: a verified release, a profile and an origin in, a directory of files out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from cdn_hooks.settings import DEFAULT_ORIGIN_TIMEOUT_S, HookSettings, hook_settings
from cdn_hooks.targets import find_target
from cdn_hooks.workers.render import SETTINGS_FILE, SETTINGS_PREFIX
from edge_bundle.errors import ConflictError, InvalidInputError
from edge_bundle.walk import VerifiedRelease, VerifiedVariant


class EarlierSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings of every built hook have, whatever its schema: they tell an earlier build from a stranger."""

    schema: int
    variant_digest: str


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
    force: bool = False,
) -> HookBuild:
    """Write the hook of one variant of a verified release; the same arguments give the same bytes.

    ``origin`` is the base URL of the agent that serves the profile. Files of an earlier build in ``out_dir`` are
    replaced, others are left alone. Raises ``InvalidInputError`` for an unknown target or profile, an origin that is no
    URL, or an ``out_dir`` that is a file, and ``ConflictError`` for an ``out_dir`` that holds other files but no
    earlier build, unless ``force`` says to write among them.
    """
    render = find_target(target)
    settings = hook_settings(_variant(release, profile), origin=origin, origin_timeout_s=origin_timeout_s)
    files = render(settings)
    _check_destination(out_dir, force=force)
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, content in sorted(files.items()):
        (out_dir / name).write_bytes(content)
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


def _check_destination(out_dir: Path, *, force: bool) -> None:
    if out_dir.exists() and not out_dir.is_dir():
        raise InvalidInputError(file=str(out_dir), key="--out", expected="a directory", got="a file")
    if force or not out_dir.exists() or not any(out_dir.iterdir()) or _is_earlier_build(out_dir):
        return
    raise ConflictError(
        what=str(out_dir),
        expected="an empty folder or an earlier build of a hook",
        got="a folder with other files",
        advice="choose another place, or write among them with --force",
    )


def _is_earlier_build(out_dir: Path) -> bool:
    file = out_dir / SETTINGS_FILE
    if not file.is_file():
        return False
    text = file.read_bytes().removeprefix(SETTINGS_PREFIX).removesuffix(b";\n")
    try:
        msgspec.json.decode(text, type=EarlierSettings)
    except msgspec.DecodeError:
        return False
    return True
