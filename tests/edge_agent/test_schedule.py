"""Waits between polls."""

from __future__ import annotations

import pytest

from edge_agent.config import HubConfig
from edge_agent.schedule import MIN_INTERVAL_S, PollSchedule

CONFIG = HubConfig(url="http://hub", poll_interval_s=10.0, jitter=0.5, backoff_max_s=100.0)


@pytest.mark.parametrize(
    ("hub_interval_s", "failures", "uniform", "expected"),
    [
        pytest.param(None, 0, 0.0, 10.0, id="own-interval-before-the-first-answer"),
        pytest.param(2.0, 0, 0.0, 2.0, id="hub-wants-more-often"),
        pytest.param(60.0, 0, 0.0, 10.0, id="own-bound-holds"),
        pytest.param(0.0, 0, 0.0, MIN_INTERVAL_S, id="a-broken-hub-does-not-make-us-spin"),
        pytest.param(None, 0, 0.5, 12.5, id="jitter-stretches"),
        pytest.param(None, 1, 0.0, 20.0, id="first-failure-doubles"),
        pytest.param(None, 3, 0.0, 80.0, id="third-failure"),
        pytest.param(None, 4, 0.0, 100.0, id="bounded"),
        pytest.param(None, 100_000, 0.0, 100.0, id="no-overflow"),
    ],
)
def test_wait(hub_interval_s: float | None, failures: int, uniform: float, expected: float) -> None:
    schedule = PollSchedule(CONFIG, hub_interval_s=hub_interval_s, failures=failures)
    assert schedule.wait_s(uniform) == pytest.approx(expected)


def test_success_ends_the_backoff() -> None:
    schedule = PollSchedule(CONFIG)
    schedule.failed()
    schedule.failed()
    schedule.succeeded(5.0)
    assert schedule.wait_s(0.0) == pytest.approx(5.0)
