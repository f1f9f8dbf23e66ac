"""A race: who wins by which rule, in which order engines are timed, and what a compile with ``--race`` makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import pytest

from compiler.compile import CompileResult, compile_bundle
from compiler.measuring.interleaved import MAX_RUNS, SEGMENT_US, time_in_turn
from compiler.measuring.latency import NS_PER_US, WARM_UP_RUNS
from compiler.measuring.race import NOISE, SCREEN_RATIO, Times, fastest, ratio, still_running, winner
from compiler.request import CompileRequest
from edge_agent.activate import prove
from edge_bundle.errors import DeviceMissingError, InvalidInputError
from edge_bundle.manifest import Precision
from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import DType, Tensor, TensorSpec
from edge_runtime.openvino_device import shared_core
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import Candidate, Profile, Requirements
from tests.compiler.models import classifier_job, verified

NPU_IS_HERE = "NPU" in shared_core().available_devices


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param([(10.0,) * 3, (9.0,) * 3], 1, id="the-faster-one"),
        pytest.param([(10.0,) * 3, (9.95,) * 3], 0, id="within-noise-the-profile-s-own"),
        pytest.param([(10.0,) * 3, (8.0,) * 3, (7.95,) * 3], 1, id="within-noise-the-earlier-challenger"),
        pytest.param([(10.0, 20.0, 40.0), (9.0, 18.0, 36.0)], 1, id="a-machine-that-slows-down"),
        pytest.param([(10.0, 10.0, 10.0), (9.0, 9.0, 90.0)], 1, id="one-disturbed-round"),
        pytest.param([(10.0,)], 0, id="alone"),
        pytest.param([(), ()], 0, id="nobody-was-timed"),
    ],
)
def test_the_winner(field: list[Times], expected: int) -> None:
    assert winner(field) == expected


def test_noise_is_less_than_a_choice_may_lose() -> None:
    best, kept = (100.0,) * 5, (100.0 * (1 + NOISE),) * 5
    assert winner([kept, best]) == 0
    assert ratio(kept, best) <= 1.02
    assert fastest([kept, best]) == 1


def test_who_cannot_win_runs_no_further() -> None:
    field = [(10.0,) * 7, (10.0 * SCREEN_RATIO,) * 7, (10.0 * SCREEN_RATIO + 0.1,) * 7, (8.0,) * 7]
    assert still_running(field) == [0, 3]
    assert ratio((20.0,) * 7, (10.0,) * 48) == 2.0, "the rounds that both took part in"


class Clock:
    """Nanoseconds that pass when an engine runs."""

    def __init__(self) -> None:
        self.now = 0
        self.order: list[str] = []

    def __call__(self) -> int:
        return self.now


class SlowEngine:
    """Takes as long as it is told, and keeps who ran when."""

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    runtime_version = "1"
    placement: PlacementProof | None = None

    def __init__(self, name: str, us: float, clock: Clock) -> None:
        self._name, self._ns, self._clock = name, int(us * NS_PER_US), clock

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self._clock.now += self._ns
        if not self._clock.order or self._clock.order[-1] != self._name:
            self._clock.order.append(self._name)
        return {}

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def test_engines_are_timed_in_turn_and_nobody_always_follows_the_same() -> None:
    clock, rounds = Clock(), []
    engines = [SlowEngine(name, us, clock) for name, us in (("a", 5.0), ("b", 100.0), ("c", 9000.0))]
    sample = [{"x": Tensor(DType.UINT8, (1,), b"\0")}]
    times = time_in_turn(engines, sample, rounds=3, now_ns=clock, on_round=lambda: rounds.append(clock.now))
    assert times == [(5.0,) * 3, (100.0,) * 3, (9000.0,) * 3]
    assert "".join(clock.order[3:]) == "abcbcacab"
    assert len(rounds) == 3
    spent = clock.now / NS_PER_US
    turns = 5.0 * MAX_RUNS + SEGMENT_US + 9000.0
    assert spent == pytest.approx(3 * turns + WARM_UP_RUNS * (5.0 + 100.0 + 9000.0))


FIELD = (
    Candidate(runtime="onnxruntime", precision=Precision.INT8),
    Candidate(runtime="openvino", precision=Precision.FP32),
    Candidate(runtime="tpu9", precision=Precision.FP32),
)
"""Contenders of a profile in float32: two that run, and one that nothing is written for."""


def small_request(folder: Path, *profiles: Profile | str, **changes: Any) -> CompileRequest:
    chosen = tuple(load_profile(one) if isinstance(one, str) else one for one in profiles)
    return replace(classifier_job(folder), profiles=chosen, **changes)


def with_field(name: str) -> Profile:
    return msgspec.structs.replace(load_profile(name), race=FIELD)


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    folder = tmp_path_factory.mktemp("race")
    return compile_bundle(small_request(folder, with_field("cpu-fp32"), "wasm-simd128", race=True))


def test_the_fastest_becomes_the_variant(raced: CompileResult) -> None:
    assert [race.profile for race in raced.races] == ["cpu-fp32", "wasm-simd128"]
    won = raced.races[0].winner
    assert won.behind == 1.0
    assert all((one.behind or 2.0) >= 1.0 - NOISE for one in raced.races[0].field)
    variant = verified(raced.bundle_dir).variants["cpu-fp32"]
    assert (variant.manifest.runtime, variant.manifest.precision) == (won.runtime, won.precision)
    assert (variant.proof.measured_on.runtime, variant.proof.precision) == (won.runtime, won.precision)
    assert [one.manifest.profile for one in raced.variants] == ["cpu-fp32", "wasm-simd128"]


def test_the_whole_field_is_on_record(raced: CompileResult) -> None:
    field = raced.races[0].field
    assert [(one.runtime, one.precision.value) for one in field] == [
        ("onnxruntime", "fp32"),
        ("onnxruntime", "int8"),
        ("openvino", "fp32"),
        ("tpu9", "fp32"),
    ]
    assert all(one.p50_us is not None and not one.refusal for one in field[:3])
    assert field[3].p50_us is None
    assert field[3].refusal.startswith("InvalidInputError: profile cpu-fp32: runtime: expected one of")
    assert sum(one.won for one in field) == 1


def test_a_candidate_that_is_refused_does_not_refuse_its_profile(raced: CompileResult) -> None:
    assert raced.refused == ()


def test_a_profile_alone_wins_its_race(raced: CompileResult) -> None:
    (only,) = raced.races[1].field
    assert only.won
    assert only.p50_us is not None


def test_strict_lets_a_candidate_fail_but_no_profile(tmp_path: Path) -> None:
    profile = msgspec.structs.replace(load_profile("cpu-fp32"), race=FIELD[2:])
    request = small_request(tmp_path, profile, race=True, strict=True)
    assert compile_bundle(request).variants[0].manifest.runtime == "onnxruntime"
    lost = msgspec.structs.replace(profile, runtime="tpu8")
    with pytest.raises(InvalidInputError, match="got 'tpu8'"):
        compile_bundle(replace(request, profiles=(load_profile("wasm-simd128"), lost), force=True))


def test_without_a_calibration_set_the_race_is_between_those_that_need_none(tmp_path: Path) -> None:
    request = small_request(tmp_path, "cpu-x86_64-vnni", race=True, calibration_path=None)
    assert {one.precision for one in request.candidates} == {Precision.FP32}
    assert [one.precision for one in replace(request, race=False).candidates] == [Precision.INT8]
    profile = msgspec.structs.replace(load_profile("cpu-int8"), race=FIELD[1:2])
    result = compile_bundle(replace(request, profiles=(profile,)))
    (only,) = result.races[0].field
    assert (only.runtime, only.precision, only.won) == ("openvino", "fp32", True)


def test_a_race_on_another_kind_of_machine_is_none(tmp_path: Path) -> None:
    elsewhere = Requirements(arch=("riscv64",))
    profile = msgspec.structs.replace(with_field("cpu-fp32"), match=elsewhere)
    result = compile_bundle(small_request(tmp_path, profile, race=True))
    (race,) = result.races
    assert [(one.won, one.p50_us) for one in race.field] == [(True, None), *[(False, None)] * 3]
    assert result.variants[0].manifest.runtime == "onnxruntime"


def test_a_node_activates_what_won(raced: CompileResult) -> None:
    served = prove(verified(raced.bundle_dir).variants["cpu-fp32"])
    served.engine.close()
    assert (served.profile, served.manifest.runtime) == ("cpu-fp32", raced.races[0].winner.runtime)


@pytest.mark.skipif(NPU_IS_HERE, reason="this machine has an NPU")
def test_without_an_npu_its_profile_is_refused_by_name_and_the_others_go_on(tmp_path: Path) -> None:
    request = small_request(tmp_path, "openvino-npu", "cpu-fp32")
    result = compile_bundle(request)
    (refusal,) = result.refused
    assert (refusal.profile.name, refusal.stage) == ("openvino-npu", "lower")
    assert isinstance(refusal.error, DeviceMissingError)
    assert "expected NPU, got CPU" in str(refusal.error)
    assert "Linux wheel has none" in refusal.error.advice
    assert [one.manifest.profile for one in result.variants] == ["cpu-fp32"]
    with pytest.raises(DeviceMissingError):
        compile_bundle(replace(request, strict=True, force=True))
