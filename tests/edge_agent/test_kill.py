"""kill -9 at each disk operation of an update: a restart serves a good release, and the next poll ends on the new one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY_LIMIT_S = 600
"""Some 70 kills, three processes each; ample for a busy machine."""

REPOSITORY = Path(__file__).parents[2]

GOOD: dict[str, set[str | None]] = {
    "install": {None, "2.0.0"},
    "update": {"1.0.0", "2.0.0"},
}
"""What may be served right after the restart, golden vectors replayed: nothing is only right before a first install."""


def kills(folder: Path, scenario: str, chosen: str, *, limit_s: float = 110) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.edge_agent.kill_driver", str(folder), scenario, chosen]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=limit_s)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(scenario: str, results: list[dict[str, Any]]) -> None:
    for result in results:
        assert result.get("signal") == signal.SIGKILL, result
        assert result.get("before") in GOOD[scenario], result
        assert result.get("after") == "2.0.0", result
        assert not result["error"], result
        assert not result["leftovers"], result


@pytest.mark.parametrize("scenario", ["install", "update"])
def test_killed_at_one_operation_of_each_kind(tmp_path: Path, scenario: str) -> None:
    results = kills(tmp_path, scenario, "sample")
    assert len(results) >= 8
    check(scenario, results)


@pytest.mark.heavy
@pytest.mark.timeout(HEAVY_LIMIT_S)
@pytest.mark.parametrize("scenario", ["install", "update"])
def test_killed_at_every_operation(tmp_path: Path, scenario: str) -> None:
    results = kills(tmp_path, scenario, "all", limit_s=HEAVY_LIMIT_S)
    assert [result["at"] for result in results] == list(range(1, len(results) + 1))
    assert len(results) > 50
    check(scenario, results)
