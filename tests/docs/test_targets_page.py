"""``docs/targets.md`` says what the code does: generated parts are current, and every runtime is told of."""

from __future__ import annotations

from pathlib import Path

from benchmarks.docs.measured import TARGET_FILES, measured_parts
from benchmarks.docs.page import TARGETS_PAGE, part_of, with_parts
from benchmarks.docs.profiles import profiles_table
from benchmarks.targets.matrix import page_part
from compiler.targets.registry import TARGETS
from hardware_profiles.loader import load_profiles

PAGE = TARGETS_PAGE.read_text(encoding="utf-8")


def test_the_profiles_are_current() -> None:
    assert part_of(PAGE, "profiles") == profiles_table(), "run `make docs`"


def test_every_profile_is_in_the_matrix() -> None:
    file, command = TARGET_FILES["matrix"]
    part = part_of(PAGE, "matrix")
    advice = f"run `{command}`, then `python -m benchmarks.docs --measured` ({file})"
    assert part.startswith(f"Made by `{command}`.\n"), advice
    rows = {line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| `")}
    assert {f"`{name}`" for name in load_profiles()} <= rows, advice


def test_every_target_is_told_of() -> None:
    for runtime in TARGETS:
        assert f"| `{runtime}`" in PAGE


def test_a_run_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "targets.md").write_text(page_part([], "a machine"), encoding="utf-8")
    parts = measured_parts(tmp_path, TARGET_FILES)
    assert part_of(with_parts(PAGE, parts), "matrix").startswith("Made by `make targets`.\n\na machine: 0 compiled")
