"""What is read out of the texts of the kernel."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_profiles.procfs import CpuInfo, parse_cpu_max, parse_cpuinfo, parse_meminfo, parse_memory_max

X86 = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) Ultra 7 155H
flags\t\t: fpu sse4_2 avx2 avx_vnni

processor\t: 1
model name\t: Intel(R) Core(TM) Ultra 7 155H
flags\t\t: fpu sse4_2 avx2 avx_vnni
"""

RASPBERRY_PI_5 = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd aes asimdhp asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd0b
"""

BIG_LITTLE = """\
processor\t: 0
Features\t: fp asimd
CPU implementer\t: 0x51
CPU part\t: 0x804

processor\t: 4
Features\t: fp asimd asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0d
"""

RISCV = """\
processor\t: 0
hart\t\t: 0
isa\t\t: rv64imafdcv
uarch\t\t: spacemit,x60
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(X86, CpuInfo("Intel(R) Core(TM) Ultra 7 155H", ("avx2", "avx_vnni", "fpu", "sse4_2")), id="x86"),
        pytest.param(
            RASPBERRY_PI_5, CpuInfo("Arm part 0xd0b", ("aes", "asimd", "asimddp", "asimdhp", "fp")), id="arm64"
        ),
        pytest.param(BIG_LITTLE, CpuInfo("Qualcomm part 0x804", ("asimd", "fp")), id="big-little-keeps-common-flags"),
        pytest.param("Hardware : BCM2835\n", CpuInfo("BCM2835", ()), id="arm32-hardware-line"),
        pytest.param("CPU implementer : 0x99\n", CpuInfo("0x99 part unknown", ()), id="unknown-implementer"),
        pytest.param(RISCV, CpuInfo("spacemit,x60", ("rv64imafdcv",)), id="riscv"),
        pytest.param("", CpuInfo("", ()), id="empty"),
        pytest.param("no colon at all\n", CpuInfo("", ()), id="no-colon"),
    ],
)
def test_cpuinfo(text: str, expected: CpuInfo) -> None:
    assert parse_cpuinfo(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("MemTotal:       24684096 kB\nMemFree: 1 kB\n", 24684096 * 1024, id="usual"),
        pytest.param("MemFree: 1 kB\n", 0, id="no-total"),
        pytest.param("MemTotal: lots\n", 0, id="not-a-number"),
        pytest.param("MemTotal:\n", 0, id="no-value"),
        pytest.param("", 0, id="empty"),
    ],
)
def test_meminfo(text: str, expected: int) -> None:
    assert parse_meminfo(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("max 100000\n", None, id="no-quota"),
        pytest.param("200000 100000\n", 2, id="two-cores"),
        pytest.param("150000 100000\n", 2, id="rounded-up"),
        pytest.param("10000 100000\n", 1, id="at-least-one"),
        pytest.param("100000 0\n", None, id="zero-period"),
        pytest.param("100000\n", None, id="one-word"),
        pytest.param("", None, id="no-cgroup"),
    ],
)
def test_cpu_max(text: str, expected: int | None) -> None:
    assert parse_cpu_max(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("max\n", None, id="no-limit"),
        pytest.param("536870912\n", 512 << 20, id="limit"),
        pytest.param("", None, id="no-cgroup"),
    ],
)
def test_memory_max(text: str, expected: int | None) -> None:
    assert parse_memory_max(text) == expected


@settings(deadline=None)
@given(st.text())
def test_no_text_breaks_the_readers(text: str) -> None:
    parse_cpuinfo(text)
    assert parse_meminfo(text) >= 0
    assert (parse_cpu_max(text) or 1) >= 1
    assert (parse_memory_max(text) or 0) >= 0
