"""Options that describe an Ethos-U: what belongs together, and what does not."""

from __future__ import annotations

import msgspec
import pytest

from compiler.ethos_u.device import device_of
from edge_bundle.errors import InvalidInputError
from hardware_profiles.loader import load_profile, load_profiles
from hardware_profiles.schema import Fallback, Profile

NAMES = ("ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u85-256")


def altered(name: str, **options: str) -> Profile:
    profile = load_profile(name)
    changed = {key.replace("_", "-"): value for key, value in options.items()}
    return msgspec.structs.replace(profile, options={**profile.options, **changed})


@pytest.mark.parametrize("name", NAMES)
def test_packaged_profiles_are_whole(name: str) -> None:
    profile = load_profile(name)
    assert device_of(profile).accelerator == name
    assert profile.compile_only
    assert profile.on_request
    assert profile.fallback is Fallback.INT16, "the NPU has no float"
    assert profile.title.endswith("(compile-only, through Vela)")


def test_these_are_all_of_its_profiles() -> None:
    ethos = {name for name, profile in load_profiles().items() if profile.runtime == "ethos-u"}
    assert ethos == set(NAMES)


def test_weights_in_sram() -> None:
    assert device_of(altered("ethos-u55-128", memory_mode="Sram_Only")).all_in_sram
    assert not device_of(load_profile("ethos-u55-128")).all_in_sram


@pytest.mark.parametrize(
    ("name", "options", "key", "expected"),
    [
        (
            "ethos-u55-128",
            {"system_config": "Ethos_U65_High_End"},
            "options.system-config",
            "one of Ethos_U55, as options.accelerator is ethos-u55-128",
        ),
        (
            "ethos-u85-256",
            {"accelerator": "ethos-u65-256"},
            "options.system-config",
            "one of Ethos_U65, as options.accelerator is ethos-u65-256",
        ),
        (
            "ethos-u55-128",
            {"memory_mode": "Dedicated_Sram"},
            "options.memory-mode",
            "Shared_Sram or Sram_Only, as Ethos_U55_High_End_Embedded has flash, which holds no activations",
        ),
        (
            "ethos-u65-256",
            {"system_config": "Ethos_U65_Embedded"},
            "options.memory-mode",
            "Shared_Sram or Sram_Only, as Ethos_U65_Embedded has flash, which holds no activations",
        ),
    ],
)
def test_what_does_not_belong_together(name: str, options: dict[str, str], key: str, expected: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        device_of(altered(name, **options))
    assert (caught.value.key, caught.value.expected) == (key, expected)


@pytest.mark.parametrize("system", ["Ethos_U85_SYS_DRAM_Low", "Ethos_U85_SYS_DRAM_Mid", "Ethos_U85_SYS_DRAM_High"])
def test_dedicated_sram_needs_dram(system: str) -> None:
    device = device_of(altered("ethos-u85-256", system_config=system, memory_mode="Dedicated_Sram"))
    assert device.memory_mode == "Dedicated_Sram"
