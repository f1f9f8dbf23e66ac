"""A hub shared by a file's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet_hub.running import RunningHub, init, serve


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub for tests that leave it as it was."""
    with serve(init(tmp_path_factory.mktemp("shared"))) as hub:
        yield hub
