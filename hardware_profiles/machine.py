"""What a machine is, as far as profiles care."""

from __future__ import annotations

import msgspec

MIB = 1 << 20


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Facts about one machine. ``arch`` and ``os`` are lower case as ``uname`` spells them (``x86_64``, ``linux``).

    ``cores`` and ``memory_bytes`` are what this process may use (affinity and control groups), not what is soldered
    on. ``runtimes`` maps installed runtimes to versions; ``accelerators`` are kinds (``intel-npu``), sorted.
    """

    arch: str
    os: str
    kernel: str
    cpu: str
    cpu_flags: tuple[str, ...] = ()
    cores: int = 1
    memory_bytes: int = 0
    python: str = ""
    runtimes: dict[str, str] = {}
    accelerators: tuple[str, ...] = ()

    def summary(self) -> dict[str, str]:
        """The facts as short text, for enrolment and reports; CPU flags are left out."""
        return {
            "arch": self.arch,
            "os": self.os,
            "kernel": self.kernel,
            "cpu": self.cpu,
            "cores": str(self.cores),
            "memory_mib": str(self.memory_bytes // MIB),
            "python": self.python,
            "runtimes": " ".join(f"{name}={version}" for name, version in sorted(self.runtimes.items())),
            "accelerators": " ".join(self.accelerators),
        }
