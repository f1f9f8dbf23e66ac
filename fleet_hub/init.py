"""Setting up a hub: the offline ceremony on one side, the hub's directory on the other.

Two directories come out. The offline one holds the root and targets keys, the root to pin on nodes, and the operators'
tokens; it belongs on another machine or a stick. The hub's directory holds none of these.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from edge_bundle.errors import ConflictError, InvalidInputError
from edge_bundle.keys import SigningKey
from fleet_hub.config import CONFIG_FILE, HubConfig, load_config
from fleet_hub.rules import roles
from fleet_hub.rules.roles import Principal, Role
from fleet_hub.store import database, principals
from fleet_hub.store.writer import Writer
from fleet_hub.trust import ceremony
from fleet_hub.trust.ceremony import ROOT_FILE, TARGETS_FILE, Ceremony, OfflineKeys, TeamRole
from fleet_hub.trust.online import Lifetimes
from fleet_hub.trust.registry import TrustRegistry
from fleet_hub.trust.repository import MetadataRepository

TOKENS_FILE = "operator-tokens.json"
PINNED_ROOT_FILE = "root.json"

DAY_S = 86_400.0


@dataclass(frozen=True)
class InitPlan:
    """What to set up. ``config`` holds the settings that go into ``hub.toml``; its paths stay relative.

    ``root_keys`` keys are made for the root role and all must sign; one more key is made for the targets role.
    """

    hub_dir: Path
    offline_dir: Path
    teams: tuple[TeamRole, ...]
    config: HubConfig = field(default_factory=HubConfig)
    root_keys: int = 2
    root_ttl_s: float = 365 * DAY_S
    targets_ttl_s: float = 365 * DAY_S


@dataclass(frozen=True)
class InitResult:
    """Where things are now. ``tokens`` maps role names to the operators' tokens, which are stored nowhere else."""

    config_file: Path
    root_file: Path
    tokens_file: Path
    tokens: dict[str, str]


def init_hub(plan: InitPlan, clock: Callable[[], float]) -> InitResult:
    """Make both directories, ready for ``run_hub(load_config(result.config_file))``.

    Raises ConflictError: one of the directories holds something. InvalidInputError: the teams cannot be delegated to,
    or one directory is inside the other. UnavailableError, OSError: the disk. After any of them nothing is left behind.
    """
    _check_apart(plan.hub_dir, plan.offline_dir)
    ceremony.check_teams(plan.teams)
    with _made_empty(plan.hub_dir), _made_empty(plan.offline_dir):
        return _set_up(plan, clock)


def _set_up(plan: InitPlan, clock: Callable[[], float]) -> InitResult:
    online = SigningKey.generate()
    files = _hold_ceremony(plan, online, clock())
    config_file = plan.hub_dir / CONFIG_FILE
    config_file.write_text(_to_toml(plan.config), encoding="utf-8")
    config = load_config(config_file)
    online.save(config.online_key)
    _start_metadata(config, files, online, clock)
    tokens = {role.value: roles.new_token(role, secrets.token_bytes(roles.TOKEN_BYTES)) for role in Role}
    _start_database(config, tokens, clock)
    tokens_file = plan.offline_dir / TOKENS_FILE
    _write_secret(tokens_file, json.dumps(tokens, indent=2) + "\n")
    root_file = plan.offline_dir / PINNED_ROOT_FILE
    root_file.write_bytes(files[ROOT_FILE])
    return InitResult(config_file, root_file, tokens_file, tokens)


def _hold_ceremony(plan: InitPlan, online: SigningKey, now_s: float) -> dict[str, bytes]:
    root = tuple(SigningKey.generate() for _ in range(plan.root_keys))
    targets = SigningKey.generate()
    files = ceremony.hold(
        Ceremony(
            root=OfflineKeys(root, len(root)),
            targets=OfflineKeys((targets,), 1),
            online=online.public,
            teams=plan.teams,
            root_expires_s=now_s + plan.root_ttl_s,
            targets_expires_s=now_s + plan.targets_ttl_s,
        )
    )
    for number, key in enumerate(root, start=1):
        key.save(plan.offline_dir / f"root-{number}.key")
    targets.save(plan.offline_dir / "targets.key")
    return files


def _start_metadata(config: HubConfig, files: dict[str, bytes], online: SigningKey, clock: Callable[[], float]) -> None:
    directory = Path(config.metadata)
    directory.mkdir()
    repository = MetadataRepository(directory)
    for name, data in files.items():
        repository.write(name, data)
    lifetimes = Lifetimes(timestamp_s=config.trust.timestamp_ttl_s, snapshot_s=config.trust.snapshot_ttl_s)
    TrustRegistry(repository, online, lifetimes, clock).start(files[TARGETS_FILE])


def _start_database(config: HubConfig, tokens: dict[str, str], clock: Callable[[], float]) -> None:
    engine = database.open_engine(Path(config.database), begin="BEGIN IMMEDIATE")
    try:
        database.migrate(engine)
        with Writer(engine) as writer:
            for role, token in tokens.items():
                principal = Principal(role, Role(role), roles.hash_token(token))
                added = writer.submit(partial(principals.add, principal=principal, now_ms=int(clock() * 1000)))
                added.result()
    except SQLAlchemyError as error:
        raise database.trouble(error) from error
    finally:
        engine.dispose()


def _check_apart(hub: Path, offline: Path) -> None:
    """The root and targets keys must not come to lie on the hub, nor the hub among them."""
    one, other = hub.resolve(), offline.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise InvalidInputError(
            file=str(offline),
            expected=f"a directory apart from the hub's, {hub}",
            got="the same one, or one inside the other",
            advice="the offline keys belong on another machine or a stick",
        )


@contextmanager
def _made_empty(directory: Path) -> Iterator[None]:
    """A new or empty directory, which is as it was before if the block fails."""
    existed = directory.exists()
    _make_empty(directory)
    try:
        yield
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        if existed:
            directory.mkdir(mode=0o700)
        raise


def _make_empty(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConflictError(
            what=str(directory),
            expected="a new or empty directory",
            got="something in its place",
            advice="choose another directory; a hub's keys are never written over",
        )
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _to_toml(config: HubConfig) -> str:
    """Plain values and one level of tables are all that ``hub.toml`` has; JSON strings are valid TOML strings."""
    values = msgspec.to_builtins(config)
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"
