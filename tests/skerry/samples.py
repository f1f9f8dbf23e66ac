"""What the tests of the command line work with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def is_tidy(text: str) -> bool:
    """Whether what was printed fits in 100 columns, without blanks at line ends and without dots for what was cut."""
    return all(len(line) <= 100 and line == line.rstrip() and "\u2026" not in line for line in text.splitlines())


@dataclass(frozen=True)
class Compiled:
    """A bundle that alice and bob signed, and their keys."""

    bundle: Path
    keys: Path

    @property
    def signing(self) -> list[str]:
        """Options that sign as both."""
        return ["--key", str(self.keys / "alice.key"), "--key", str(self.keys / "bob.key")]

    @property
    def trusting(self) -> list[str]:
        """Options that trust both."""
        return ["--owner-key", str(self.keys / "alice.pub"), "--owner-key", str(self.keys / "bob.pub")]
