"""The command line as a shell sees it: exit codes, one-line errors, JSON, and what is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def skerry(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skerry", *arguments], capture_output=True, text=True, cwd=cwd, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["--version"], 0, "skerry, version ", id="version"),
        pytest.param(["--help"], 0, "Exit codes:", id="help"),
        pytest.param(["-h"], 0, "Commands:", id="short help"),
        pytest.param([], 2, "Usage: skerry", id="nothing asked"),
        pytest.param(["inspekt"], 2, "Did you mean 'inspect'?", id="mistyped verb"),
        pytest.param(["keys", "genrate"], 2, "Did you mean 'generate'?", id="mistyped nested verb"),
        pytest.param(["keys", "generate", "a", "--dirr", "x"], 2, "Did you mean '--dir'?", id="mistyped option"),
        pytest.param(["keys", "show", "missing.pub"], 3, "no key file named 'missing.pub'", id="missing file"),
        pytest.param(["running", "--hub", "127.0.0.1:1"], 2, "expected http://HOST:PORT", id="address without scheme"),
        pytest.param(["demo"], 3, "give --example FOLDER", id="demo outside a clone"),
        pytest.param(["completion", "tcsh"], 2, "'tcsh' is not one of", id="unknown shell"),
    ],
)
def test_exit_code(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    done = skerry(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    if code:
        assert "Traceback" not in done.stderr


def test_sigterm_ends_it_as_an_interrupt_does() -> None:
    program = """
import os, signal, time
from skerry import __main__, cli

def work(*_, **__):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
    finally:
        print("put away")

cli.cli.main = work
__main__.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (143, "put away\n", "skerry: terminated (SIGTERM)\n")


def test_verbose_shows_the_trace(tmp_path: Path) -> None:
    for arguments in (["--verbose", "keys", "show", "x.pub"], ["keys", "show", "x.pub", "--verbose"]):
        done = skerry(*arguments, cwd=tmp_path)
        assert done.returncode == 3
        assert "Traceback" in done.stderr
        assert "skerry: error: no key file named 'x.pub' [NotFoundError]" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    done = skerry("completion", shell)
    assert done.returncode == 0
    assert f"_SKERRY_COMPLETE={shell}_complete" in done.stdout


HEAVY = ("numpy", "onnx", "onnxruntime", "openvino", "sqlalchemy", "matplotlib", "compiler", "fleet_hub")


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("from skerry.cli import run; run(['--help'])", id="help"),
        pytest.param("from skerry.cli import run; run(['agent', 'run', '--help'])", id="agent run --help"),
        pytest.param("import edge_agent.daemon", id="the daemon"),
    ],
)
def test_stays_light(program: str) -> None:
    """Neither help nor the agent may load what only the compiler, the hub or a runtime needs."""
    probe = f"import sys, json\n{program}\nprint(json.dumps(sorted(m.split('.')[0] for m in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded.isdisjoint(HEAVY), sorted(loaded.intersection(HEAVY))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        pytest.param("skerry pro", ["profile"], id="verb"),
        pytest.param("skerry keys gen", ["generate"], id="nested verb"),
        pytest.param("skerry verify --rec", ["--recompute"], id="option"),
    ],
)
def test_completion_offers(words: str, offered: list[str]) -> None:
    count = str(len(words.split()) - 1)
    asked = {"COMP_WORDS": words, "COMP_CWORD": count, "_SKERRY_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [Path(sys.executable).parent / "skerry"], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    assert [line.split(",")[1] for line in done.stdout.splitlines()] == offered
