"""Options that several verbs share: whose signatures count, and which hub is asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edge_bundle.keys import SigningKey, TrustPolicy
    from skerry.client.hub import HubAddress

_C = TypeVar("_C", bound=Callable[..., Any])

DEFAULT_HUB = "http://127.0.0.1:8700"

FILE = click.Path(path_type=Path)


def owner_options(command: _C) -> _C:
    """Add ``--owner-key`` (repeatable) and ``--threshold``; see ``trust_policy``."""
    command = click.option(
        "--threshold", type=click.IntRange(min=1), show_default="all owner keys",
        help="How many of the owner keys must have signed.",
    )(command)  # fmt: skip
    return click.option(
        "--owner-key", "owner_keys", multiple=True, required=True, type=FILE,
        help="Public key (.pub) of an owner whose signature counts; repeat.",
    )(command)  # fmt: skip


def signing_option(command: _C) -> _C:
    """Add ``--key`` (repeatable); see ``signing_keys``."""
    return click.option(
        "--key", "keys", multiple=True, required=True, type=FILE, help="Private key (.key) of an owner; repeat."
    )(command)


def hub_options(command: _C) -> _C:
    """Add ``--hub``, ``--token-file`` and the token's environment variable; see ``hub_address``."""
    command = click.option(
        "--token-file", type=FILE, envvar="SKERRY_TOKEN_FILE", show_envvar=True,
        help="File that holds the token; SKERRY_TOKEN may hold the token itself.",
    )(command)  # fmt: skip
    return click.option(
        "--hub", "hub_url", default=DEFAULT_HUB, envvar="SKERRY_HUB", show_default=True, show_envvar=True,
        help="Address of the hub.",
    )(command)  # fmt: skip


def trust_policy(owner_keys: tuple[Path, ...], threshold: int | None) -> TrustPolicy:
    """The policy that the options of ``owner_options`` describe."""
    from edge_bundle.keys import PublicKey, TrustPolicy

    keys = tuple(PublicKey.load(path) for path in owner_keys)
    return TrustPolicy(keys=keys, threshold=threshold or len(keys))


def signing_keys(paths: tuple[Path, ...]) -> tuple[SigningKey, ...]:
    """The private keys of ``signing_option``."""
    from edge_bundle.keys import SigningKey

    return tuple(SigningKey.load(path) for path in paths)


def hub_address(hub_url: str, token_file: Path | None) -> HubAddress:
    """Where the hub is, and the token to show it; tokens never stand on the command line, which others can read."""
    from skerry.client.hub import HubAddress

    token = token_file.read_text().strip() if token_file else os.environ.get("SKERRY_TOKEN", "")
    return HubAddress(url=hub_url, token=token)
