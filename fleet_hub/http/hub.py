"""Everything a request handler may use, in one frozen object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from fleet_hub.blob_store import BlobStore
from fleet_hub.config import HubConfig
from fleet_hub.http.auth import Doorkeeper
from fleet_hub.http.metrics import Metrics
from fleet_hub.releases import ReleaseDesk
from fleet_hub.store.reader import Reader
from fleet_hub.store.writer import Writer
from fleet_hub.trust.repository import MetadataRepository


@dataclass(frozen=True)
class Hub:
    """The parts of one running hub."""

    config: HubConfig
    clock: Callable[[], float]
    reader: Reader
    writer: Writer
    blobs: BlobStore
    metadata: MetadataRepository
    releases: ReleaseDesk
    doorkeeper: Doorkeeper
    metrics: Metrics

    def now_ms(self) -> int:
        """The time, Unix milliseconds."""
        return int(self.clock() * 1000)


HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
"""Where handlers find it: ``request.app[HUB]``."""
