"""Kills an agent with SIGKILL at chosen disk operations of an update, restarts it, and prints one JSON line for each.

Run as ``python -m tests.edge_agent.kill_driver FOLDER install|update all|sample``. One process that imports everything
once and forks: a child for the update that dies, a child for the restart that must serve.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from edge_agent.disk import RealDisk
from tests.sim.memory_hub import FakeClock
from tests.sim.node import close, hub_with, make_config, make_node, served_version
from tests.sim.releases import make_release

INSTALLED = {"install": (), "update": ("0.9.0", "1.0.0")}
"""Releases that a node has run before each scenario; two, so that the update sweeps the older one's blobs."""

NEW = "2.0.0"


class CrashingDisk(RealDisk):
    """Kills this process just before its n-th mutating system call; counts them when n is None."""

    def __init__(self, at: int | None) -> None:
        super().__init__(self._operation)
        self._at = at
        self.operations: list[str] = []

    def _operation(self, name: str) -> None:
        self.operations.append(name)
        if len(self.operations) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def prepare(folder: Path, versions: tuple[str, ...]) -> dict[str, Any]:
    """A node that has run these releases, one after the other."""
    clock = FakeClock()
    hub = hub_with(clock)
    node = make_node(make_config(folder, hub.tuf.root), hub, clock)
    for version in versions:
        hub.publish(make_release(version))
        hub.order(version)
        asyncio.run(node.poller.tick())
        assert served_version(node) == version
    close(node)
    return {}


def update(folder: Path, versions: tuple[str, ...], at: int | None) -> dict[str, Any]:
    """Start and bring the new release in; dies on the way when ``at`` is given."""
    clock = FakeClock()
    hub = hub_with(clock, *versions, NEW)
    disk = CrashingDisk(at)
    node = make_node(make_config(folder, hub.tuf.root), hub, clock, disk=disk)
    asyncio.run(_start_and_poll(node.updater.restore, node.poller.tick))
    return {"operations": disk.operations, "served": served_version(node)}


def restart(folder: Path, versions: tuple[str, ...]) -> dict[str, Any]:
    """Start again: what is served at once without the hub, and after a poll."""
    clock = FakeClock()
    hub = hub_with(clock, *versions, NEW)
    node = make_node(make_config(folder, hub.tuf.root), hub, clock)
    asyncio.run(node.updater.restore())
    before = served_version(node)
    asyncio.run(node.poller.tick())
    after = served_version(node)
    leftovers = [path.name for pattern in ("*.tmp", "scratch") for path in (folder / "state").rglob(pattern)]
    return {"before": before, "after": after, "error": node.poller.last_error, "leftovers": leftovers}


async def _start_and_poll(*steps: Callable[[], Any]) -> None:
    for step in steps:
        await step()


def in_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run in a forked child; a child that died gives its signal."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        with os.fdopen(writable, "w") as pipe:
            json.dump(work(), pipe)
            pipe.flush()
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    result: dict[str, Any] = json.loads(text) if text else {"exit": os.WEXITSTATUS(status)}
    return result


def sample(operations: list[str]) -> list[int]:
    """The first operation of each kind, and everything about the last ``slots.json``: the commitment itself."""
    first = {name.split()[0]: at for at, name in reversed(list(enumerate(operations, 1)))}
    commit = max(at for at, name in enumerate(operations, 1) if name == "create slots.json.tmp")
    return sorted({*first.values(), *range(commit, commit + 5)})


def main(folder: Path, scenario: str, chosen: str) -> None:
    """Kill at each chosen operation and report."""
    versions = INSTALLED[scenario]
    prepared, trial = folder / "prepared", folder / "trial"
    in_child(lambda: prepare(prepared, versions))
    shutil.copytree(prepared, trial)
    operations = in_child(lambda: update(trial, versions, None))["operations"]
    points = sample(operations) if chosen == "sample" else range(1, len(operations) + 1)
    for at in points:
        shutil.rmtree(trial)
        shutil.copytree(prepared, trial)
        died = in_child(partial(update, trial, versions, at))
        line = {"at": at, "operation": operations[at - 1], **died}
        print(json.dumps(line | in_child(lambda: restart(trial, versions))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
