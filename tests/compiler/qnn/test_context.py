"""Compiling contexts: what the vendor's compiler makes, and everything that it may do instead."""

from __future__ import annotations

import hashlib

import pytest

from compiler.qnn.context import FALLBACKS, compile_context
from compiler.qnn.placement import check_placement, refusals
from compiler.tool_process import matching_line
from edge_bundle.errors import CompileError, PlacementError, SkerryError, ToolFailedError
from edge_runtime.qnn.target import SOCS, HtpTarget
from hardware_profiles.loader import load_profiles
from tests.edge_runtime.qnn import networks
from tests.edge_runtime.qnn.contexts import V68, V73, compiled, needs_toolchain

PROFILES = load_profiles()

WAYS: dict[str, tuple[type[SkerryError], str]] = {
    "crash": (ToolFailedError, "Qualcomm's compiler for profile p crashed: SIGSEGV; its last line: unhandled op"),
    "hang": (ToolFailedError, "hung: no end within 2 s"),
    "fall_back": (ToolFailedError, "fell back: .*Invalid HTP architecture: 99"),
    "stay_silent": (ToolFailedError, "left no report: .*report.json.*; its last line: done"),
    "take_nothing": (CompileError, r"takes no node of the model \(operators: Erf\)"),
    "refuse": (CompileError, "for profile p refuses the model: Failed to finalize QNN graph"),
    "write_nonsense": (ToolFailedError, "wrote something unknown: "),
    "another_device": (ToolFailedError, "fell back: expected code for v73, chip 43, got v68, chip 0"),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_toolchain_may_do(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, message = WAYS[way]
    monkeypatch.setenv("SKERRY_TEST_WAY", way)
    with pytest.raises(kind, match=message) as caught:
        compile_context(
            b"", V73, profile="p", timeout_s=2 if way == "hang" else 60, module="tests.compiler.qnn.broken_tools"
        )
    assert caught.value.advice == "leave profile p out; docs/qnn.md says what is known of the toolchain"


LINES = {
    "architecture": "ParseHtpArchitecture] Invalid HTP architecture: 99",
    "chip": "ParseSocModel] Unrecognized soc_model 'SM9999'. Expected a numeric ID (e.g. 43, 69) or a chip name",
    "no device": "GetCapabilityImpl] QNN SetupBackend failed Failed to create device. Error: QNN_DEVICE_ERROR",
    "another path": "QNN EP fell back to HTP user-driver (HNRD) path; QnnHtpPrepare/Stub/Skel libs missing",
}


@pytest.mark.parametrize("name", LINES)
def test_lines_of_the_real_toolchain(name: str) -> None:
    """As onnxruntime-qnn 2.7.0 writes them, on the way to code for its default device or for none."""
    assert matching_line(f"one\n{LINES[name]}\nthree", FALLBACKS) == LINES[name]


@needs_toolchain
def test_facts_of_a_context() -> None:
    context = compiled()
    assert (context.wrapper.architecture, context.wrapper.soc_model, context.wrapper.contexts) == ("v73", 43, 1)
    assert context.wrapper.others == ()
    placement = check_placement(context, V73, PROFILES["qnn-htp-v73"])
    assert (placement.device, placement.elsewhere) == ("htp-v73", ())
    assert placement.on_device == placement.nodes > 10


@needs_toolchain
def test_the_same_bytes_every_time() -> None:
    again = compile_context(networks.quantized(1), V73, profile="again")
    assert hashlib.sha256(again.data).digest() == hashlib.sha256(compiled().data).digest()


@needs_toolchain
def test_nodes_on_the_cpu() -> None:
    """The chip of v68 has no floating point: the profile that allows it lists the node, any other names it."""
    context = compiled(1, V68, softmax=True)
    placement = check_placement(context, V68, PROFILES["qnn-htp-v68"])
    assert placement.elsewhere == ("Softmax Softmax_probabilities",)
    assert placement.on_device == placement.nodes - 1
    message = (
        r"HTP v68 \(QCM6490\) for profile qnn-htp-v73: .* 1 on the CPU: Softmax Softmax_probabilities \(QNN error \d+\)"
    )
    with pytest.raises(PlacementError, match=message):
        check_placement(context, V68, PROFILES["qnn-htp-v73"])


@needs_toolchain
def test_an_operator_that_the_device_lacks() -> None:
    context = compile_context(networks.quantized(1, last="Erf"), V73, profile="p")
    with pytest.raises(PlacementError, match="on the CPU: Erf Erf_odd"):
        check_placement(context, V73, PROFILES["qnn-htp-v73"])


@needs_toolchain
def test_a_graph_in_two_parts_shares_one_binary() -> None:
    context = compile_context(networks.quantized(1, middle="Erf"), V73, profile="p")
    assert context.wrapper.contexts == 2
    with pytest.raises(PlacementError, match=r" on the CPU: .*Erf Erf_middle"):
        check_placement(context, V73, PROFILES["qnn-htp-v73"])


@needs_toolchain
def test_bytes_that_are_no_model() -> None:
    with pytest.raises(CompileError, match="Qualcomm's compiler for profile p refuses the model: "):
        compile_context(b"no model", V73, profile="p")


@needs_toolchain
@pytest.mark.heavy
@pytest.mark.parametrize("name", [name for name, one in PROFILES.items() if one.runtime == "qnn"])
def test_every_architecture(name: str) -> None:
    options = PROFILES[name].options
    target = HtpTarget(options["htp-arch"], SOCS[options["soc"]])
    first, second = (compile_context(networks.quantized(1), target, profile=name) for _ in range(2))
    assert first.data == second.data
    assert (first.wrapper.architecture, first.wrapper.soc_model) == (target.arch, target.soc.model)


def test_reasons_are_read_from_the_log() -> None:
    log = "CreateQnnNode] QNN.backendValidateOpConfig() failed for node `Softmax_21` of type `Softmax` with error code 3110"
    assert refusals(log) == {"Softmax_21": "3110"}
