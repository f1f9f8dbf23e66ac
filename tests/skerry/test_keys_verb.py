"""``skerry keys``: files with the right mode, never overwritten, the same keys shown again."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from skerry.commands.keys import keys


def test_generate_then_show(tmp_path: Path) -> None:
    made = CliRunner().invoke(keys, ["generate", "alice", "bob", "--dir", str(tmp_path), "--json"])
    assert made.exit_code == 0, made.output
    shown = CliRunner().invoke(keys, ["show", str(tmp_path / "alice.pub"), str(tmp_path / "bob.pub"), "--json"])
    assert json.loads(shown.output) == json.loads(made.output)
    assert (tmp_path / "alice.key").stat().st_mode & 0o777 == 0o600


def test_table_names_every_key(tmp_path: Path) -> None:
    made = CliRunner().invoke(keys, ["generate", "alice", "bob", "--dir", str(tmp_path)])
    assert "alice" in made.output
    assert "bob" in made.output


def test_generate_never_overwrites(tmp_path: Path) -> None:
    arguments = ["generate", "alice", "--dir", str(tmp_path)]
    CliRunner().invoke(keys, arguments)
    before = (tmp_path / "alice.key").read_bytes()
    again = CliRunner().invoke(keys, arguments)
    assert type(again.exception).__name__ == "ConflictError"
    assert (tmp_path / "alice.key").read_bytes() == before
