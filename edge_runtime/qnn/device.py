"""Is the code for the processor that is here? A rule, and the facts it needs."""

from __future__ import annotations

from dataclasses import dataclass

from edge_bundle.errors import WrongTargetError
from edge_runtime.qnn.files import ContextIndex
from edge_runtime.qnn.target import HtpTarget, is_emulated
from hardware_profiles.qualcomm import HTP_ARCHITECTURES, soc_id


@dataclass(frozen=True)
class Host:
    """What runs the code: the emulator, or the chip with the kernel's number ``soc_id`` (``None``: it says none)."""

    emulated: bool
    soc_id: int | None = None


def this_host() -> Host:
    """The machine at hand."""
    return Host(emulated=True) if is_emulated() else Host(emulated=False, soc_id=soc_id())


def check_device(index: ContextIndex, target: HtpTarget, host: Host | None = None) -> None:
    """Refuse code for another processor.

    1. The code must be for the architecture and chip that the variant's options name; the emulator plays that device.
    2. On a device its chip must be known, and have that architecture: newer ones may load older code and even run it,
       but that is not what was proven.

    Raises:
        WrongTargetError: says what the code is for and what is here.

    """
    if (index.htp_arch, index.soc_model) != (target.arch, target.soc.model):
        raise WrongTargetError(runtime="qnn", expected=str(target), got=index.compiled_for)
    host = host or this_host()
    if host.emulated:
        return
    arch = None if host.soc_id is None else HTP_ARCHITECTURES.get(host.soc_id)
    if arch is None:
        here = "has no soc_id" if host.soc_id is None else f"has the unknown soc_id {host.soc_id}"
        raise WrongTargetError(
            runtime="qnn",
            expected=f"code for this machine's chip, which {here}",
            got=index.compiled_for,
            advice="use a profile for the CPU, or a newer Skerry that knows the chip",
        )
    if arch != index.htp_arch:
        raise WrongTargetError(runtime="qnn", expected=f"code for HTP {arch}", got=index.compiled_for)
