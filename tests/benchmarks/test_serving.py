"""The serving benchmark on the digits example: real processes, short segments, plausible figures."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.child import Child
from benchmarks.processor import cpu_seconds
from benchmarks.server_load import LoadKind, ServerLoad, agent_server
from benchmarks.serving import Measured, Plan, run_serving, serving_table, skipped_rows
from benchmarks.subjects import digits


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[Measured]:
    steps: list[None] = []
    plan = Plan(models=tmp_path_factory.mktemp("none"), rounds=2, seconds=0.05)
    found = run_serving(plan, lambda: steps.append(None))
    assert len(steps) == plan.segments()
    return found


def test_misses_miss_and_hits_hit(measured: list[Measured]) -> None:
    shares = {one.name: one.hit_share for one in measured}
    assert shares.keys() == {f"digits.{kind}.c{c}" for kind in ("miss", "hit") for c in (1, 8)}
    for name, share in shares.items():
        assert share < 0.01 if ".miss." in name else share > 0.5


def test_every_load_gives_its_rows(measured: list[Measured]) -> None:
    for one in measured:
        rows = {row.name: row.value for row in one.rows()}
        name = f"serving.{one.name}"
        ratios = {f"{what}{end}" for what in ("ratio", "cpu_vs_aiohttp") for end in ("", "_low", "_high")}
        parts = {"cpu", "wall", "engine", "aiohttp", "own_vs_aiohttp", "hit_share"} | ratios
        assert rows.keys() == {f"{name}.{part}" for part in parts}
        assert (rows[f"{name}.wall"] or 0) > 0


def test_table_names_every_load(measured: list[Measured]) -> None:
    shown = io.StringIO()
    Console(width=140, file=shown).print(serving_table(measured))
    text = shown.getvalue()
    assert all(one.name in text for one in measured)


def test_missing_model_is_a_row_not_a_crash(tmp_path: Path) -> None:
    (row,) = skipped_rows(Plan(models=tmp_path))
    assert row.value is None
    assert row.ok
    assert str(tmp_path) in row.unit


def test_server_time_is_the_servers(tmp_path: Path) -> None:
    subject = digits()
    with agent_server(subject, tmp_path) as server, Child("benchmarks.load") as client:
        before = cpu_seconds(server.pid)
        load = ServerLoad(subject, server, client, LoadKind(concurrency=8, repeat=False, seconds=0.2))
        sample = load.segment()
        assert cpu_seconds(server.pid) > before
        assert load.requests > 8
        assert sample.cpu_us > 0


def test_server_that_cannot_start_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    child = Child("benchmarks.serve", "nothing", str(tmp_path))
    with child, pytest.raises(RuntimeError, match="ended with status 1"):
        child.read_line()
    assert "no model named 'nothing'" in capfd.readouterr().err
