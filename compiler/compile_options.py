"""Options of a profile that decide how a variant is compiled: its engine never sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edge_bundle.errors import InvalidInputError
from edge_runtime.rockchip.job import PLATFORMS
from hardware_profiles.schema import Profile


@dataclass(frozen=True, kw_only=True)
class Count:
    """The values of an option that is a whole number of ``unit``, from ``low`` to ``high``, in decimal digits."""

    default: int
    low: int
    high: int
    unit: str


Values: TypeAlias = Sequence[str] | Count
"""What an option may be: one of some words, the default first, or a number."""

COMPILE_OPTIONS: Mapping[str, Mapping[str, Values]] = {
    "ethos-u": {
        "accelerator": ("ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u85-256"),
        "system-config": (
            "Ethos_U55_High_End_Embedded",
            "Ethos_U55_Deep_Embedded",
            "Ethos_U65_Embedded",
            "Ethos_U65_Mid_End",
            "Ethos_U65_High_End",
            "Ethos_U65_Client_Server",
            "Ethos_U85_SYS_Flash_Low",
            "Ethos_U85_SYS_Flash_High",
            "Ethos_U85_SYS_DRAM_Low",
            "Ethos_U85_SYS_DRAM_Mid",
            "Ethos_U85_SYS_DRAM_High",
        ),
        "memory-mode": ("Shared_Sram", "Sram_Only", "Dedicated_Sram"),
        "sram-kib": Count(default=1024, low=1, high=1 << 20, unit="KiB"),
        "max-cycles": Count(default=100_000_000, low=1, high=10**12, unit="cycles"),
    },
    "rockchip": {"platform": PLATFORMS},
    "wasm": {"winograd": ("on", "off")},
}
"""Runtime -> option -> its values. All other options belong to the runtime's engine.

``winograd``: float 3x3 convolutions by F(4x4, 3x3) where that is faster (docs/adr/0017-winograd-by-default.md).
``accelerator`` to ``max-cycles``: compiler/ethos_u/device.py. ``platform``: the chip.
"""


def compile_options(profile: Profile) -> dict[str, str]:
    """Every option of the profile's runtime with its value. Raises ``InvalidInputError`` for an unknown value."""
    known = COMPILE_OPTIONS.get(profile.runtime, {})
    chosen = {name: profile.options.get(name, _default(values)) for name, values in known.items()}
    for name, value in chosen.items():
        if not _allowed(value, known[name]):
            raise InvalidInputError(
                file=f"profile {profile.name}",
                key=f"options.{name}",
                expected=_expected(known[name]),
                got=repr(value),
            )
    return chosen


def engine_options(profile: Profile) -> dict[str, str]:
    """The options that go into the manifest and to the engine."""
    known = COMPILE_OPTIONS.get(profile.runtime, {})
    return {name: value for name, value in profile.options.items() if name not in known}


def _default(values: Values) -> str:
    return str(values.default) if isinstance(values, Count) else values[0]


def _allowed(value: str, values: Values) -> bool:
    if isinstance(values, Count):
        digits = value.isascii() and value.isdigit() and len(value) <= len(str(values.high))
        return digits and values.low <= int(value) <= values.high
    return value in values


def _expected(values: Values) -> str:
    if isinstance(values, Count):
        return f"a whole number from {values.low} to {values.high} ({values.unit})"
    return f"one of {', '.join(values)}"
