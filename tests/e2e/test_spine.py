"""The whole path over real sockets and processes: the demo's own acts, every claim of which must hold."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console

from compiler.progress import Silent
from skerry.demo.claims import Claim
from skerry.demo.play import play
from skerry.demo.show import Show
from skerry.demo.workplace import Workplace

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Claim], str]:
    """One performance: its claims, and what it printed."""
    printed = io.StringIO()
    place = Workplace(tmp_path_factory.mktemp("demo"), EXAMPLE, Silent())
    claims = asyncio.run(play(place, Show(Console(file=printed, width=140))))
    return claims, printed.getvalue()


def test_every_claim_holds(played: tuple[list[Claim], str]) -> None:
    claims, _ = played
    assert [claim for claim in claims if not claim.ok] == []


@pytest.mark.parametrize(
    ("act", "words"),
    [
        pytest.param(1, ["cpu-fp32", "cpu-int8", "openvino-int8", "profiles compiled for"], id="compile"),
        pytest.param(2, ["trusted keys", "digest of the second build"], id="sign"),
        pytest.param(3, ["agents that activated the release"], id="fleet"),
        pytest.param(4, ["signed proof", "cache hits", "differ in any bit"], id="serve"),
        pytest.param(5, ["requests counted", "variant that runs"], id="report"),
        pytest.param(6, ["flipped byte", "unknown key", "older release", "expired metadata", "serves"], id="attacks"),
    ],
)
def test_nothing_is_left_out(played: tuple[list[Claim], str], act: int, words: list[str]) -> None:
    """A demo that claims less than it should would pass the test above."""
    claims, printed = played
    names = " | ".join(claim.name for claim in claims if claim.act == act)
    for word in words:
        assert word in names
    assert f"Act {act}:" in printed


def test_refusals_are_named(played: tuple[list[Claim], str]) -> None:
    claims, _ = played
    refusals = [claim.found for claim in claims if claim.found.startswith("refused: ")]
    expected = ["DigestMismatchError", "SignatureError", "RollbackError", "ExpiredMetadataError"]
    assert refusals == [f"refused: {name}" for name in expected]
