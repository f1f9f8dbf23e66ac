"""``hub.toml``: what a hub needs to know. Unknown keys are errors; paths are relative to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from edge_bundle.errors import InvalidInputError
from edge_bundle.strict_toml import load_toml

CONFIG_FILE = "hub.toml"

MAX_CONFIG_BYTES = 64 << 10
"""Ours has about half a kilobyte."""

Seconds = Annotated[float, msgspec.Meta(gt=0.0)]


class TrustConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lifetimes of the metadata that the hub signs itself. The refresh must come well before the timestamp's end."""

    timestamp_ttl_s: Seconds = 86_400.0
    timestamp_refresh_s: Seconds = 21_600.0
    snapshot_ttl_s: Seconds = 14 * 86_400.0


class LimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds on what clients may send or keep open."""

    max_blob_bytes: Annotated[int, msgspec.Meta(ge=1 << 16)] = 1 << 30
    request_timeout_s: Seconds = 60.0
    telemetry_memory_s: Seconds = 30 * 86_400.0


class HubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One hub. Loopback unless told otherwise: put a TLS-terminating proxy in front of it before opening it up."""

    host: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8780
    database: str = "hub.db"
    blobs: str = "blobs"
    metadata: str = "metadata"
    online_key: str = "online.key"
    poll_interval_s: Seconds = 30.0
    enrol_token_ttl_s: Seconds = 86_400.0
    trust: TrustConfig = TrustConfig()
    limits: LimitsConfig = LimitsConfig()


def load_config(path: str | Path) -> HubConfig:
    """Read ``hub.toml`` (or the hub directory that holds it); paths become absolute.

    Raises NotFoundError, InvalidInputError.
    """
    path = Path(path)
    if path.is_dir():
        path = path / CONFIG_FILE
    config = load_toml(path, HubConfig, what="hub configuration", max_bytes=MAX_CONFIG_BYTES)
    if config.trust.timestamp_refresh_s >= config.trust.timestamp_ttl_s:
        raise InvalidInputError(
            file=str(path),
            key="trust.timestamp_refresh_s",
            expected=f"less than trust.timestamp_ttl_s ({config.trust.timestamp_ttl_s})",
            got=str(config.trust.timestamp_refresh_s),
            advice="the timestamp must be signed again before it expires",
        )
    home = path.parent.absolute()
    return msgspec.structs.replace(
        config,
        database=str(home / config.database),
        blobs=str(home / config.blobs),
        metadata=str(home / config.metadata),
        online_key=str(home / config.online_key),
    )
