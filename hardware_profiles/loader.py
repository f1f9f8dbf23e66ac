"""Read hardware profiles: those that come with Skerry, and those of extra folders."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from edge_bundle.errors import InvalidInputError, NotFoundError
from hardware_profiles.schema import Profile

SUFFIX = ".toml"

MAX_PROFILE_BYTES = 64 << 10
"""Largest profile file; those that come with Skerry stay below 2 kB."""


def load_profiles(extra_dirs: Sequence[Path] = ()) -> dict[str, Profile]:
    """All profiles by name, sorted: the packaged ones, then every ``*.toml`` of ``extra_dirs``.

    Raises ``InvalidInputError`` with the file and key for a folder or file that cannot be read, for anything that
    breaks the schema, and for a name that is taken or differs from its file's name.
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


def parse_profile(text: str, *, file: str) -> Profile:
    """A profile from TOML. Raises ``InvalidInputError`` with ``file`` and the key."""
    try:
        return msgspec.toml.decode(text, type=Profile)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        key = path.removesuffix("`").removeprefix("$").removeprefix(".")
        raise InvalidInputError(file=file, key=key, expected="a valid hardware profile", got=message) from None
    except msgspec.DecodeError as error:
        raise InvalidInputError(file=file, expected="TOML", got=str(error)) from None


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
        text = data.decode()
    except OSError as error:
        raise InvalidInputError(file=str(file), expected="a readable file", got=_reason(error)) from None
    except UnicodeDecodeError as error:
        raise InvalidInputError(file=str(file), expected="UTF-8 text", got=f"{error.reason} at {error.start}") from None
    if len(data) > MAX_PROFILE_BYTES:
        raise InvalidInputError(file=str(file), expected=f"at most {MAX_PROFILE_BYTES} bytes", got="more")
    profile = parse_profile(text, file=str(file))
    stem = file.name.removesuffix(SUFFIX)
    if profile.name != stem:
        raise InvalidInputError(
            file=str(file), key="name", expected=f"{stem!r}, as the file is called", got=repr(profile.name)
        )
    return profile


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
