"""Detection against made-up root folders, and once against the real machine."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from hardware_profiles.detect import detect, find_accelerators
from hardware_profiles.machine import Machine
from hardware_profiles.runtimes import installed_runtimes

VERSIONS = {"onnxruntime": "1.31.1"}


def uname() -> platform.uname_result:
    return platform.uname_result("Linux", "box", "6.12.0", "#1", "AARCH64")


def detect_in(root: Path, cores: int = 4) -> Machine:
    return detect(root, uname=uname, usable_cores=lambda: cores, version_of=VERSIONS.get)


def write(root: Path, path: str, text: str = "") -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_all_facts_are_read(tmp_path: Path) -> None:
    write(tmp_path, "proc/cpuinfo", "Features : asimd asimddp\nCPU implementer : 0x41\nCPU part : 0xd0b\n")
    write(tmp_path, "proc/meminfo", "MemTotal: 2048 kB\n")
    write(tmp_path, "dev/apex_0")
    assert detect_in(tmp_path) == Machine(
        arch="aarch64",
        os="linux",
        kernel="6.12.0",
        cpu="Arm part 0xd0b",
        cpu_flags=("asimd", "asimddp"),
        cores=4,
        memory_bytes=2048 * 1024,
        python=platform.python_version(),
        runtimes=VERSIONS,
        accelerators=("edge-tpu",),
    )


def test_nothing_readable_leaves_facts_empty(tmp_path: Path) -> None:
    machine = detect_in(tmp_path)
    assert (machine.cpu, machine.cpu_flags, machine.memory_bytes, machine.accelerators) == ("AARCH64", (), 0, ())


def test_control_group_limits_count(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", "MemTotal: 4194304 kB\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", "100000 100000\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", "268435456\n")
    machine = detect_in(tmp_path)
    assert (machine.cores, machine.memory_bytes) == (1, 256 << 20)


def test_a_limit_above_what_is_there_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", "MemTotal: 1024 kB\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", "6400000 100000\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", "99999999999\n")
    machine = detect_in(tmp_path)
    assert (machine.cores, machine.memory_bytes) == (4, 1024 * 1024)


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        pytest.param("intel_vpu", "intel-npu", id="intel"),
        pytest.param("amdxdna", "amd-npu", id="amd"),
        pytest.param("something_new", "accel", id="unknown-driver"),
    ],
)
def test_accel_nodes_are_named_by_their_driver(tmp_path: Path, driver: str, expected: str) -> None:
    write(tmp_path, "dev/accel/accel0")
    drivers = tmp_path / "sys/bus/pci/drivers" / driver
    drivers.mkdir(parents=True)
    device = tmp_path / "sys/class/accel/accel0/device"
    device.mkdir(parents=True)
    (device / "driver").symlink_to(drivers)
    assert find_accelerators(tmp_path) == (expected,)


def test_accelerators_are_sorted_and_named_once(tmp_path: Path) -> None:
    for node in ("dev/fastrpc-cdsp", "dev/fastrpc-cdsp-secure", "dev/dri/renderD128", "dev/dri/card0", "dev/null"):
        write(tmp_path, node)
    assert find_accelerators(tmp_path) == ("gpu", "qualcomm-dsp")


@pytest.mark.parametrize(
    ("soc_id", "expected"),
    [
        pytest.param("519", ("qualcomm-dsp", "qualcomm-htp-v73"), id="known-chip"),
        pytest.param("1", ("qualcomm-dsp",), id="unknown-chip"),
    ],
)
def test_a_qualcomm_chip_says_which_tensor_processor_it_has(
    tmp_path: Path, soc_id: str, expected: tuple[str, ...]
) -> None:
    write(tmp_path, "dev/fastrpc-cdsp")
    write(tmp_path, "sys/devices/soc0/soc_id", f"{soc_id}\n")
    assert find_accelerators(tmp_path) == expected


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"openvino": "2026.4.1"}, {"openvino": "2026.4.1"}, id="one"),
        pytest.param({"onnxruntime-gpu": "1.25.0"}, {"onnxruntime": "1.25.0"}, id="other-package-same-runtime"),
        pytest.param({"onnxruntime": "1", "onnxruntime-gpu": "2"}, {"onnxruntime": "1"}, id="usual-package-first"),
    ],
)
def test_installed_runtimes(packages: dict[str, str], expected: dict[str, str]) -> None:
    assert installed_runtimes(packages.get) == expected


def test_summary_is_short_text() -> None:
    machine = Machine(
        arch="x86_64",
        os="linux",
        kernel="6",
        cpu="c",
        cpu_flags=("avx2",),
        memory_bytes=3 << 20,
        runtimes={"b": "2", "a": "1"},
    )
    summary = machine.summary()
    assert summary["runtimes"] == "a=1 b=2"
    assert summary["memory_mib"] == "3"
    assert "cpu_flags" not in summary


def test_this_machine_without_importing_a_runtime() -> None:
    program = (
        "import sys; from hardware_profiles.detect import detect; m = detect();"
        "assert m.os == 'linux' and m.arch and m.cores >= 1 and m.memory_bytes > 0, m;"
        "assert 'onnxruntime' in m.runtimes and 'openvino' in m.runtimes, m.runtimes;"
        "assert not {'numpy', 'onnxruntime', 'openvino'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
