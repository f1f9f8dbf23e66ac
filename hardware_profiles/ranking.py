"""Which profiles fit a machine, best first. A pure rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hardware_profiles.machine import MIB, Machine
from hardware_profiles.schema import Profile


@dataclass(frozen=True)
class Match:
    """A profile held against a machine: ``reasons`` says why it does not fit, or what speaks for it."""

    profile: Profile
    fits: bool
    reasons: tuple[str, ...]


def rank(profiles: Mapping[str, Profile], machine: Machine) -> list[Match]:
    """Every profile, best first.

    1. those that fit before those that do not;
    2. those that every compile makes a variant for before those on request;
    3. those favoured by a CPU flag of the machine;
    4. higher ``preference``;
    5. name.
    """
    return sorted((_match(profile, machine) for profile in profiles.values()), key=lambda match: _key(match, machine))


def by_default(profiles: Mapping[str, Profile], machine: Machine) -> tuple[Profile, ...]:
    """What a model is compiled for when nothing is named: all that fit, sorted by name, but those on request."""
    fitting = (match.profile for match in rank(profiles, machine) if match.fits)
    return tuple(sorted((one for one in fitting if not one.on_request), key=lambda profile: profile.name))


def _key(match: Match, machine: Machine) -> tuple[bool, bool, bool, int, str]:
    profile = match.profile
    return not match.fits, profile.on_request, not _favours(profile, machine), -profile.preference, profile.name


def _match(profile: Profile, machine: Machine) -> Match:
    against = tuple(_objections(profile, machine))
    if against:
        return Match(profile, fits=False, reasons=against)
    favours = tuple(f"CPU has {flag}" for flag in _favours(profile, machine)) or ("everything it asks for is there",)
    named = ("compiled for only where --profile names it",) if profile.on_request else ()
    return Match(profile, fits=True, reasons=favours + named + tuple(_race_needs(profile, machine)))


def _race_needs(profile: Profile, machine: Machine) -> list[str]:
    """What a variant that won a race may need, and this machine lacks: known only once a release is there."""
    runtimes = sorted({one.runtime for one in profile.race} - {profile.runtime, *machine.runtimes})
    return [f"the winner of a race may need runtime {one}: pip install 'skerry[{one}]'" for one in runtimes]


def _favours(profile: Profile, machine: Machine) -> list[str]:
    return [flag for flag in profile.favoured_by if flag in machine.cpu_flags]


def _objections(profile: Profile, machine: Machine) -> Iterable[str]:
    if profile.compile_only:
        yield "compiled for only: it goes into firmware, and no agent runs it"
        return
    yield from other_kind(profile, machine)
    cores = max(profile.match.cores, profile.threads)
    if machine.cores < cores:
        yield f"needs {cores} cores, got {machine.cores}"
    memory_mib = profile.match.memory_mib
    if machine.memory_bytes < memory_mib * MIB:
        yield f"needs {memory_mib} MiB of memory, got {machine.memory_bytes // MIB}"
    if profile.runtime not in machine.runtimes:
        yield f"needs runtime {profile.runtime}, which is not installed: pip install 'skerry[{profile.runtime}]'"


def other_kind(profile: Profile, machine: Machine) -> Iterable[str]:
    """Why the machine is of another kind than the profile's device; what is measured on it says little of that."""
    need = profile.match
    if need.arch and machine.arch not in need.arch:
        yield f"needs arch {' or '.join(need.arch)}, got {machine.arch}"
    if need.os and machine.os not in need.os:
        yield f"needs os {' or '.join(need.os)}, got {machine.os}"
    missing = [flag for flag in need.cpu_flags if flag not in machine.cpu_flags]
    if missing:
        yield f"needs CPU flags {' '.join(missing)}"
    if need.any_cpu_flags and not set(need.any_cpu_flags) & set(machine.cpu_flags):
        yield f"needs CPU flag {' or '.join(need.any_cpu_flags)}"
    if need.accelerator is not None and need.accelerator not in machine.accelerators:
        yield f"needs accelerator {need.accelerator}, got {' '.join(machine.accelerators) or 'none'}"
