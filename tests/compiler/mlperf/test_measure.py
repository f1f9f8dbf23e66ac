"""Real variants of the digits example under a clock of their own: the figures are the fake engine's, the rest is real."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from compiler.compile import CompileResult
from compiler.mlperf.measure import Options, load_samples, measure
from compiler.mlperf.scenario import Scenario
from compiler.mlperf.subject import Subject, claimed_subjects, verified_subjects
from compiler.progress import Silent
from edge_bundle.errors import InvalidInputError, NotFoundError, SignatureError
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.proof import Execution
from tests.compiler.models import DIGITS, KEYS, NOON

STRANGER = SigningKey.from_seed(b"x" * 32)


@pytest.fixture
def subject(digits: CompileResult) -> Subject:
    return claimed_subjects(digits.bundle_dir, "wasm-simd128")[0]


def _options(scenario: Scenario, **changes: object) -> Options:
    return replace(Options(scenario=scenario, duration_s=0.0, clock=lambda: NOON), **changes)  # type: ignore[arg-type]


def test_what_a_bundle_claims_is_what_is_verified(digits: CompileResult) -> None:
    policy = TrustPolicy(tuple(key.public for key in KEYS), len(KEYS))
    verified = verified_subjects(digits.bundle_dir, policy, None)
    claimed = claimed_subjects(digits.bundle_dir, None)
    assert [replace(one, verified=False) for one in verified] == list(claimed)
    assert [one.manifest.profile for one in claimed] == sorted(one.proof.profile for one in digits.variants)


def test_strangers_and_unknown_profiles(digits: CompileResult) -> None:
    with pytest.raises(SignatureError):
        verified_subjects(digits.bundle_dir, TrustPolicy((STRANGER.public,), 1), None)
    with pytest.raises(NotFoundError, match="nope"):
        claimed_subjects(digits.bundle_dir, "nope")


def test_samples_are_golden_inputs_unless_a_set_is_given(subject: Subject) -> None:
    golden = load_samples(subject, None)
    assert (golden.source, len(golden.rows)) == ("golden vectors", len(subject.goldens))
    own = load_samples(subject, DIGITS / "evaluation.npz")
    assert len(own.rows) == 500
    assert own.source.startswith("evaluation set sha256:")
    assert own.batchable


def test_a_result_names_everything(subject: Subject) -> None:
    found = measure(subject, _options(Scenario.SINGLE_STREAM), Silent())
    assert found.valid
    assert found.queries == 64
    assert found.settings.samples_per_query == 1
    assert not found.settings.submission_length
    assert found.measured_at == "2027-01-15T08:00:00Z"
    assert found.machine.runtime == "wasm"
    assert found.variant_digest == subject.variant_digest
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found


def test_server_takes_its_bound_from_the_contract(subject: Subject) -> None:
    found = measure(subject, _options(Scenario.SERVER, target_qps=500.0), Silent())
    assert found.server
    assert subject.contract.latency
    assert found.server.bound_us == subject.contract.latency.p99_ms * 1000
    unbound = replace(subject, contract=msgspec.structs.replace(subject.contract, latency=None))
    with pytest.raises(InvalidInputError, match=r"latency\.p99_ms") as refused:
        measure(unbound, _options(Scenario.SERVER), Silent())
    assert "--target-latency-ms" in refused.value.advice


def test_an_emulators_speed_does_not_count(subject: Subject) -> None:
    assert subject.proof
    on = msgspec.structs.replace(subject.proof.measured_on, execution=Execution.EMULATOR)
    emulated = replace(subject, proof=msgspec.structs.replace(subject.proof, measured_on=on, latency=None))
    found = measure(emulated, _options(Scenario.OFFLINE), Silent())
    assert not found.valid
    assert found.reasons == ("run by the emulator of wasm, not by the device: its times say nothing",)
