"""Options that several verbs share: whose signatures count, and which hub is asked."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edge_bundle.keys import SigningKey, TrustPolicy
    from fleet_hub.operator_client import OperatorClient

_C = TypeVar("_C", bound=Callable[..., Any])

DEFAULT_HUB = "http://127.0.0.1:8780"

TOKEN_VARIABLE = "SKERRY_TOKEN"  # noqa: S105 - the name of the variable
VIEWER, OPERATOR, PUBLISHER = "viewer", "operator", "publisher"

FILE = click.Path(path_type=Path, readable=False)
"""Not looked at before it is opened: a file that cannot be read is as wrong as one that is missing."""


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
    """Add ``--hub`` and ``--token-file``; see ``open_hub``."""
    command = click.option(
        "--token-file", type=FILE, envvar="SKERRY_TOKEN_FILE", show_envvar=True,
        help="File with a token, or the operator-tokens.json of `skerry hub init`; SKERRY_TOKEN may hold a token.",
    )(command)  # fmt: skip
    return click.option(
        "--hub", "hub_url", default=DEFAULT_HUB, envvar="SKERRY_HUB", show_default=True, show_envvar=True,
        callback=_check_url,
        help="Address of the hub.",
    )(command)  # fmt: skip


def _check_url(context: click.Context, option: click.Parameter, url: str) -> str:
    if not re.match(r"https?://[^/]", url):
        raise click.BadParameter(f"expected http://HOST:PORT or https://HOST, got {url!r}", ctx=context, param=option)
    return url


def labels_option(flag: str, *, help_text: str) -> Callable[[_C], _C]:
    """Add a repeatable ``KEY=VALUE`` option that arrives as ``labels``."""
    return click.option(flag, "labels", multiple=True, metavar="KEY=VALUE", callback=_parse_labels, help=help_text)


def _parse_labels(context: click.Context, option: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"expected KEY=VALUE, got {word!r}", ctx=context, param=option)
        labels[key] = value
    return labels


def trust_policy(owner_keys: tuple[Path, ...], threshold: int | None) -> TrustPolicy:
    """The policy that the options of ``owner_options`` describe."""
    from edge_bundle.keys import PublicKey, TrustPolicy

    if threshold is not None and threshold > len(owner_keys):
        raise click.UsageError(f"--threshold {threshold} needs as many --owner-key, got {len(owner_keys)}")
    keys = tuple(PublicKey.load(path) for path in owner_keys)
    return TrustPolicy(keys=keys, threshold=threshold or len(keys))


def signing_keys(paths: tuple[Path, ...]) -> tuple[SigningKey, ...]:
    """The private keys of ``signing_option``."""
    from edge_bundle.keys import SigningKey

    return tuple(SigningKey.load(path) for path in paths)


def open_hub(hub_url: str, token_file: Path | None, role: str) -> OperatorClient:
    """A client of the hub with a token of ``role``; tokens never stand on the command line, which others can read."""
    from fleet_hub.operator_client import OperatorClient

    return OperatorClient(hub_url, _token(token_file, role))


def _token(token_file: Path | None, role: str) -> str:
    """The token in the file (or the one for ``role``, in the file that ``hub init`` wrote), or in the environment."""
    from edge_bundle.errors import InvalidInputError

    if token_file is None:
        return os.environ.get(TOKEN_VARIABLE, "")
    text = token_file.read_text().strip()
    if not text.startswith("{"):
        return text
    try:
        return str(json.loads(text)[role])
    except (json.JSONDecodeError, KeyError) as error:
        raise InvalidInputError(
            file=str(token_file), key=role, expected="a token, or one per role as JSON", got="something else"
        ) from error
