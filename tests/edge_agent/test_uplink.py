"""Telemetry's way out: what a cancelled start leaves behind."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from edge_agent.telemetry.spool import Spool
from edge_agent.uplink import _open
from edge_bundle.errors import AlreadyClosedError


def test_a_spool_opened_during_cancellation_is_closed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.sqlite3", node_id="n", boot_id="b")
    started, go_on = threading.Event(), threading.Event()

    def slow() -> Spool:
        started.set()
        assert go_on.wait(10)
        return spool

    async def cancelled_start() -> None:
        opening = asyncio.create_task(_open(slow))
        await asyncio.to_thread(started.wait, 10)
        opening.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await opening

    asyncio.run(cancelled_start())
    with pytest.raises(AlreadyClosedError):
        spool.pending()
