"""Vela itself, in a process of its own."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

from compiler.ethos_u import vela
from compiler.ethos_u.device import Device, device_of
from compiler.ethos_u.edges import integer_edges
from compiler.ethos_u.vela import Aim, arguments, run_vela
from edge_bundle.errors import RuntimeMissingError, ToolFailedError
from hardware_profiles.loader import load_profile
from tests.compiler.ethos_u.files import real, small_network
from tests.compiler.ethos_u.test_device import NAMES

pytest.importorskip("ethosu.vela", reason="needs ethos-u-vela")

SMALLEST = device_of(load_profile("ethos-u55-128"))


@pytest.mark.parametrize("name", NAMES)
def test_every_device_takes_a_small_network_whole(name: str) -> None:
    given, _ = integer_edges(small_network())
    output = run_vela(given, device_of(load_profile(name)), Aim.SPEED)
    assert output.on_cpu == ()
    assert output.summary.sram_bytes <= 4096
    assert output.summary.cycles > 0
    assert output.summary.latency_us > 0
    assert (output.summary.dram_bytes > 0) == (name == "ethos-u65-256"), "only there weights lie in DRAM"
    assert (output.summary.flash_bytes > 0) == (name != "ethos-u65-256")


@pytest.mark.parametrize("name", NAMES)
def test_every_device_takes_16_bit_activations(name: str) -> None:
    """What accuracy control falls back to."""
    given, interface = integer_edges(small_network(wide=True))
    assert (interface.inputs[0].dtype, interface.inputs[0].zero_point) == ("int16", 0)
    assert run_vela(given, device_of(load_profile(name)), Aim.SPEED).on_cpu == ()


def test_the_same_file_gives_the_same_bytes() -> None:
    given, _ = integer_edges(small_network())
    first, second = (run_vela(given, SMALLEST, Aim.SPEED) for _ in range(2))
    assert (first.model, first.summary) == (second.model, second.summary)


def test_floats_stay_on_the_cpu_and_vela_says_why() -> None:
    output = run_vela(small_network(float_end=True), SMALLEST, Aim.SPEED)
    left = {one.name: one for one in output.on_cpu}
    assert left["root"].operator == "RSQRT"
    assert "Float32" in left["root"].reason
    assert {"QUANTIZE", "DEQUANTIZE"} <= {one.operator for one in output.on_cpu}


def test_less_memory_where_it_is_asked_for() -> None:
    file = real("ic_resnet8/ic_int8")
    fast, lean = (run_vela(file, SMALLEST, aim).summary for aim in (Aim.SPEED, Aim.MEMORY))
    assert lean.sram_bytes < fast.sram_bytes
    assert lean.cycles > fast.cycles


def test_weights_in_sram_are_counted_there() -> None:
    file = real("kws_dscnn/kws_int8")
    shared = run_vela(file, SMALLEST, Aim.MEMORY).summary
    alone = run_vela(file, replace(SMALLEST, memory_mode="Sram_Only"), Aim.MEMORY).summary
    assert alone.flash_bytes == 0
    assert alone.sram_bytes >= shared.sram_bytes + shared.flash_bytes * 0.9


def test_every_argument_is_said() -> None:
    given = arguments(SMALLEST, Aim.SPEED)
    for option in ("--accelerator-config", "--config", "--system-config", "--memory-mode", "--arena-cache-size"):
        assert option in given, "Vela would take a default"


@pytest.mark.parametrize(
    ("case", "file"),
    [("not a TFLite file", b"nothing of the kind" * 10), ("cut short", small_network()[:700]), ("empty", b"")],
)
def test_a_file_that_vela_refuses(case: str, file: bytes) -> None:
    with pytest.raises(ToolFailedError) as caught:
        run_vela(file, SMALLEST, Aim.SPEED)
    assert caught.value.tool.startswith("ethos-u-vela 5.")
    assert caught.value.log, case


def test_a_machine_that_vela_does_not_know() -> None:
    given, _ = integer_edges(small_network())
    with pytest.raises(ToolFailedError, match="failed with exit status 1") as caught:
        run_vela(given, replace(SMALLEST, system_config="Ethos_U55_Toaster"), Aim.SPEED)
    assert "Ethos_U55_Toaster" in caught.value.log


def test_a_vela_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vela, "TIMEOUT_S", 0.05)
    with pytest.raises(ToolFailedError, match=r"hung: no end within 0\.05 s"):
        run_vela(small_network(), SMALLEST, Aim.SPEED)


def test_a_vela_that_takes_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its options Vela compiles for a machine of its own choice, says so in one line, and ends well."""

    def forgetful(device: Device, aim: Aim) -> list[str]:
        return ["model.tflite", "--accelerator-config", device.accelerator, "--output-dir", "out"]

    monkeypatch.setattr(vela, "arguments", forgetful)
    with pytest.raises(ToolFailedError, match="fell back: Warning: No configuration file specified"):
        run_vela(integer_edges(small_network())[0], SMALLEST, Aim.SPEED)


def test_without_vela_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeMissingError) as caught:
        run_vela(small_network(), SMALLEST, Aim.SPEED)
    assert caught.value.advice == "pip install 'skerry[ethos-u]'"
