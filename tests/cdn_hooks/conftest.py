"""An agent and its hook, with caches of their own or shared by a file's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_bundle.contract import CachePolicy, Reuse
from tests.cdn_hooks.edge import Edge, open_edge


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    """Fresh caches, an hour to live."""
    yield from open_edge(tmp_path, CachePolicy(reuse=Reuse.CDN))


@pytest.fixture(scope="module")
def shared_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """For tests that leave no traces in caches."""
    yield from open_edge(tmp_path_factory.mktemp("edge"), CachePolicy(reuse=Reuse.CDN))
