"""Which profiles fit which machine, and in what order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge_bundle.manifest import NumericClass, Precision
from hardware_profiles.loader import load_profiles
from hardware_profiles.machine import Machine
from hardware_profiles.ranking import Match, by_default, rank
from hardware_profiles.schema import Profile, Requirements

BOX = Machine(
    arch="x86_64",
    os="linux",
    kernel="6.12.0",
    cpu="a CPU",
    cpu_flags=("avx2",),
    cores=2,
    memory_bytes=2 << 30,
    runtimes={"onnxruntime": "1.31.1", "openvino": "2026.4.1"},
)


def profile(name: str = "some", **changes: Any) -> Profile:
    plain = Profile(
        schema=1,
        name=name,
        title=name,
        runtime="onnxruntime",
        precision=Precision.FP32,
        numeric_class=NumericClass.HOST_EXACT,
    )
    return msgspec.structs.replace(plain, **changes)


def match_one(candidate: Profile, machine: Machine = BOX) -> Match:
    (match,) = rank({candidate.name: candidate}, machine)
    return match


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param(
            {"match": Requirements(arch=("aarch64", "armv7l"))}, "needs arch aarch64 or armv7l, got x86_64", id="arch"
        ),
        pytest.param({"match": Requirements(os=("darwin",))}, "needs os darwin, got linux", id="os"),
        pytest.param(
            {"match": Requirements(cpu_flags=("avx2", "amx_int8", "avx512f"))},
            "needs CPU flags amx_int8 avx512f",
            id="flags",
        ),
        pytest.param(
            {"match": Requirements(accelerator="intel-npu")}, "needs accelerator intel-npu, got none", id="accelerator"
        ),
        pytest.param({"match": Requirements(cores=8)}, "needs 8 cores, got 2", id="cores"),
        pytest.param(
            {"match": Requirements(any_cpu_flags=("avx512_vnni", "avx_vnni"))},
            "needs CPU flag avx512_vnni or avx_vnni",
            id="one-flag-of-several",
        ),
        pytest.param(
            {"compile_only": True, "runtime": "ethos-u"},
            "compiled for only: it goes into firmware, and no agent runs it",
            id="compile-only",
        ),
        pytest.param({"threads": 4}, "needs 4 cores, got 2", id="threads-are-cores"),
        pytest.param({"match": Requirements(memory_mib=4096)}, "needs 4096 MiB of memory, got 2048", id="memory"),
        pytest.param(
            {"runtime": "litert"},
            "needs runtime litert, which is not installed: pip install 'skerry[litert]'",
            id="runtime",
        ),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, Any], reason: str) -> None:
    match = match_one(profile(**changes))
    assert not match.fits
    assert match.reasons == (reason,)


def test_every_objection_is_listed() -> None:
    match = match_one(profile(runtime="qnn", match=Requirements(arch=("aarch64",), accelerator="qualcomm-dsp")))
    assert [reason.split(",")[0] for reason in match.reasons] == [
        "needs arch aarch64",
        "needs accelerator qualcomm-dsp",
        "needs runtime qnn",
    ]


@pytest.mark.parametrize(
    "requirements",
    [
        pytest.param(Requirements(), id="asks-for-nothing"),
        pytest.param(Requirements(arch=("aarch64", "x86_64"), os=("linux",)), id="one-of-several"),
        pytest.param(Requirements(any_cpu_flags=("avx_vnni", "avx2")), id="one-flag-of-several"),
        pytest.param(Requirements(cpu_flags=("avx2",), cores=2, memory_mib=2048), id="exactly-enough"),
    ],
)
def test_what_fits(requirements: Requirements) -> None:
    match = match_one(profile(match=requirements))
    assert match.fits
    assert match.reasons == ("everything it asks for is there",)


def test_a_favouring_flag_is_the_reason() -> None:
    assert match_one(profile(favoured_by=("avx2", "amx_int8"))).reasons == ("CPU has avx2",)


def test_order() -> None:
    candidates = [
        profile("asked-for", preference=90, favoured_by=("avx2",), on_request=True),
        profile("unfit", preference=100, match=Requirements(arch=("aarch64",))),
        profile("plain-b", preference=1),
        profile("plain-a", preference=1),
        profile("preferred", preference=50),
        profile("favoured", favoured_by=("avx2",)),
    ]
    ranked = rank({candidate.name: candidate for candidate in candidates}, BOX)
    names = [match.profile.name for match in ranked]
    assert names == ["favoured", "preferred", "plain-a", "plain-b", "asked-for", "unfit"]


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        pytest.param(BOX, ["cpu-fp32", "openvino-fp32", "cpu-int8", "openvino-int8"], id="x86-without-byte-dots"),
        pytest.param(
            msgspec.structs.replace(BOX, cpu_flags=("avx2", "avx512_vnni")),
            ["cpu-int8", "openvino-int8", "cpu-fp32", "openvino-fp32"],
            id="x86-with-vnni",
        ),
        pytest.param(
            msgspec.structs.replace(BOX, runtimes={"onnxruntime": "1", "wasm": "50"}),
            ["cpu-fp32", "cpu-int8", "wasm-simd128", "wasm-simd128-int8"],
            id="wasm-comes-last",
        ),
        pytest.param(
            msgspec.structs.replace(BOX, arch="aarch64", runtimes={"wasm": "50"}),
            ["wasm-simd128", "wasm-simd128-int8"],
            id="wasm-where-nothing-else-is",
        ),
        pytest.param(
            msgspec.structs.replace(BOX, arch="aarch64", cpu_flags=("asimddp",), runtimes={"onnxruntime": "1"}),
            ["cpu-int8", "cpu-fp32"],
            id="arm-board-with-one-runtime",
        ),
        pytest.param(msgspec.structs.replace(BOX, arch="riscv64"), [], id="riscv"),
    ],
)
def test_packaged_profiles(machine: Machine, expected: list[str]) -> None:
    fitting = [match.profile for match in rank(load_profiles(), machine) if match.fits]
    assert [one.name for one in fitting if not one.on_request] == expected


VNNI = msgspec.structs.replace(BOX, cpu_flags=("avx2", "avx_vnni"))
NPU = msgspec.structs.replace(VNNI, accelerators=("intel-npu",))
ARM = msgspec.structs.replace(BOX, arch="aarch64", cpu_flags=("asimd", "asimddp"))


@pytest.mark.parametrize(
    ("name", "machines"),
    [
        pytest.param("cpu-x86_64-vnni", [VNNI, msgspec.structs.replace(BOX, cpu_flags=("avx512_vnni",))], id="vnni"),
        pytest.param("cpu-x86_64-avx2", [BOX, VNNI], id="avx2"),
        pytest.param("cpu-aarch64-dotprod", [ARM], id="dotprod"),
        pytest.param("openvino-npu", [NPU], id="npu"),
    ],
)
def test_profiles_of_one_kind_of_machine(name: str, machines: list[Machine]) -> None:
    plain_arm = msgspec.structs.replace(ARM, cpu_flags=("asimd",))
    for machine in (BOX, VNNI, NPU, ARM, plain_arm, *machines):
        expected = machine in machines or (name.startswith("cpu-x86_64") and machine == NPU)
        assert match_one(load_profiles()[name], machine).fits == expected, machine


def test_what_the_winner_of_a_race_may_need() -> None:
    reasons = match_one(load_profiles()["cpu-x86_64-vnni"], VNNI).reasons
    assert reasons[-1] == "the winner of a race may need runtime litert: pip install 'skerry[litert]'"
    full = msgspec.structs.replace(VNNI, runtimes={**VNNI.runtimes, "litert": "2"})
    assert not [reason for reason in match_one(load_profiles()["cpu-x86_64-vnni"], full).reasons if "race" in reason]


def test_relaxed_simd_is_compiled_for_on_request_alone() -> None:
    machine = msgspec.structs.replace(BOX, runtimes={"wasm": "50"})
    assert [one.name for one in by_default(load_profiles(), machine)] == ["wasm-simd128", "wasm-simd128-int8"]
    relaxed = match_one(load_profiles()["wasm-relaxed-simd"], machine)
    assert relaxed.fits
    assert relaxed.reasons[-1] == "compiled for only where --profile names it"
