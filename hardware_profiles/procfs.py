"""Pure readers of what Linux says in ``/proc`` and ``/sys/fs/cgroup`` (proc(5), kernel docs ``cgroup-v2``)."""

from __future__ import annotations

import math
from dataclasses import dataclass

_KIB = 1 << 10

_ARM_IMPLEMENTERS = {
    "0x41": "Arm",
    "0x42": "Broadcom",
    "0x48": "HiSilicon",
    "0x4e": "NVIDIA",
    "0x51": "Qualcomm",
    "0x53": "Samsung",
    "0x61": "Apple",
    "0xc0": "Ampere",
}
"""``CPU implementer`` codes (register MIDR_EL1, field Implementer); arm64 kernels print no model name."""


@dataclass(frozen=True)
class CpuInfo:
    """The first processor of ``/proc/cpuinfo``: model text (empty if the kernel gives none) and sorted flags."""

    model: str
    flags: tuple[str, ...]


def parse_cpuinfo(text: str) -> CpuInfo:
    """Model and flags: x86 ``model name`` and ``flags``, arm64 ``CPU implementer``/``part`` and ``Features``.

    On mixed cores (big.LITTLE) only flags that every processor has are kept.
    """
    fields: dict[str, str] = {}
    common: set[str] | None = None
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        key, value = name.strip().lower(), value.strip()
        if not colon:
            continue
        fields.setdefault(key, value)
        if key in ("flags", "features", "isa"):
            flags = set(value.lower().split())
            common = flags if common is None else common & flags
    return CpuInfo(model=_model(fields), flags=tuple(sorted(common or ())))


def parse_meminfo(text: str) -> int:
    """``MemTotal`` of ``/proc/meminfo`` in bytes; 0 if it is not there."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if name == "MemTotal" and words and words[0].isdecimal():
            return int(words[0]) * _KIB
    return 0


def parse_cpu_max(text: str) -> int | None:
    """Whole cores that ``cpu.max`` (``QUOTA PERIOD`` in microseconds) leaves, rounded up; ``None`` without a quota."""
    words = text.split()
    if len(words) != len(("quota", "period")) or not all(word.isdecimal() for word in words) or int(words[1]) == 0:
        return None
    return max(1, math.ceil(int(words[0]) / int(words[1])))


def parse_memory_max(text: str) -> int | None:
    """The byte limit of ``memory.max``; ``None`` for ``max``."""
    word = text.strip()
    return int(word) if word.isdecimal() else None


def _model(fields: dict[str, str]) -> str:
    for key in ("model name", "hardware", "uarch"):
        if fields.get(key):
            return fields[key]
    implementer = fields.get("cpu implementer", "").lower()
    if not implementer:
        return ""
    return f"{_ARM_IMPLEMENTERS.get(implementer, implementer)} part {fields.get('cpu part', 'unknown')}"
