"""What is this machine? Reads ``/proc``, ``/sys`` and ``/dev``; imports no runtime."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from hardware_profiles.machine import Machine
from hardware_profiles.procfs import CpuInfo, parse_cpu_max, parse_cpuinfo, parse_meminfo, parse_memory_max
from hardware_profiles.qualcomm import htp_arch
from hardware_profiles.runtimes import installed_runtimes, installed_version

MAX_FACT_BYTES = 1 << 20
"""Most that is read of one file of ``/proc``; ``cpuinfo`` of 256 processors has about 400 kB."""

QUALCOMM_DSP = "qualcomm-dsp"
"""What a chip's tensor processor is part of; ``qualcomm-htp-v73`` says which one it has, if the chip is known."""

DEVICE_NODES = {
    "dev/accel/accel[0-9]*": "accel",
    "dev/apex_[0-9]*": "edge-tpu",
    "dev/fastrpc-cdsp*": QUALCOMM_DSP,
    "dev/ethosu[0-9]*": "ethos-u",
    "dev/dri/renderD[0-9]*": "gpu",
}
"""Device nodes and the kind of accelerator behind them; the driver of an ``accel`` node says which it is."""

ACCEL_DRIVERS = {"intel_vpu": "intel-npu", "amdxdna": "amd-npu", "qaic": "qualcomm-cloud-ai", "rocket": "rockchip-npu"}
"""Drivers under ``/sys/class/accel`` (kernel docs, ``accel/index``)."""


def detect(
    root: Path = Path("/"),
    uname: Callable[[], platform.uname_result] = platform.uname,
    usable_cores: Callable[[], int] = lambda: len(os.sched_getaffinity(0)),
    version_of: Callable[[str], str | None] = installed_version,
) -> Machine:
    """The facts of this machine. ``root`` is where ``proc``, ``sys`` and ``dev`` are looked for.

    A fact that cannot be read is left empty rather than raised: less is known, nothing is wrong.
    """
    system = uname()
    cpu = detect_cpu(root)
    quota = parse_cpu_max(_read(root / "sys/fs/cgroup/cpu.max"))
    memory = parse_meminfo(_read(root / "proc/meminfo"))
    limit = parse_memory_max(_read(root / "sys/fs/cgroup/memory.max"))
    return Machine(
        arch=system.machine.lower(),
        os=system.system.lower(),
        kernel=system.release,
        cpu=cpu.model or system.machine,
        cpu_flags=cpu.flags,
        cores=min(usable_cores(), quota or usable_cores()),
        memory_bytes=min(memory, limit or memory),
        python=platform.python_version(),
        runtimes=installed_runtimes(version_of),
        accelerators=find_accelerators(root),
    )


def detect_cpu(root: Path = Path("/")) -> CpuInfo:
    """The CPU alone: what compiled code depends on, without the time that everything else takes."""
    return parse_cpuinfo(_read(root / "proc/cpuinfo"))


def find_accelerators(root: Path) -> tuple[str, ...]:
    """Kinds of accelerators with a device node under ``root``, sorted."""
    kinds = set()
    for pattern, kind in DEVICE_NODES.items():
        for node in _matching(root, pattern):
            kinds.add(_accel_kind(root, node.name) if kind == "accel" else kind)
    if QUALCOMM_DSP in kinds and (arch := htp_arch(root)):
        kinds.add(f"qualcomm-htp-{arch}")
    return tuple(sorted(kinds))


def _matching(root: Path, pattern: str) -> Iterable[Path]:
    folder, _, name = pattern.rpartition("/")
    try:
        return [entry for entry in (root / folder).iterdir() if fnmatchcase(entry.name, name)]
    except OSError:
        return []


def _accel_kind(root: Path, node: str) -> str:
    driver = (root / "sys/class/accel" / node / "device/driver").resolve().name
    return ACCEL_DRIVERS.get(driver, "accel")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_FACT_BYTES).decode(errors="replace")
    except OSError:
        return ""
