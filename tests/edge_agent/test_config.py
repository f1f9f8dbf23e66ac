"""``agent.toml``: strict keys, resolved paths, clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.config import load_agent_config, parse_agent_config
from edge_bundle.errors import InvalidInputError, NotFoundError

MINIMAL = """
state_dir = "state"
node_name = "gate-7"
[hub]
url = "http://hub.example:8500"
token_file = "token"
[trust]
root = "root.json"
owner_keys = ["alice.pub", "/keys/bob.pub"]
threshold = 2
"""

FILE = Path("/etc/skerry/agent.toml")


def test_minimal_configuration_gets_defaults_and_resolved_paths() -> None:
    config = parse_agent_config(MINIMAL, file=FILE)
    assert config.profile == "auto"
    assert config.serve.host == "127.0.0.1"
    assert config.state == Path("/etc/skerry/state")
    assert config.hub.token_file == "/etc/skerry/token"
    assert config.trust.root == "/etc/skerry/root.json"
    assert config.trust.owner_keys == ("/etc/skerry/alice.pub", "/keys/bob.pub")


@pytest.mark.parametrize(
    ("old", "new", "key", "advice"),
    [
        pytest.param("node_name", "node_nam", "node_nam", "did you mean 'node_name'?", id="unknown-key"),
        pytest.param("token_file", "tokenfile", "hub.tokenfile", "did you mean 'token_file'?", id="unknown-inner-key"),
        pytest.param("threshold = 2", "threshold = 3", "trust.threshold", "", id="threshold-above-keys"),
        pytest.param("threshold = 2", "threshold = 0", "trust.threshold", "", id="threshold-zero"),
        pytest.param("threshold = 2", 'threshold = "2"', "trust.threshold", "", id="text-for-number"),
        pytest.param("http://hub.example:8500", "ftp://hub", "hub.url", "", id="url-scheme"),
        pytest.param("http://hub.example:8500", "http://hub/prefix", "hub.url", "", id="url-with-path"),
        pytest.param("http://hub.example:8500", "http://a:secret@hub", "hub.url", "", id="url-with-credentials"),
        pytest.param('state_dir = "state"', "", "state_dir", "", id="missing-key"),
        pytest.param('"gate-7"', '"gate 7"', "node_name", "", id="name-with-space"),
        pytest.param("[hub]", "[hub]\njitter = 1.5", "hub.jitter", "", id="jitter-above-one"),
        pytest.param("[hub]", "[hub]\npoll_interval_s = 0", "hub.poll_interval_s", "", id="no-interval"),
    ],
)
def test_mistakes_name_file_and_key(old: str, new: str, key: str, advice: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_agent_config(MINIMAL.replace(old, new), file=FILE)
    assert caught.value.file == str(FILE)
    assert caught.value.key == key
    assert advice in caught.value.advice


def test_broken_toml_names_the_file() -> None:
    with pytest.raises(InvalidInputError, match=r"agent\.toml"):
        parse_agent_config("state_dir = ", file=FILE)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_agent_config(tmp_path / "agent.toml")
