"""What people read: text that looks like markup stays text, a missing extra is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from edge_bundle.errors import UnavailableError
from skerry.exit_codes import ExitCode
from skerry.failures import report
from skerry.output import emit, facts, table

HOSTILE = "pip install 'skerry[hub]' [red]x[/red] [/]"


@pytest.mark.parametrize("rendered", [
    pytest.param(table(HOSTILE, ("a",), [("x" * 60,)]), id="title"),
    pytest.param(table("", ("a",), [(HOSTILE,)]), id="cell"),
    pytest.param(facts("", {"a": HOSTILE}), id="fact"),
])  # fmt: skip
def test_square_brackets_stay(rendered: object) -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(rendered)
    assert HOSTILE in capture.get()


def test_paths_are_shown_tidy() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(facts("", {"folder": Path("a3/../small"), "bundle": "sha256:" + "0" * 64}))
    assert capture.get().split() == ["folder", "small", "bundle", "sha256:" + "0" * 64]


def test_long_values_are_folded_never_cut() -> None:
    console = Console(width=60)
    with console.capture() as capture:
        console.print(facts("", {"bundle": "sha256:" + "0" * 64}))
    assert capture.get().count("0") == 64


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(UnavailableError(what="hub", detail="\x1b[2Jgone\nfine"), verbose=False)
    assert capsys.readouterr().err == "skerry: error: hub is unavailable:  [2Jgone fine [UnavailableError]\n"


def test_names_that_others_chose_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "x\x1b[31m\x07\r\u202e[/bold][red]"
    emit({}, as_json=False, render=lambda: facts("", {name: name}))
    emit({}, as_json=False, render=lambda: table("", ["name"], [[name]]))
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable()
    assert shown.count("x [31m   [/bold][red]") == 3


@pytest.mark.parametrize(
    ("module", "code", "said"),
    [
        pytest.param("onnx.helper", ExitCode.UNAVAILABLE, "pip install 'skerry[compiler]'", id="compiler"),
        pytest.param("sqlalchemy", ExitCode.UNAVAILABLE, "pip install 'skerry[hub]'", id="hub"),
        pytest.param("compiler.gone", ExitCode.INTERNAL, "a fault of Skerry itself", id="our own"),
    ],
)
def test_missing_module(module: str, code: ExitCode, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ModuleNotFoundError(f"No module named {module!r}", name=module), verbose=False) == code
    assert said in capsys.readouterr().err
