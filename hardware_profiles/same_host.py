"""Whether figures were measured on a machine like this one: a ``host-exact`` variant gives the same bits here then."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable

from edge_bundle.proof import Execution, MeasuredOn
from hardware_profiles.detect import detect_cpu


def flags_digest(cpu_flags: Iterable[str]) -> str:
    """SHA-256, in hex, over the CPU's flags in order: runtimes choose their code by them."""
    return hashlib.sha256(" ".join(sorted(cpu_flags)).encode()).hexdigest()


def same_machine(measured: MeasuredOn) -> bool:
    """Whether architecture, CPU model and flags are those of the proof; a CPU whose flags are not known is another."""
    arch, cpu = platform.machine().lower(), detect_cpu()
    here = (arch, cpu.model or platform.machine(), flags_digest(cpu.flags))
    return (measured.arch, measured.cpu, measured.cpu_flags_digest) == here


def measured_on_same_host(measured: MeasuredOn, *, runtime_version: str, threads: int) -> bool:
    """Whether the machine, the runtime version and the thread count are those of the proof.

    An emulator's bits are no promise for the device itself.
    """
    if measured.execution is not Execution.DEVICE:
        return False
    return (measured.runtime_version, measured.threads) == (runtime_version, threads) and same_machine(measured)
