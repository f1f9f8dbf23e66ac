"""Running a hub: opens its parts, serves, signs the timestamp again in time, and stops cleanly on a signal."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from aiohttp import web
from sqlalchemy import Engine

from edge_bundle.errors import SkerryError, UnavailableError
from edge_bundle.keys import SigningKey
from fleet_hub.blob_store import BlobStore
from fleet_hub.config import HubConfig
from fleet_hub.http.app import build_app
from fleet_hub.http.auth import Doorkeeper
from fleet_hub.http.hub import Hub
from fleet_hub.http.metrics import Metrics
from fleet_hub.releases import ReleaseDesk
from fleet_hub.store import audit_log, database, nodes, principals, telemetry
from fleet_hub.store.reader import Reader
from fleet_hub.store.writer import Writer
from fleet_hub.trust.online import Lifetimes
from fleet_hub.trust.registry import TrustRegistry
from fleet_hub.trust.repository import MetadataRepository

SHUTDOWN_S = 10.0
"""Requests in progress get this long to finish after a signal."""

LINGER_S = 1.0
"""What is left of a refused body is read and dropped for this long, so that the client gets to see the answer."""

PRUNE_INTERVAL_S = 3600.0

RETRY_REFRESH_S = 5.0
"""Pause after a failed signature of the timestamp (a full disk, say); its expiry is why this must not give up."""

_log = logging.getLogger("fleet_hub")


async def run_hub(
    config: HubConfig,
    *,
    on_ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Serve until ``stop`` is set; without one, until SIGINT or SIGTERM.

    ``on_ready`` is called with the base URL once requests are answered (port 0 picks a free port).

    Raises UnavailableError: the port is taken. NotFoundError, UntrustedMetadataError: the directory is no hub's.
    """
    stopping = stop or _stop_on_signals()
    async with open_hub(config, clock) as hub, _listening(hub) as url:
        _log.info("hub serves at %s", url)
        if on_ready:
            on_ready(url)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work(hub)) for work in (_keep_fresh, _keep_small, _check_audit_log)]
            await stopping.wait()
            for task in running:
                task.cancel()
    _log.info("hub stopped")


@asynccontextmanager
async def open_hub(config: HubConfig, clock: Callable[[], float] = time.time) -> AsyncIterator[Hub]:
    """The parts of a hub, its database migrated and its releases reconciled; closed on leaving."""
    async with AsyncExitStack() as stack:
        path = Path(config.database)
        write_engine, read_engine = database.open_engine(path, begin="BEGIN IMMEDIATE"), database.open_engine(path)
        for engine in (write_engine, read_engine):
            stack.callback(engine.dispose)
        await asyncio.to_thread(database.migrate, write_engine)
        writer = stack.enter_context(Writer(write_engine))
        hub = await asyncio.to_thread(_assemble, config, clock, read_engine, writer)
        await hub.releases.reconcile()
        await hub.releases.refresh()
        yield hub


def _assemble(config: HubConfig, clock: Callable[[], float], engine: Engine, writer: Writer) -> Hub:
    reader = Reader(engine)
    blobs = BlobStore(Path(config.blobs), max_blob_bytes=config.limits.max_blob_bytes)
    metadata = MetadataRepository(Path(config.metadata))
    lifetimes = Lifetimes(timestamp_s=config.trust.timestamp_ttl_s, snapshot_s=config.trust.snapshot_ttl_s)
    trust = TrustRegistry(metadata, SigningKey.load(config.online_key), lifetimes, clock)
    return Hub(
        config=config,
        clock=clock,
        reader=reader,
        writer=writer,
        blobs=blobs,
        metadata=metadata,
        releases=ReleaseDesk(trust, blobs, writer, clock),
        doorkeeper=Doorkeeper(reader.now(nodes.keys), reader.now(principals.all_principals), clock),
        metrics=Metrics(),
    )


@asynccontextmanager
async def _listening(hub: Hub) -> AsyncIterator[str]:
    # Bodies are never unpacked by the server: what is compressed here is a format of ours, bounded where it is opened.
    runner = web.AppRunner(
        build_app(hub),
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=hub.config.limits.request_timeout_s,  # also for the head of a connection's first request
        shutdown_timeout=SHUTDOWN_S,
        lingering_time=LINGER_S,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, hub.config.host, hub.config.port)
        try:
            await site.start()
        except OSError as error:
            raise _cannot_listen(hub.config, error) from error
        host, port = runner.addresses[0][:2]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _keep_fresh(hub: Hub) -> None:
    pause_s = hub.config.trust.timestamp_refresh_s
    while True:
        await asyncio.sleep(pause_s)
        try:
            await hub.releases.refresh()
            pause_s = hub.config.trust.timestamp_refresh_s
        except (OSError, SkerryError):
            _log.exception("the timestamp could not be signed again; next try in %g s", RETRY_REFRESH_S)
            pause_s = RETRY_REFRESH_S


async def _keep_small(hub: Hub) -> None:
    while True:
        await asyncio.sleep(PRUNE_INTERVAL_S)
        before_ms = hub.now_ms() - int(hub.config.limits.telemetry_memory_s * 1000)
        try:
            await hub.writer.run(partial(telemetry.prune, before_ms=before_ms))
        except UnavailableError:
            _log.exception("old telemetry could not be pruned; next try in %g s", PRUNE_INTERVAL_S)


async def _check_audit_log(hub: Hub) -> None:
    """Say once, beside the first requests, whether the log that was found still holds."""
    try:
        events, broken = await hub.reader.run(audit_log.examined)
    except Exception:  # noqa: BLE001 - the root of a task: a log that cannot be read must not stop the hub
        _log.exception("audit log: it cannot be read")
        return
    if broken is None:
        _log.info("audit log: %d events, the chain holds", len(events))
    else:
        _log.error(
            "audit log: the chain is broken at event %d of %d; compare it with a backup", broken.seq, len(events)
        )


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def _cannot_listen(config: HubConfig, error: OSError) -> UnavailableError:
    taken = error.errno == errno.EADDRINUSE
    return UnavailableError(
        what=f"{config.host}:{config.port}",
        detail="the port is in use" if taken else str(error),
        advice="stop the other program, or set another port in hub.toml" if taken else "",
    )
