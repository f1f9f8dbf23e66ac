"""Reference pages list exactly the keys that the code reads, with their defaults."""

from __future__ import annotations

import msgspec
import pytest

from edge_agent.config import AgentConfig
from edge_bundle.contract import Contract
from fleet_hub.config import HubConfig
from tests.docs.reference_tables import defined, documented


@pytest.mark.parametrize(
    ("page", "struct"),
    [
        pytest.param("contract.md", Contract, id="contract"),
        pytest.param("hub.md", HubConfig, id="hub"),
        pytest.param("agent.md", AgentConfig, id="agent"),
    ],
)
def test_every_key_with_its_default(page: str, struct: type[msgspec.Struct]) -> None:
    assert documented(page) == defined(struct)
