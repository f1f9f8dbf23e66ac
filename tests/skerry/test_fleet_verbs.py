"""hub, release, rollout, nodes, running and agent, against a real hub and a real agent in processes of their own."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import pytest

from edge_bundle.canonical import dumps
from tests.skerry.samples import Compiled, Done, is_tidy

Skerry = Callable[..., Done]
WAIT_S = 30.0
TABLES = (["release", "list"], ["rollout", "status"], ["nodes", "list"], ["running"], ["telemetry"], ["audit"])
T = TypeVar("T")


def start(log: IO[bytes], *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "skerry", *map(str, arguments)], stdout=log, stderr=log)


def stop(child: subprocess.Popen[bytes]) -> int:
    child.send_signal(signal.SIGTERM)
    return child.wait(WAIT_S)


def wait_for(probe: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + WAIT_S
    while (found := probe()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class RunningHub:
    url: str
    folder: Path
    offline: Path

    @property
    def options(self) -> list[str]:
        return ["--hub", self.url, "--token-file", str(self.offline / "operator-tokens.json")]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, compiled: Compiled) -> Iterator[RunningHub]:
    """One hub for most tests."""
    with started(tmp_path_factory.mktemp("hub"), compiled) as running:
        yield running


@contextmanager
def started(root: Path, compiled: Compiled) -> Iterator[RunningHub]:
    """A hub that the command line set up and serves."""
    folder, offline = root / "hub", root / "offline"
    arguments = ["--offline", offline, "--team", "vision", "--port", "0", *compiled.trusting]
    made = subprocess.run(
        [sys.executable, "-m", "skerry", "hub", "init", str(folder), *map(str, arguments), "--json"],
        capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(made.stdout)["root"] == str(offline / "root.json")
    log = root / "hub.log"
    with log.open("wb") as stream:
        child = start(stream, "hub", "serve", folder)
    try:
        lines = wait_for(lambda: [x for x in log.read_text().splitlines() if x.startswith("hub at ")] or None)
        yield RunningHub(lines[0].removeprefix("hub at "), folder, offline)
    finally:
        assert stop(child) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_from_publish_to_running(skerry: Skerry, hub: RunningHub, compiled: Compiled, tmp_path: Path) -> None:
    """The quickstart by hand: every verb once, in the order in which a newcomer needs them."""
    published = skerry("release", "publish", compiled.bundle, "--team", "vision", *compiled.signing, *hub.options)
    assert published.code == 0, published.err
    again = skerry("release", "publish", compiled.bundle, "--team", "vision", *compiled.signing, *hub.options)
    assert again.code in (3, 4), "a release is never changed"
    shown = skerry("release", "show", "digits", "1.0.0", *hub.options)
    assert "cpu-int8" in shown.out
    made = json.loads(skerry("verify", compiled.bundle, *compiled.trusting, "--json").out)
    assert all(text in shown.out for text in (made["made_from"]["model"], *made["signed_by"]))
    assert is_tidy(shown.out)
    assert "next  skerry rollout start digits 1.0.0" in published.out
    typo = skerry("rollout", "start", "digits", "1.0.0", "--label", "site=typo", *hub.options)
    assert "no enrolled node matches; nodes that enrol later will get it" in typo.out
    assert "next  skerry rollout status digits-1" in typo.out

    token = json.loads(skerry("nodes", "token", "--label", "site=lab", *hub.options, "--json").out)["token"]
    (tmp_path / "token").write_text(token)
    keys = ", ".join(f'"{compiled.keys / name}.pub"' for name in ("alice", "bob"))
    (tmp_path / "agent.toml").write_text(f"""\
