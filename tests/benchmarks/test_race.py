"""The race benchmark: what its rows say, and one real contest."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from benchmarks.race.compete import Contest, hold_contest
from benchmarks.race.report import TARGET, contest_rows
from benchmarks.race.start import Start
from benchmarks.rows import Row
from edge_bundle.manifest import Precision
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import Candidate
from tests.compiler.models import DIGITS


def contest(chosen: int = 0, *, start: Start | None = None) -> Contest:
    return Contest(
        model="m",
        names=("a fp32", "b fp32", "c int8"),
        times=((10.0, 20.0, 10.0), (10.1, 20.2, 10.1), (30.0, 60.0, 30.0)),
        chosen=chosen,
        refused={"d int8": "ContractNotMetError: too inaccurate"},
        start=start,
    )


def rows_of(*contests: Contest) -> dict[str, Row]:
    return {row.name: row for row in contest_rows(contests)}


def test_the_chosen_one_is_held_against_the_best_of_the_others() -> None:
    assert contest().best_other == 1
    row = rows_of(contest())["race/m/chosen_over_best_single"]
    assert (row.value, row.target, row.ok) == (0.9901, TARGET, True)
    assert contest(1).best_other == 0
    assert rows_of(contest(1))["race/m/chosen_over_best_single"].ok, "1 % is within the noise that a race allows"
    lost = rows_of(contest(2))
    assert lost["race/m/chosen_over_best_single"].value == 3.0
    assert not lost["race/m/chosen_over_best_single"].ok
    assert not lost["race/worst_chosen_over_best_single"].ok


def test_every_figure_has_its_row() -> None:
    rows = rows_of(contest(start=Start((10.0, 12.0), (4.0, 6.0))))
    assert rows["race/m/chosen"].unit == "a fp32"
    assert rows["race/m/p50_us/c int8"].value == 30.0
    assert rows["race/m/refused/d int8"].unit == "ContractNotMetError: too inaccurate"
    assert rows["start/m/openvino_imported_over_compiled"].value == pytest.approx(0.45)
    assert rows["race/geometric_mean_chosen_over_best_single"].value == 0.9901


def test_one_alone_is_its_own_best() -> None:
    alone = Contest(model="m", names=("a",), times=((1.0,),), chosen=0, refused={})
    assert alone.best_other is None
    assert alone.chosen_over_best(random.Random(1)).value == 1.0


def test_a_real_contest(tmp_path: Path) -> None:
    race = (
        Candidate(runtime="openvino", precision=Precision.FP32),
        Candidate(runtime="tpu9", precision=Precision.FP32),
    )
    profile = msgspec.structs.replace(load_profile("cpu-fp32"), race=race)
    found = hold_contest(DIGITS, profile, tmp_path / "work", rounds=5)
    assert found.names == ("onnxruntime fp32", "openvino fp32")
    assert [len(times) for times in found.times] == [5, 5]
    assert set(found.refused) == {"tpu9 fp32"}
    assert found.start is not None
    assert min(found.start.compiled + found.start.imported) > 0.0
    assert not (tmp_path / "work" / "bundle").exists()
