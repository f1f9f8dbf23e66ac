"""The table of hook targets: where a built hook can run, and what writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from cdn_hooks.settings import HookSettings
from cdn_hooks.workers.render import render_workers
from edge_bundle.errors import InvalidInputError

Renderer: TypeAlias = Callable[[HookSettings], dict[str, bytes]]
"""Settings to files (name to content), deterministic."""

TARGETS: Mapping[str, Renderer] = MappingProxyType({"workers": render_workers})


def find_target(name: str) -> Renderer:
    """The writer of a target; ``InvalidInputError`` lists the known ones."""
    renderer = TARGETS.get(name)
    if renderer is None:
        raise InvalidInputError(
            file="hook build", key="--target", expected=f"one of {', '.join(sorted(TARGETS))}", got=repr(name)
        )
    return renderer
