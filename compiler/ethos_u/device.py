"""Which Ethos-U is compiled for, and what it may use: the options of a profile, checked."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.compile_options import compile_options
from edge_bundle.errors import InvalidInputError
from hardware_profiles.schema import Profile

KIB = 1024

_WITH_DRAM = ("Ethos_U65_Mid_End", "Ethos_U65_High_End", "Ethos_U65_Client_Server", "Ethos_U85_SYS_DRAM_")
"""Starts of the system configurations that have DRAM beside their SRAM; the others have flash."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """One Ethos-U in one system.

    ``system_config`` and ``memory_mode`` are sections of Vela's own ``Arm/vela.ini``: clock and bandwidths, and which
    memory holds weights and activations. ``sram_bytes`` is what the model may use at once, ``max_cycles`` what one
    inference may take, both by Vela's estimate.
    """

    accelerator: str
    system_config: str
    memory_mode: str
    sram_bytes: int
    max_cycles: int

    @property
    def all_in_sram(self) -> bool:
        """Weights lie in SRAM as well."""
        return self.memory_mode == "Sram_Only"


def device_of(profile: Profile) -> Device:
    """The device that the profile's options describe.

    Raises:
        InvalidInputError: an unknown value, or values that do not belong together: Vela takes a system configuration
            of another Ethos-U without a word, and estimates a machine that does not exist.

    """
    options = compile_options(profile)
    device = Device(
        accelerator=options["accelerator"],
        system_config=options["system-config"],
        memory_mode=options["memory-mode"],
        sram_bytes=int(options["sram-kib"]) * KIB,
        max_cycles=int(options["max-cycles"]),
    )
    _check_system(profile, device)
    _check_memory(profile, device)
    return device


def _check_system(profile: Profile, device: Device) -> None:
    family = "_".join(device.accelerator.split("-")[:2]).title()  # ethos-u55-128: Ethos_U55
    if not device.system_config.startswith(f"{family}_"):
        raise InvalidInputError(
            file=f"profile {profile.name}",
            key="options.system-config",
            expected=f"one of {family}, as options.accelerator is {device.accelerator}",
            got=repr(device.system_config),
        )


def _check_memory(profile: Profile, device: Device) -> None:
    if device.memory_mode == "Dedicated_Sram" and not device.system_config.startswith(_WITH_DRAM):
        raise InvalidInputError(
            file=f"profile {profile.name}",
            key="options.memory-mode",
            expected=f"Shared_Sram or Sram_Only, as {device.system_config} has flash, which holds no activations",
            got=repr(device.memory_mode),
        )
