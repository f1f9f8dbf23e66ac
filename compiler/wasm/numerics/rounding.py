"""Rounding a float32 to an integer by one addition.

The sum's unit in the last place is 1 there, so that the adder rounds half to even, and the integer stands in the low
bits: those of ``MAGIC + n`` are ``MAGIC_BITS + n``.
"""

from __future__ import annotations

MAGIC = 1.5 * 2.0**23
"""What is added."""

MAGIC_BITS = 0x4B400000
"""The bits of ``MAGIC``."""

EXACT = 2.0**22
"""What it rounds is below this in magnitude."""
