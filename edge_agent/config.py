"""The agent's configuration, ``agent.toml``: strict keys, times in ``*_s``, sizes in ``*_bytes``.

Relative paths are resolved against the file, so that a configuration directory can be moved as a whole.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec

from edge_bundle.contract import ModelName
from edge_bundle.errors import InvalidInputError
from edge_bundle.messages import Labels, Name

AUTO_PROFILE = "auto"
MAX_CONFIG_BYTES = 1 << 20
"""A configuration is a page; anything near a megabyte is the wrong file."""

Seconds = Annotated[float, msgspec.Meta(gt=0.0, le=30 * 86400.0)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
PathText = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class HubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the hub is. The shorter of ``poll_interval_s`` and the hub's own wish holds.

    ``jitter`` is a fraction: each wait is stretched by up to that much, so that a fleet does not poll in step. After
    failures the wait doubles up to ``backoff_max_s``. ``token_file`` is needed until the node is enrolled.
    """

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^/?#\s]+/?$")]
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


_PATH_KEYS = (("state_dir",), ("hub", "token_file"), ("trust", "root"), ("trust", "owner_keys"))


def load_agent_config(path: Path) -> AgentConfig:
    """Read and check ``agent.toml``; ``InvalidInputError`` names the file and the key."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        expected = "a readable agent configuration"
        raise InvalidInputError(file=str(path), expected=expected, got=error.strerror or str(error)) from error
    if len(raw) > MAX_CONFIG_BYTES:
        raise InvalidInputError(file=str(path), expected=f"at most {MAX_CONFIG_BYTES} bytes", got="a larger file")
    return parse_agent_config(raw, file=path)


def parse_agent_config(raw: bytes, *, file: Path) -> AgentConfig:
    """Parse the text of ``agent.toml``; relative paths are resolved against the directory of ``file``."""
    try:
        document = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(file=str(file), expected="TOML", got=str(error)) from error
    _check_keys(document, AgentConfig, file=str(file), prefix="")
    try:
        config = msgspec.convert(document, AgentConfig)
    except msgspec.ValidationError as error:
        raise _explain(error, file=str(file)) from error
    _check_threshold(config, file=str(file))
    return msgspec.convert(_resolve_paths(document, file.resolve().parent), AgentConfig)


def _check_keys(table: dict[str, Any], struct: type[msgspec.Struct], *, file: str, prefix: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in table.items():
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            advice = f"did you mean {prefix + close[0]!r}?" if close else ""
            expected = "one of " + ", ".join(sorted(fields))
            raise InvalidInputError(file=file, key=prefix + key, expected=expected, got="an unknown key", advice=advice)
        inner = fields[key]
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and isinstance(value, dict):
            _check_keys(value, inner, file=file, prefix=f"{prefix}{key}.")


def _explain(error: msgspec.ValidationError, *, file: str) -> InvalidInputError:
    """Turn msgspec's "Expected X, got Y - at `$.hub.url`" into our error with the key apart."""
    sentence, _, where = str(error).partition(" - at ")
    key = where.strip("`").removeprefix("$").removeprefix(".")
    match = re.fullmatch(r"Expected (?P<expected>.*), got (?P<got>.*)", sentence)
    if match:
        return InvalidInputError(file=file, key=key, expected=match["expected"], got=match["got"])
    missing = re.fullmatch(r"Object missing required field `(?P<field>.*)`", sentence)
    if missing:
        key = f"{key}.{missing['field']}" if key else missing["field"]
        return InvalidInputError(file=file, key=key, expected="a value", got="nothing")
    return InvalidInputError(file=file, key=key, expected=sentence.removeprefix("Expected "), got="something else")


def _check_threshold(config: AgentConfig, *, file: str) -> None:
    if config.trust.threshold > len(config.trust.owner_keys):
        expected = f"at most {len(config.trust.owner_keys)}, the number of trust.owner_keys"
        raise InvalidInputError(file=file, key="trust.threshold", expected=expected, got=str(config.trust.threshold))


def _resolve_paths(document: dict[str, Any], base: Path) -> dict[str, Any]:
    resolved = {key: dict(value) if isinstance(value, dict) else value for key, value in document.items()}
    for *tables, key in _PATH_KEYS:
        table: Any = resolved
        for name in tables:
            table = table[name]
        if key in table:
            value = table[key]
            table[key] = [str(base / v) for v in value] if isinstance(value, list) else str(base / value)
    return resolved
