"""Which Hexagon Tensor Processor code is for. Pure tables.

The toolchain takes what it does not know for its default without an error (``onnxruntime-qnn`` 2.7.0: architecture
"99" and chip "SM9999" each give a context binary, of some other device), and where chip and architecture contradict
each other the chip wins. So nothing reaches it that is not in these tables.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass

from edge_bundle.errors import InvalidInputError

ARCHITECTURES = ("v68", "v69", "v73", "v75", "v79", "v81")
"""Architectures of the tensor processor that code is made for."""


@dataclass(frozen=True)
class Soc:
    """One chip: its name, the number that QNN knows it by (``soc_model``), its tensor processor."""

    name: str
    model: int
    arch: str


_SOCS = (
    Soc("SM8350", 30, "v68"),
    Soc("SA8295", 39, "v68"),
    Soc("SA8540", 62, "v68"),
    Soc("QCM6490", 93, "v68"),
    Soc("SM8450", 36, "v69"),
    Soc("SM8475", 42, "v69"),
    Soc("SXR2230P", 53, "v69"),
    Soc("SM8550", 43, "v73"),
    Soc("SXR1230P", 45, "v73"),
    Soc("SSG2115P", 46, "v73"),
    Soc("SA8255", 52, "v73"),
    Soc("SSG2125P", 58, "v73"),
    Soc("QCS9100", 77, "v73"),
    Soc("SM8650", 57, "v75"),
    Soc("SM8750", 69, "v79"),
    Soc("SXR2330P", 75, "v79"),
    Soc("SA8797", 72, "v81"),
    Soc("SM8850", 87, "v81"),
    Soc("SAR2230P", 95, "v81"),
    Soc("SW6100", 96, "v81"),
    Soc("SM8845", 97, "v81"),
)

SOCS: Mapping[str, Soc] = {soc.name: soc for soc in _SOCS}
"""Chips that code is made for, as Qualcomm lists them in ExecuTorch (``backends/qualcomm/serialization/qc_schema.py``).
The kernel's numbers are others (``hardware_profiles/qualcomm.py``)."""

_EMULATED_ON = ("x86_64", "amd64")
"""Machines for which the toolchain brings an emulator of the tensor processor instead of a driver."""


@dataclass(frozen=True)
class HtpTarget:
    """What a context binary is for."""

    arch: str
    soc: Soc

    @property
    def device(self) -> str:
        """The device's name in a placement."""
        return f"htp-{self.arch}"

    def __str__(self) -> str:
        return f"HTP {self.arch} ({self.soc.name})"


def htp_target(options: Mapping[str, str], *, where: str) -> HtpTarget:
    """The target that ``htp-arch`` and ``soc`` name.

    Raises:
        InvalidInputError: either is missing or unknown, or the chip has another architecture.

    """
    arch, name = options.get("htp-arch", ""), options.get("soc", "")
    if arch not in ARCHITECTURES:
        expected = f"one of {', '.join(ARCHITECTURES)}"
        raise InvalidInputError(file=where, key="options.htp-arch", expected=expected, got=repr(arch))
    fitting = [soc for soc in _SOCS if soc.arch == arch]
    if name not in SOCS:
        expected = f"one of {', '.join(soc.name for soc in fitting)}"
        raise InvalidInputError(file=where, key="options.soc", expected=expected, got=repr(name))
    if SOCS[name].arch != arch:
        raise InvalidInputError(
            file=where, key="options.soc", expected=f"a chip with {arch}", got=f"{name}, which has {SOCS[name].arch}"
        )
    return HtpTarget(arch, SOCS[name])


def is_emulated(machine: str | None = None) -> bool:
    """Whether this machine (``uname -m``) has the emulator."""
    return (machine or platform.machine()).lower() in _EMULATED_ON
