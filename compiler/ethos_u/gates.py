"""What must hold of Vela's output before it becomes a variant. Pure.

Gates:
    1. no operator is left to the CPU;
    2. SRAM, by Vela's account, is within the profile's ``sram-kib``;
    3. cycles, by Vela's estimate, are within the profile's ``max-cycles``.
"""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ethos_u.device import Device
from compiler.ethos_u.report import Left, Summary
from edge_bundle.errors import LimitExceededError, PlacementError
from hardware_profiles.schema import Profile

MAX_TOLD = 20
"""Operators that one error lists, with reasons; they tend to repeat."""


def check_placement(profile: Profile, device: Device, on_cpu: Sequence[Left]) -> None:
    """Gate 1. Raises ``PlacementError``, which names every operator and Vela's reason."""
    if not on_cpu:
        return
    told = [_line(left) for left in on_cpu[:MAX_TOLD]]
    if len(on_cpu) > MAX_TOLD:
        told.append(f"{len(on_cpu) - MAX_TOLD} more")
    raise PlacementError(
        runtime=profile.runtime,
        device=device.accelerator,
        expected=f"0 operators on the CPU (profile {profile.name})",
        got=f"{len(on_cpu)}: {'; '.join(told)}",
        advice=f"leave profile {profile.name} out, or export the model with operators that {device.accelerator} runs",
    )


def fits_sram(device: Device, summary: Summary) -> bool:
    """Whether gate 2 holds."""
    return summary.sram_bytes <= device.sram_bytes


def check_sram(profile: Profile, device: Device, summary: Summary) -> None:
    """Gate 2. Raises ``LimitExceededError``."""
    if not fits_sram(device, summary):
        raise LimitExceededError(
            what=f"SRAM on {device.accelerator} (profile {profile.name}), scheduled for the least",
            limit=device.sram_bytes,
            got=summary.sram_bytes,
            unit="bytes",
            advice="take a smaller model or input, or a copy of the profile whose sram-kib is what your device has",
        )


def check_cycles(profile: Profile, device: Device, summary: Summary) -> None:
    """Gate 3. Raises ``LimitExceededError``."""
    if summary.cycles > device.max_cycles:
        raise LimitExceededError(
            what=f"estimated time on {device.accelerator} (profile {profile.name})",
            limit=device.max_cycles,
            got=summary.cycles,
            unit="cycles",
            advice="take a smaller model or a larger Ethos-U, or a copy of the profile with a higher max-cycles",
        )


def _line(left: Left) -> str:
    return f"{left.operator} {left.name!r} ({left.reason or 'Vela gives no reason'})"
