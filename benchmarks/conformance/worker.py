"""A worker: a case's name on each line of standard input, its verdict as JSON on standard output.

The first line that it writes maps the names of the cases to their operators. A crash or an endless loop ends this
process and no other.
"""

from __future__ import annotations

import signal
import sys

import msgspec

from benchmarks.conformance.cases import load_cases
from benchmarks.conformance.check import check

CASE_LIMIT_S = 30
"""Longest time for one case; the slowest takes about a second. SIGALRM then ends the process."""


def main() -> None:
    """Judge cases until standard input ends."""
    cases = load_cases()
    _write(msgspec.json.encode({name: case.operator for name, case in cases.items()}))
    for line in sys.stdin.buffer:
        signal.alarm(CASE_LIMIT_S)
        verdict = check(cases[line.decode().strip()])
        signal.alarm(0)
        _write(msgspec.json.encode(verdict))


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
