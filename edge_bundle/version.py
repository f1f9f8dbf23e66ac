"""Release versions: ``MAJOR.MINOR.PATCH`` in plain decimal (Semantic Versioning 2.0.0, section 2, nothing more)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_bundle.errors import FormatError

_NUMBER = r"(0|[1-9][0-9]{0,8})"
_PATTERN = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """Ordered by major, then minor, then patch. No pre-releases: what is not final is not a release."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """From text such as ``1.4.0``; ``FormatError`` for anything else, leading zeros included."""
        found = _PATTERN.fullmatch(text)
        if not found:
            raise FormatError(what="version", expected="three numbers like 1.4.0", got=repr(text[:80]))
        return cls(*(int(part) for part in found.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"