state_dir = "state"
node_name = "n1"
profile = "cpu-int8"
hub = {{ url = "{hub.url}", token_file = "token", poll_interval_s = 0.2 }}
trust = {{ root = "{hub.offline / "root.json"}", owner_keys = [{keys}], threshold = 2 }}
serve = {{ port = {free_port()} }}
""")
    config = ["--config", tmp_path / "agent.toml"]
    assert skerry("agent", "status", *config).code == 3, "no agent runs yet"
    with (tmp_path / "agent.log").open("wb") as log:
        child = start(log, "agent", "run", *config)
    try:
        nodes = ["nodes", "list", *hub.options]
        wait_for(lambda: json.loads(skerry(*nodes, "--json").out)["nodes"] or None)
        assert "site=lab" in skerry(*nodes).out
        started = skerry("rollout", "start", "digits", "1.0.0", "--label", "site=lab", *hub.options, "--json")
        rollout_id = json.loads(started.out)["rollout_id"]

        def done() -> bool | None:
            row = json.loads(skerry("rollout", "status", rollout_id, *hub.options, "--json").out)
            return True if row["done"] and row["counts"] == {"activated": 1} else None

        wait_for(done)
        shown = skerry("rollout", "status", rollout_id, *hub.options)
        assert all(text in shown.out for text in ("nodes: 1 activated", "last seen"))
        assert rollout_id in skerry("rollout", "status", *hub.options).out
        running = json.loads(skerry("running", *hub.options, "--json").out)["running"]
        assert [(row["model"], row["version"], row["profile"]) for row in running] == [("digits", "1.0.0", "cpu-int8")]
        assert "digits 1.0.0" in skerry("running", *hub.options).out
        assert all(is_tidy(skerry(*words, *hub.options).out) for words in TABLES)
        status = skerry("agent", "status", *config)
        assert "n1" in status.out
        events = json.loads(skerry("audit", *hub.options, "--json").out)["events"]
        actions = [event["action"] for event in events]
        assert actions[-2:] == ["rollout.start", "update.activated"]
        assert skerry("audit", "--noted", events[-1]["hash"], *hub.options).code == 0
        cut_off = skerry("audit", "--noted", "sha256:" + "0" * 64, *hub.options)
        assert (cut_off.code, "[DigestMismatchError]" in cut_off.err) == (4, True)
        assert "1.0.0" in status.out
    finally:
        assert stop(child) == 0


@pytest.mark.parametrize("arguments", [pytest.param(words, id=" ".join(words)) for words in TABLES])
def test_json_is_one_canonical_line(skerry: Skerry, hub: RunningHub, arguments: list[str]) -> None:
    machine, people = skerry(*arguments, *hub.options, "--json"), skerry(*arguments, *hub.options)
    assert machine.code == people.code == 0, machine.err
    assert machine.out == dumps(json.loads(machine.out)).decode() + "\n"
    assert people.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["release", "show", "digits", "9.9.9"], 3, "9.9.9", id="no such release"),
        pytest.param(["rollout", "start", "digits", "9.9.9"], 3, "9.9.9", id="rollout of no release"),
        pytest.param(["rollout", "status", "digits-99"], 3, "digits-99", id="no such rollout"),
        pytest.param(["nodes", "token", "--label", "site"], 2, "expected KEY=VALUE", id="label without value"),
    ],
)
def test_bad_requests(skerry: Skerry, hub: RunningHub, arguments: list[str], code: int, said: str) -> None:
    done = skerry(*arguments, *hub.options)
    assert done.code == code, done.err
    assert said in done.err


def test_a_publisher_that_the_hub_does_not_trust(
    skerry: Skerry, hub: RunningHub, compiled: Compiled, tmp_path: Path
) -> None:
    mallory = ["--key", str(compiled.keys / "mallory.key")]
    done = skerry("release", "publish", compiled.bundle, "--team", "vision", *mallory, *hub.options)
    assert done.code == 4
    assert "[SignatureError]" in done.err


@pytest.mark.parametrize("token", [pytest.param("wrong", id="unknown token"), pytest.param("", id="no token")])
def test_token_is_refused(skerry: Skerry, hub: RunningHub, token: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token)
    done = skerry("nodes", "list", "--hub", hub.url, "--token-file", tmp_path / "token")
    assert done.code == 4, done.err
    assert done.err.count("was refused") == 1
    assert "--token-file FILE, or SKERRY_TOKEN_FILE" in done.err


def test_hub_is_away(skerry: Skerry) -> None:
    done = skerry("running", "--hub", f"http://127.0.0.1:{free_port()}")
    assert done.code == 5
    assert "is unavailable: Connection refused [UnavailableError]" in done.err
    assert "advice: " in done.err


def test_a_changed_audit_log_is_shown_and_called_out(skerry: Skerry, compiled: Compiled, tmp_path: Path) -> None:
    with started(tmp_path, compiled) as hub:
        database = sqlite3.connect(hub.folder / "hub.db")
        database.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
        database.commit()
        database.close()
        people, machine = skerry("audit", *hub.options), skerry("audit", *hub.options, "--json")
    assert (people.code, machine.code) == (4, 4)
    assert "chain BROKEN at event 2" in people.out
    assert "nobody" in people.out
    assert "audit event 2: expected" in people.err
    found = json.loads(machine.out)
    assert (found["verified"], found["broken_at"], len(found["events"])) == (1, 2, 3)


def test_port_in_use(skerry: Skerry, hub: RunningHub, compiled: Compiled, tmp_path: Path) -> None:
    port = hub.url.rsplit(":", 1)[1]
    arguments = ["--offline", tmp_path / "offline", "--team", "vision", "--port", port, *compiled.trusting]
    assert skerry("hub", "init", tmp_path / "hub", *arguments).code == 0
    done = skerry("hub", "serve", tmp_path / "hub")
    assert done.code == 5
    assert "the port is in use" in done.err


def test_agent_port_in_use(skerry: Skerry, hub: RunningHub, compiled: Compiled, tmp_path: Path) -> None:
    port = hub.url.rsplit(":", 1)[1]
    (tmp_path / "agent.toml").write_text(f"""\
state_dir = "state"
node_name = "n2"
hub = {{ url = "{hub.url}" }}
trust = {{ root = "{hub.offline / "root.json"}", owner_keys = ["{compiled.keys / "alice.pub"}"], threshold = 1 }}
serve = {{ port = {port} }}
""")
    with (tmp_path / "log").open("wb") as log:
        child = start(log, "agent", "run", "--config", tmp_path / "agent.toml")
    assert child.wait(WAIT_S) == 5
    assert "the port is in use" in (tmp_path / "log").read_text()


def test_hub_init_keeps_what_is_there(skerry: Skerry, hub: RunningHub, compiled: Compiled, tmp_path: Path) -> None:
    before = (hub.folder / "online.key").read_bytes()
    arguments = ["--offline", tmp_path / "offline", "--team", "vision", *compiled.trusting]
    assert skerry("hub", "init", hub.folder, *arguments).code == 3
    assert (hub.folder / "online.key").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "state_dir", id="empty"),
        pytest.param('state_dirr = "x"', "did you mean 'state_dir'?", id="mistyped key"),
        pytest.param("state_dir = ", "TOML", id="not TOML"),
    ],
)
def test_bad_agent_configuration(skerry: Skerry, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "agent.toml").write_text(text)
    done = skerry("agent", "run", "--config", tmp_path / "agent.toml")
    assert done.code == 3
    assert said in done.err
