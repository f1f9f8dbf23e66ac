"""Which Hexagon Tensor Processor a Qualcomm chip has, by the number that the kernel gives the chip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

HTP_ARCHITECTURES: Mapping[int, str] = {
    439: "v68",  # SM8350
    460: "v68",  # SA8295P
    461: "v68",  # SA8540P
    487: "v68",  # SC7280
    497: "v68",  # QCM6490
    498: "v68",  # QCS6490
    457: "v69",  # SM8450
    480: "v69",  # SM8450, second revision
    482: "v69",  # SM8450, third revision
    530: "v69",  # SM8475
    531: "v69",  # SM8475P
    540: "v69",  # SM8475, second revision
    519: "v73",  # SM8550
    534: "v73",  # SA8775P
    603: "v73",  # QCS8550
    604: "v73",  # QCM8550
    667: "v73",  # QCS9100
    557: "v75",  # SM8650
    577: "v75",  # SM8650P
    674: "v75",  # QCS8300
    618: "v79",  # SM8750
}
"""``/sys/devices/soc0/soc_id`` -> architecture, by Linux' ``include/dt-bindings/arm/qcom,ids.h``."""

SOC_ID_FILE = "sys/devices/soc0/soc_id"

MAX_DIGITS = 9
"""Longest number taken for the number of a chip."""


def soc_id(root: Path = Path("/")) -> int | None:
    """The kernel's number of this machine's chip, or ``None`` where it says none."""
    try:
        text = (root / SOC_ID_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else None


def htp_arch(root: Path = Path("/")) -> str | None:
    """Architecture of this machine's tensor processor (``v73``), or ``None`` where it has none that is known."""
    number = soc_id(root)
    return None if number is None else HTP_ARCHITECTURES.get(number)
