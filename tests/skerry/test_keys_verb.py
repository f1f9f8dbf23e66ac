"""``skerry keys``: files with the right mode, never overwritten, the same keys shown again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.skerry.samples import Done

Skerry = Callable[..., Done]


def test_generate_then_show(skerry: Skerry, tmp_path: Path) -> None:
    made = skerry("keys", "generate", "alice", "bob", "--dir", tmp_path, "--json")
    assert made.code == 0, made.err
    shown = skerry("keys", "show", tmp_path / "alice.pub", tmp_path / "bob.pub", "--json")
    assert json.loads(shown.out) == json.loads(made.out)
    assert (tmp_path / "alice.key").stat().st_mode & 0o777 == 0o600


def test_no_secret_is_printed(skerry: Skerry, tmp_path: Path) -> None:
    made = skerry("keys", "generate", "alice", "--dir", tmp_path)
    secret = (tmp_path / "alice.key").read_text().split()[-1]
    assert "alice" in made.out
    assert secret not in made.out + made.err


def test_generate_never_overwrites(skerry: Skerry, tmp_path: Path) -> None:
    skerry("keys", "generate", "alice", "--dir", tmp_path)
    before = (tmp_path / "alice.key").read_bytes()
    again = skerry("keys", "generate", "alice", "--dir", tmp_path)
    assert again.code == 3
    assert "[ConflictError]" in again.err
    assert (tmp_path / "alice.key").read_bytes() == before
