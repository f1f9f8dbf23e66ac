"""``skerry toolchain``: what is known, what is installed, and names that are not known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.toolchains.place import folder_of
from edge_runtime.toolchains.recipe import RKNN
from tests.skerry.samples import Done

Skerry = Callable[..., Done]


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def installed(skerry: Skerry) -> str:
    done = skerry("toolchain", "list", "--json")
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)["toolchains"]
    assert (row["name"], row["version"]) == ("rknn", "rknn-toolkit2 2.3.2")
    return str(row["installed"])


def test_list_install_remove(skerry: Skerry) -> None:
    assert installed(skerry) == "no"
    python = folder_of(RKNN) / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert installed(skerry) == str(folder_of(RKNN))
    again = skerry("toolchain", "install", "rknn", "--json")
    assert again.code == 0, "it is there already"
    assert json.loads(again.out)["installed"] == str(folder_of(RKNN))
    gone = skerry("toolchain", "remove", "rknn", "--json")
    assert json.loads(gone.out)["installed"] == "no"
    assert not folder_of(RKNN).exists()


def test_it_is_for_people_too(skerry: Skerry) -> None:
    done = skerry("toolchain", "list")
    assert "rknn-toolkit2 2.3.2" in done.out


@pytest.mark.parametrize("verb", ["install", "remove"])
def test_an_unknown_toolchain(verb: str, skerry: Skerry) -> None:
    done = skerry("toolchain", verb, "hailo")
    assert done.code != 0
    assert "[NotFoundError]" in done.err
    assert "known: rknn" in done.err
