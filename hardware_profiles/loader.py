"""Read hardware profiles: those that come with Skerry, and those of extra folders."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from edge_bundle.errors import InvalidInputError, NotFoundError
from edge_bundle.strict_toml import parse_toml
from hardware_profiles.schema import Profile

SUFFIX = ".toml"

MAX_PROFILE_BYTES = 64 << 10
"""Largest profile file; those that come with Skerry stay below 2 kB."""


def load_profiles(extra_dirs: Sequence[Path] = ()) -> dict[str, Profile]:
    """All profiles by name, sorted: the packaged ones, then every ``*.toml`` of ``extra_dirs``.

    Raises ``InvalidInputError`` with the file and key for a folder or file that cannot be read, for anything that
    breaks the schema, and for a name that is taken or differs from its file's name; ``LimitExceededError`` for a file
    beyond ``MAX_PROFILE_BYTES``.
    """
    found: dict[str, Profile] = {}
    for folder in (resources.files("hardware_profiles"), *extra_dirs):
        for file in _profile_files(folder):
            profile = _read(file)
            if profile.name in found:
                raise InvalidInputError(
                    file=str(file),
                    key="name",
                    expected="a name that no other profile has",
                    got=repr(profile.name),
                    advice="rename the profile and its file",
                )
            found[profile.name] = profile
    return dict(sorted(found.items()))


def load_profile(name: str, extra_dirs: Sequence[Path] = ()) -> Profile:
    """The profile of that name. Raises ``NotFoundError``, and what ``load_profiles`` raises."""
    profiles = load_profiles(extra_dirs)
    if name not in profiles:
        close = difflib.get_close_matches(name, profiles, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise NotFoundError(what="hardware profile", name=name, advice=f"{hint}known: {', '.join(profiles)}")
    return profiles[name]


def parse_profile(data: str | bytes, *, file: str) -> Profile:
    """A profile from TOML. Raises ``InvalidInputError`` with ``file`` and the key, or ``LimitExceededError``."""
    return parse_toml(data, Profile, file=file, what="hardware profile", max_bytes=MAX_PROFILE_BYTES)


def _profile_files(folder: Traversable) -> Iterable[Traversable]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidInputError(
            file=str(folder), expected="a readable folder of profiles", got=_reason(error)
        ) from None
    return [entry for entry in entries if entry.name.endswith(SUFFIX)]


def _read(file: Traversable) -> Profile:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_PROFILE_BYTES + 1)
    except OSError as error:
        raise InvalidInputError(file=str(file), expected="a readable file", got=_reason(error)) from None
    profile = parse_profile(data, file=str(file))
    stem = file.name.removesuffix(SUFFIX)
    if profile.name != stem:
        expected = f"{stem!r}, as the file is called"
        raise InvalidInputError(file=str(file), key="name", expected=expected, got=repr(profile.name))
    return profile


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
