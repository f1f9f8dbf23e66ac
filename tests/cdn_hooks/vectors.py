"""The golden vectors of the cache key, shared with the agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent.parent / "data" / "cache_key_vectors.json"


def cache_key_cases() -> list[dict[str, Any]]:
    """The vectors, as written in the file."""
    cases: list[dict[str, Any]] = json.loads(VECTORS.read_text())["vectors"]
    return cases


def expected_keys() -> list[str]:
    """The key of each vector."""
    return [case["key"] for case in cache_key_cases()]
