"""What setting up a hub refuses, and that it leaves nothing behind when it does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge_bundle.errors import InvalidInputError, UnavailableError
from fleet_hub.init import InitPlan, init_hub
from fleet_hub.store import database
from fleet_hub.trust.ceremony import TeamRole
from tests.fleet_hub.running import TEAMS
from tests.fleet_hub.samples import ALICE


@pytest.mark.parametrize(
    ("hub", "offline"),
    [
        pytest.param("h", "h", id="the-same"),
        pytest.param("h", "h/offline", id="offline-on-the-hub"),
        pytest.param("offline/h", "offline", id="hub-among-the-offline-keys"),
        pytest.param("h", "x/../h/keys", id="by-way-of-a-parent"),
        pytest.param("h", "link/keys", id="by-way-of-a-link"),
    ],
)
def test_offline_keys_never_land_on_the_hub(tmp_path: Path, hub: str, offline: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "h")
    with pytest.raises(InvalidInputError, match="a directory apart from the hub's"):
        init_hub(InitPlan(tmp_path / hub, tmp_path / offline, TEAMS), time.time)
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize(
    ("name", "pattern", "said"),
    [
        pytest.param("a/b c", "*/*.json", "expected a name", id="path"),
        pytest.param("", "*/*.json", "expected a name", id="empty"),
        pytest.param("Vision", "*/*.json", "expected a name", id="upper-case"),
        pytest.param("x" * 64, "*/*.json", "expected a name", id="long"),
        pytest.param("targets", "*/*.json", "expected a role name not yet taken", id="taken-by-tuf"),
        pytest.param("vision", "digits", "expected MODEL/VERSION.json", id="pattern-of-no-release"),
        pytest.param("vision", "a/b/*.json", "expected MODEL/VERSION.json", id="pattern-too-deep"),
    ],
)
def test_team_that_could_never_publish(tmp_path: Path, name: str, pattern: str, said: str) -> None:
    team = TeamRole(name, (pattern,), (ALICE.public,), threshold=1)
    with pytest.raises(InvalidInputError, match=said):
        init_hub(InitPlan(tmp_path / "hub", tmp_path / "offline", (team,)), time.time)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_nothing_and_a_retry_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "offline").mkdir()  # an empty one that was there stays
    plan = InitPlan(tmp_path / "hub", tmp_path / "offline", TEAMS)
    with monkeypatch.context() as patch:
        patch.setattr(database, "_PRAGMAS", ("PRAGMA max_page_count=8",))
        with pytest.raises(UnavailableError) as caught:
            init_hub(plan, time.time)
    assert str(caught.value) == "the hub's database is unavailable: database or disk is full"
    assert [path.name for path in tmp_path.rglob("*")] == ["offline"]
    assert init_hub(plan, time.time).config_file.is_file()
