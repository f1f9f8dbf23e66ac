"""Shared by the tests of the command line: a way to run it in this process, and one compiled bundle."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from skerry.cli import run
from tests.skerry.samples import EXAMPLE, Compiled, Done


@pytest.fixture
def skerry(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run one command line in this process."""

    def call(*arguments: object) -> Done:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The digits example for two profiles, compiled once by the command line itself."""
    root = tmp_path_factory.mktemp("compiled")
    made = Compiled(root / "bundle", root / "keys")
    assert run(["keys", "generate", "alice", "bob", "mallory", "--dir", str(made.keys)]) == 0
    arguments = ["compile", str(EXAMPLE / "digits.onnx"), "--out", str(made.bundle), *made.signing]
    assert run([*arguments, "--profile", "cpu-fp32", "--profile", "cpu-int8", "--json"]) == 0
    return made
