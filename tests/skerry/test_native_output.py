"""Standard output carries results only, whatever vendors' libraries write to descriptor 1."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import ctypes, os, sys
from skerry.native_output import native_output_on_stderr
c = ctypes.CDLL(None)
print("before")
with native_output_on_stderr():
    print("within")
    c.printf(b"buffered by the C library\\n")
    os.write(1, b"written at once\\n # LIBNATIVE: No alternate configuration present\\n")
print("after")
"""


def test_native_output_goes_to_stderr() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "before\nwithin\nafter\n"
    assert sorted(done.stderr.splitlines()) == ["buffered by the C library", "written at once"]


def test_without_a_standard_output() -> None:
    program = "import sys; sys.stdout = None\nfrom skerry.native_output import native_output_on_stderr\n"
    program += "with native_output_on_stderr(): pass"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
