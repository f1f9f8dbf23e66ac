"""Options that only the compiler reads: words, and numbers with bounds."""

from __future__ import annotations

import msgspec
import pytest

from compiler.compile_options import compile_options, engine_options
from edge_bundle.errors import InvalidInputError
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import Profile


def with_options(name: str, **options: str) -> Profile:
    return msgspec.structs.replace(load_profile(name), options={k.replace("_", "-"): v for k, v in options.items()})


def test_what_is_not_said_has_a_default() -> None:
    assert compile_options(with_options("wasm-simd128")) == {"winograd": "on"}
    assert compile_options(with_options("ethos-u55-128"))["sram-kib"] == "1024"
    assert compile_options(load_profile("cpu-fp32")) == {}


def test_the_engine_never_sees_them() -> None:
    profile = with_options("wasm-simd128", winograd="off", relaxed_simd="off")
    assert engine_options(profile) == {"relaxed-simd": "off"}
    assert engine_options(load_profile("ethos-u85-256")) == {}


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("accelerator", "ethos-u99", "one of ethos-u55-128, ethos-u55-256, ethos-u65-256, ethos-u85-256"),
        ("memory-mode", "", "one of Shared_Sram, Sram_Only, Dedicated_Sram"),
        ("sram-kib", "0", "a whole number from 1 to 1048576 (KiB)"),
        ("sram-kib", "1048577", "a whole number from 1 to 1048576 (KiB)"),
        ("sram-kib", "-1", "a whole number from 1 to 1048576 (KiB)"),
        ("sram-kib", "1e3", "a whole number from 1 to 1048576 (KiB)"),
        ("sram-kib", "٣", "a whole number from 1 to 1048576 (KiB)"),
        ("sram-kib", "9" * 5000, "a whole number from 1 to 1048576 (KiB)"),
        ("max-cycles", "many", "a whole number from 1 to 1000000000000 (cycles)"),
    ],
)
def test_an_unknown_value_is_refused(option: str, value: str, expected: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        compile_options(with_options("ethos-u55-128", **{option: value}))
    assert caught.value.key == f"options.{option}"
    assert caught.value.expected == expected
    assert caught.value.got == repr(value)
