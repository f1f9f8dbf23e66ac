"""The hardware profiles that come with Skerry, as a table."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.docs.tables import table
from edge_bundle.manifest import Precision
from hardware_profiles.loader import load_profiles
from hardware_profiles.schema import Profile


def profiles_table() -> str:
    """Every profile by runtime and name: what it holds and promises, and what a machine has to have."""
    profiles = sorted(load_profiles().values(), key=lambda profile: (profile.runtime, profile.name))
    rows = [
        (
            f"`{one.name}`",
            f"`{one.runtime}`",
            held(one),
            one.numeric_class.value,
            ", ".join(needs(one)) or "nothing",
            "compile-only" if one.compile_only else "on request" if one.on_request else "by default",
        )
        for one in profiles
    ]
    return table(("profile", "runtime", "activations x weights", "numeric class", "needs", "compiled for"), rows)


def held(profile: Profile) -> str:
    """``uint8 x int8``: what activations and weights are stored as."""
    if profile.precision is Precision.FP32:
        return "float32"
    weights = {Precision.W4: "int4"}.get(profile.precision, "int8")
    activations = profile.activations.value if profile.precision.calibrated else "float32"
    return f"{activations} x {weights}"


def needs(profile: Profile) -> Iterator[str]:
    """What ``skerry profile list`` holds a machine against."""
    match = profile.match
    for words in (match.arch, match.os):
        if words:
            yield " or ".join(words)
    yield from match.cpu_flags
    if match.any_cpu_flags:
        yield " or ".join(match.any_cpu_flags)
    if match.accelerator:
        yield match.accelerator
