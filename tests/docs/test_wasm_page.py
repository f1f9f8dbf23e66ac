"""``docs/wasm.md`` says what the code does: generated parts are current, and its example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.docs.measured import FILES
from benchmarks.docs.page import PAGE, part_of
from benchmarks.docs.static import static_parts
from benchmarks.node import node_binary
from compiler.wasm.options import WasmOptions
from edge_runtime.wasm.abi import MemoryMap, ModuleInfo, StepInfo, TensorPlace, Weights

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 100.0


@pytest.mark.parametrize("name", static_parts())
def test_generated_part_is_current(name: str) -> None:
    assert part_of(PAGE.read_text(encoding="utf-8"), name) == static_parts()[name], "run `make docs`"


@pytest.mark.parametrize("name", FILES)
def test_every_measurement_is_there(name: str) -> None:
    file, command = FILES[name]
    part = part_of(PAGE.read_text(encoding="utf-8"), name)
    assert part.startswith(f"Made by `{command}`.\n"), f"run it, then `python -m benchmarks.docs --measured` ({file})"
    assert "\n|---" in part


def test_an_operator_is_covered_or_refused() -> None:
    page = PAGE.read_text(encoding="utf-8")
    covered = {_cells(row)[0] for row in _rows(part_of(page, "operators"))}
    refused = {name for row in _rows(part_of(page, "refused")) for name in _cells(row)[0].split(", ")}
    assert covered.isdisjoint(refused)
    assert {"Conv", "Attention", "Shape", "If"} <= covered
    assert {"NonZero", "SequenceMap", "Bernoulli"} <= refused


def test_every_key_of_the_description() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("### Description\n")[2].partition("\n### ")[0]
    documented = set(re.findall(r"`([a-z]+)(?:\[\])?`", section))
    for struct in (ModuleInfo, TensorPlace, Weights, MemoryMap, StepInfo):
        assert set(struct.__struct_fields__) <= documented, struct.__name__


def test_options_that_the_page_names() -> None:
    assert WasmOptions(winograd=False) != WasmOptions()


def test_five_minutes(tmp_path: Path) -> None:
    try:
        node = node_binary()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    page = PAGE.read_text(encoding="utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "build").mkdir()
    for command in _code(page, "commands").splitlines():
        _run([sys.executable, "-m", *command.split()], tmp_path)
    (tmp_path / "build" / "classify.mjs").write_text(_code(page, "javascript"))
    assert _run([node, "build/classify.mjs"], tmp_path) == "0 10\n"


def test_readme_has_the_same_example() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = _code(PAGE.read_text(encoding="utf-8"), "javascript")
    assert f"```js\n{example}```\n" in readme


def _rows(part: str) -> list[str]:
    """The rows of a table."""
    return part.splitlines()[2:]


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def _code(page: str, name: str) -> str:
    """The code block of a part."""
    return part_of(page, name).partition("\n")[2].rpartition("```")[0]


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
