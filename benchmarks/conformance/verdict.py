"""What came of one case. It crosses the boundary between the run and its workers as one line of JSON."""

from __future__ import annotations

import enum

import msgspec


class Outcome(enum.StrEnum):
    """The four rows of the table."""

    PASSED = "passed"
    REFUSED = "refused"
    WRONG = "wrong"
    SKIPPED_DTYPE = "skipped_dtype"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """``operator`` is the case's; ``reason`` says what the compiler refused, or what went wrong."""

    case: str
    outcome: Outcome
    operator: str = ""
    reason: str = ""
