"""Seeded bad weather: lost connections, flipped bits, frozen and old metadata, restarts, in any order.

Whatever comes, a node that has served once serves a release whose golden vectors hold, it never falls below what it
served before, and it ends on the newest release when the weather clears.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_bundle.version import Version
from tests.sim.memory_hub import FakeClock, Faults
from tests.sim.node import close, hub_with, make_config, make_node, served_version
from tests.sim.releases import make_release

STEPS = 25


class Weather:
    """One node in a storm that its seed decides."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.clock = FakeClock()
        self.hub = hub_with(self.clock, "1.0.0")
        self.config = make_config(folder, self.hub.tuf.root)
        self.node = make_node(self.config, self.hub, self.clock)
        self.newest = 1
        self.old_metadata = dict(self.hub.tuf.files)

    def connection(self) -> None:
        self.hub.faults = Faults(
            down=self.random.random() < 0.2,
            cut_after_bytes=self.random.choice([None, 0, 20_000, 60_000]),
            truncate_to=self.random.choice([None, None, 40_000]),
        )

    def flip(self) -> None:
        self.hub.faults.flip_in = {self.random.choice(sorted(self.hub.blobs))}

    def yesterday(self) -> None:
        self.hub.faults.metadata = self.old_metadata

    def freeze(self) -> None:
        self.clock.now += 2 * 86_400

    def thaw(self) -> None:
        self.hub.tuf.refresh()
        self.hub.faults = Faults()

    def release(self) -> None:
        self.newest += 1
        version = f"{self.newest}.0.0"
        self.hub.tuf.refresh()
        self.hub.publish(make_release(version))
        self.hub.order(version)

    def old_order(self) -> None:
        self.hub.order(f"{self.random.randint(1, self.newest)}.0.0", rollout_id=f"old-{self.random.random()}")

    def restart(self) -> None:
        close(self.node)
        self.node = make_node(self.config, self.hub, self.clock)
        asyncio.run(self.node.updater.restore())

    def poll(self) -> str | None:
        asyncio.run(self.node.poller.tick())
        return served_version(self.node)

    @property
    def events(self) -> list[Callable[[], None]]:
        return [
            self.connection, self.flip, self.yesterday, self.freeze, self.thaw, self.release, self.old_order, self.restart
        ]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_a_node_weathers_it(tmp_path: Path, seed: int) -> None:
    weather = Weather(tmp_path, seed)
    served = weather.poll()
    assert served == "1.0.0"
    for _ in range(STEPS):
        weather.random.choice(weather.events)()
        now = weather.poll()
        assert now is not None
        assert Version.parse(now) >= Version.parse(served)
        served = now
    weather.thaw()
    weather.release()
    assert weather.poll() == f"{weather.newest}.0.0"
    weather.restart()
    assert served_version(weather.node) == f"{weather.newest}.0.0"
    close(weather.node)
