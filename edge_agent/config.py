"""The agent's configuration, ``agent.toml``: strict keys, times in ``*_s``, sizes in ``*_bytes``.

Relative paths are resolved against the file, so that a configuration directory can be moved as a whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec.structs import replace

from edge_bundle.contract import ModelName
from edge_bundle.errors import InvalidInputError
from edge_bundle.messages import Labels, Name
from edge_bundle.strict_toml import load_toml, parse_toml

AUTO_PROFILE = "auto"
MAX_CONFIG_BYTES = 1 << 20
"""A configuration is a page; anything near a megabyte is the wrong file."""

Seconds = Annotated[float, msgspec.Meta(gt=0.0, le=30 * 86400.0)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
PathText = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class HubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the hub is; ``url`` shows in status and logs, so it takes no credentials.

    The shorter of ``poll_interval_s`` and the hub's own wish holds. ``jitter`` is a fraction: each wait is stretched by
    up to that much, so that a fleet does not poll in step. After failures the wait doubles up to ``backoff_max_s``.
    ``token_file`` is needed until the node is enrolled.
    """

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^/?#@\s]+/?$")]
    token_file: PathText | None = None
    poll_interval_s: Seconds = 30.0
    jitter: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.2
    backoff_max_s: Seconds = 300.0


class TrustConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The two locks: the pinned TUF root file, and the public keys of the models' owners with their threshold."""

    root: PathText
    owner_keys: Annotated[tuple[PathText, ...], msgspec.Meta(min_length=1, max_length=64)]
    threshold: Annotated[int, msgspec.Meta(ge=1, le=64)]


class ServeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where inference is served; port 0 takes a free one (see ``run/agent.json``)."""

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8600


class TelemetryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often counters are closed into a batch, and how much of it is kept while the hub is away."""

    flush_s: Seconds = 10.0
    spool_max_bytes: Bytes = 64 << 20
    spool_max_age_s: Seconds = 7 * 86400.0


class LimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds on what a hub, or anyone on the way to it, can make this node spend.

    A transfer that brings less than ``min_rate_bytes_per_s`` over a window of ``rate_window_s`` is cut and resumed
    later. ``max_artifact_bytes`` bounds one blob, and the unpacked artifact.
    """

    min_rate_bytes_per_s: Bytes = 1024
    rate_window_s: Seconds = 10.0
    connect_timeout_s: Seconds = 10.0
    request_timeout_s: Seconds = 30.0
    download_timeout_s: Seconds = 3600.0
    max_artifact_bytes: Bytes = 1 << 30
    drain_s: Seconds = 10.0


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration. ``profile`` is a hardware profile's name, or ``auto`` for this machine's best fit."""

    state_dir: PathText
    node_name: Name
    hub: HubConfig
    trust: TrustConfig
    profile: ModelName = AUTO_PROFILE
    labels: Labels = {}
    serve: ServeConfig = ServeConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    limits: LimitsConfig = LimitsConfig()

    @property
    def state(self) -> Path:
        """The state directory as a path."""
        return Path(self.state_dir)


def load_agent_config(path: Path) -> AgentConfig:
    """Read and check ``agent.toml``; ``InvalidInputError`` names file and key, ``NotFoundError`` a missing file."""
    config = load_toml(path, AgentConfig, what="agent configuration", max_bytes=MAX_CONFIG_BYTES)
    return _finish(config, path)


def parse_agent_config(text: str, *, file: Path) -> AgentConfig:
    """Check the text of ``agent.toml``; relative paths are resolved against the directory of ``file``."""
    config = parse_toml(text, AgentConfig, file=str(file), what="agent configuration", max_bytes=MAX_CONFIG_BYTES)
    return _finish(config, file)


def _finish(config: AgentConfig, file: Path) -> AgentConfig:
    trust = config.trust
    if trust.threshold > len(trust.owner_keys):
        expected = f"at most {len(trust.owner_keys)}, the number of trust.owner_keys"
        raise InvalidInputError(file=str(file), key="trust.threshold", expected=expected, got=str(trust.threshold))
    base = file.resolve().parent
    token_file = config.hub.token_file
    return replace(
        config,
        state_dir=str(base / config.state_dir),
        hub=replace(config.hub, token_file=None if token_file is None else str(base / token_file)),
        trust=replace(
            trust, root=str(base / trust.root), owner_keys=tuple(str(base / name) for name in trust.owner_keys)
        ),
    )
