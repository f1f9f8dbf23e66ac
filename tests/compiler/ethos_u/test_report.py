"""What is read from Vela's summary, its log and its file."""

from __future__ import annotations

import pytest

from compiler.ethos_u.device import device_of
from compiler.ethos_u.gates import check_cycles, check_placement, check_sram
from compiler.ethos_u.report import Left, Summary, left_to_cpu, operator_count, read_summary
from edge_bundle.errors import LimitExceededError, PlacementError
from hardware_profiles.loader import load_profile
from tests.compiler.ethos_u.files import small_network

HEADER = (
    "inference_time,sram_memory_used,dram_memory_used,on_chip_flash_memory_used,off_chip_flash_memory_used,cycles_total"
)
PROFILE = load_profile("ethos-u55-128")
DEVICE = device_of(PROFILE)


def summary(*, cycles: int = 1, sram_bytes: int = 1) -> Summary:
    return Summary(latency_us=1.0, cycles=cycles, sram_bytes=sram_bytes, flash_bytes=0, dram_bytes=0)


def test_units() -> None:
    found = read_summary(f"{HEADER}\n0.00025,21.671875,2,1.5,30.375,89900\n", all_in_sram=False)
    assert found == Summary(latency_us=250.0, cycles=89900, sram_bytes=22192, flash_bytes=32640, dram_bytes=2048)


def test_weights_in_sram_count_as_sram() -> None:
    found = read_summary(f"{HEADER}\n0,10,0,20,0,0\n", all_in_sram=True)
    assert (found.sram_bytes, found.flash_bytes) == (30 * 1024, 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected one line, got 0"),
        (HEADER, "expected one line, got 0"),
        (f"{HEADER}\n1,1,1,1,1,1\n1,1,1,1,1,1\n", "expected one line, got 2"),
        (f"{HEADER}\n1,2,3\n", "expected a column on_chip_flash_memory_used, got none"),
        (f"{HEADER}\n1,2,3,four,5,6\n", "could not convert string to float: 'four'"),
        *(
            (f"{HEADER}\n1,2,3,4,5,{odd}\n", f"expected a number from 0 .* got {odd}")
            for odd in ("nan", "inf", "-5", "1e40")
        ),
    ],
)
def test_a_broken_summary(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_summary(text, all_in_sram=False)


def test_operators_on_the_cpu_have_their_reasons() -> None:
    log = (
        "Something else\n"
        "Warning (supported operators) operator: QUANTIZE, ofm: 'x_q'\n"
        "Reason: Operation has tensor with unsupported DataType Float32 (x)\n"
        "Feature-map dataTypes must be one of ...\n"
    )
    found = left_to_cpu(small_network(), log)
    assert operator_count(small_network()) == len(found) == 5
    assert [(left.operator, left.name, bool(left.reason)) for left in found] == [
        ("QUANTIZE", "x_q", True),
        ("TRANSPOSE", "x_t", False),
        ("CONV_2D", "c", False),
        ("TRANSPOSE", "c_t", False),
        ("DEQUANTIZE", "y", False),
    ]


def test_gates_let_pass_what_fits() -> None:
    check_placement(PROFILE, DEVICE, ())
    check_sram(PROFILE, DEVICE, summary(sram_bytes=DEVICE.sram_bytes))
    check_cycles(PROFILE, DEVICE, summary(cycles=DEVICE.max_cycles))


def test_an_operator_on_the_cpu_is_refused_by_name() -> None:
    left = [Left(operator="EXP", name="e", reason="not known"), Left(operator="SIN", name="s")]
    with pytest.raises(PlacementError) as caught:
        check_placement(PROFILE, DEVICE, left)
    assert str(caught.value) == (
        "runtime ethos-u: placement on ethos-u55-128: expected 0 operators on the CPU (profile ethos-u55-128), "
        "got 2: EXP 'e' (not known); SIN 's' (Vela gives no reason)"
    )


def test_a_long_list_is_cut() -> None:
    left = [Left(operator="EXP", name=f"e{number}") for number in range(30)]
    with pytest.raises(PlacementError, match=r"got 30: .*'e19'.*; 10 more$"):
        check_placement(PROFILE, DEVICE, left)


def test_more_sram_than_there_is() -> None:
    with pytest.raises(LimitExceededError, match=r"SRAM on ethos-u55-128 .* at most 1048576 bytes, got 1048577"):
        check_sram(PROFILE, DEVICE, summary(sram_bytes=DEVICE.sram_bytes + 1))


def test_more_cycles_than_allowed() -> None:
    with pytest.raises(LimitExceededError, match="at most 50000000 cycles, got 50000001"):
        check_cycles(PROFILE, DEVICE, summary(cycles=DEVICE.max_cycles + 1))
