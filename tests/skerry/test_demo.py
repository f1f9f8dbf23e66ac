"""The demo's judges say no when they should, and the command ends its children whatever happens."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from compiler.compilation import Refusal
from compiler.compile import CompileResult
from compiler.recomputing.recomputed import Row
from edge_bundle.contract_file import load_contract
from edge_bundle.errors import DeviceMissingError, RollbackError, SkerryError, ToolFailedError
from edge_bundle.layout import Layout
from edge_bundle.manifest import NumericClass, Precision
from edge_bundle.proof import AgreementProof, Proof
from edge_bundle.walk import walk_source
from fleet_hub.api import RolloutNodeRow
from hardware_profiles.loader import load_profile
from skerry.demo import act1_compile, act2_sign, act4_serve, act6_attacks, act7_models
from skerry.demo.act2_sign import Signed
from skerry.demo.act4_serve import Pass, Served
from skerry.demo.act6_attacks import Attack, Attacks
from skerry.demo.act7_models import ServedModel
from skerry.demo.claims import Claim
from skerry.model_file import find_model
from skerry.options import trust_policy
from tests.skerry.samples import EXAMPLE, Compiled, Done

Skerry = Callable[..., Done]
WAIT_S = 100.0


def failed(claims: Sequence[Claim]) -> list[str]:
    return [claim.name for claim in claims if not claim.ok]


@pytest.fixture
def proof(compiled: Compiled) -> Proof:
    with Layout.open(compiled.bundle) as layout:
        policy = trust_policy((compiled.keys / "alice.pub",), None)
        return walk_source(layout.index, layout, policy).proofs["cpu-int8"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(DeviceMissingError(runtime="openvino", expected="NPU", got="CPU"), False, id="no such device"),
        pytest.param(ToolFailedError(tool="the tool", what="crashed"), True, id="a fault is no refusal"),
    ],
)
def test_a_refused_profile_has_to_lack_its_device(proof: Proof, error: SkerryError, told: bool) -> None:
    refusal = Refusal(profile=load_profile("openvino-npu"), stage="lower", error=error)
    result = CompileResult(
        name="m", version="1.0.0", bundle_digest="", release_index_digest="", model_digest="",
        reference=proof.accuracy, variants=(), refused=(refusal,), quantized=(), races=(), stages=(), signed_by=(),
        bundle_dir=Path(), ml_bom_path=Path(), provenance_path=Path(), attestations_path=Path(),
    )  # fmt: skip
    names = failed(act1_compile.judge(result, load_contract(EXAMPLE / "contract.toml")))
    assert any("openvino-npu" in name for name in names) is told


@pytest.mark.parametrize("ok", [True, False])
def test_a_figure_that_does_not_hold_fails(compiled: Compiled, ok: bool) -> None:
    with Layout.open(compiled.bundle) as layout:
        release = walk_source(layout.index, layout, trust_policy((compiled.keys / "alice.pub",), None))
    figures = tuple(
        Row(profile="cpu-int8", figure=figure, signed=1, recomputed=1, ok=holds)
        for figure, holds in (("samples", True), ("accuracy", ok), ("p50 us", None))
    )
    names = failed(act2_sign.judge(Signed(release, release.bundle_digest, figures)))
    assert ("signed figures that hold when measured again" in names) is not ok


def served(proof: Proof) -> Served:
    samples = proof.accuracy.samples
    first = Pass(samples, proof.accuracy.value, 0, (1.0,) * samples, (b"answer",) * samples)
    return Served("n", proof.profile, proof, first, replace(first, hits=samples))


def test_good_service_passes(proof: Proof) -> None:
    assert failed(act4_serve.judge([served(proof)])) == []


@pytest.mark.parametrize(
    ("spoil", "claim"),
    [
        pytest.param(lambda s: replace(s, first=replace(s.first, accuracy=0.5)), "signed proof", id="accuracy differs"),
        pytest.param(lambda s: replace(s, second=replace(s.second, hits=1)), "cache hits", id="a miss too many"),
        pytest.param(
            lambda s: replace(s, second=replace(s.second, answers=(b"other", *s.second.answers[1:]))),
            "differ in any bit",
            id="a cached answer differs",
        ),
    ],
)
def test_bad_service_fails(proof: Proof, spoil: Callable[[Served], Served], claim: str) -> None:
    (name,) = failed(act4_serve.judge([spoil(served(proof))]))
    assert claim in name
    (name,) = failed(act7_models.judge([ServedModel("m", spoil(served(webassembly(proof))))]))
    assert claim in name


def webassembly(proof: Proof) -> Proof:
    return msgspec.structs.replace(proof, numeric_class=NumericClass.PORTABLE_EXACT, precision=Precision.FP32,
                                   agreement=msgspec.structs.replace(proof.agreement, top1=1.0))  # fmt: skip


def test_good_models_pass(proof: Proof) -> None:
    assert failed(act7_models.judge([ServedModel("m", served(webassembly(proof)))])) == []


@pytest.mark.parametrize(
    ("spoil", "claim"),
    [
        pytest.param({"numeric_class": NumericClass.HOST_EXACT}, "numeric class", id="bits depend on the host"),
        pytest.param(
            {"agreement": AgreementProof(top1=0.99, cosine=0.9, sqnr_db=9.0, mean_abs_diff=0.1, max_abs_diff=0.5)},
            "ONNX Runtime",
            id="float disagrees",
        ),
    ],
)
def test_bad_models_fail(proof: Proof, spoil: dict[str, object], claim: str) -> None:
    bad = msgspec.structs.replace(webassembly(proof), **spoil)
    (name,) = failed(act7_models.judge([ServedModel("m", served(bad))]))
    assert claim in name


@pytest.mark.parametrize(
    ("state", "error", "serving"),
    [
        pytest.param("activated", "", "1.2.0", id="attack succeeded"),
        pytest.param("refused", "SignatureError", "1.2.0", id="refused for another reason"),
        pytest.param("refused", "RollbackError", "1.0.0", id="refused, but the old release serves"),
    ],
)
def test_attacks_that_did_not_end_as_they_should(state: str, error: str, serving: str) -> None:
    row = RolloutNodeRow(node_id="n", state=state, error=error, detail="", changed_at_ms=0, last_seen_ms=0)
    attacks = Attacks((Attack("rollback", RollbackError, row),), "1.2.0", serving)
    assert len(failed(act6_attacks.judge(attacks))) == 1


def test_with_version_changes_nothing_else() -> None:
    text = (EXAMPLE / "contract.toml").read_text()
    changed = act6_attacks.with_version(text, "7.8.9")
    assert changed.replace('"7.8.9"', '"1.0.0"') == text
    assert load_contract(EXAMPLE / "contract.toml").version == "1.0.0"


@pytest.mark.parametrize("line", ['version = "1.0.0"', "version='1.0.0'", 'version   =   "1.0.0"  # first'])
def test_with_version_takes_any_spelling(line: str) -> None:
    changed = act6_attacks.with_version(f'name = "x"\n{line}\nversion_note = "1.0.0"\n', "7.8.9")
    assert tomllib.loads(changed) == {"name": "x", "version": "7.8.9", "version_note": "1.0.0"}


def test_later_versions_are_newer() -> None:
    assert [act6_attacks.later("2.5.7", steps) for steps in (1, 2, 3)] == ["2.6.0", "2.7.0", "2.8.0"]


def test_example_without_a_model(skerry: Skerry, tmp_path: Path) -> None:
    done = skerry("demo", "--example", tmp_path)
    assert done.code == 3
    assert find_model(EXAMPLE).name == "digits.onnx"


def processes_of(folder: Path) -> list[str]:
    """Command lines of hub and agents that work in a folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_bytes().decode(errors="replace").split("\0")
            if any(word.startswith(f"{folder}/") for word in words):
                found.append(" ".join(words))
    return found


@pytest.mark.timeout(2 * WAIT_S + 40)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_demo_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    keep = tmp_path / "kept"
    command = [sys.executable, "-m", "skerry", "demo", "--keep", str(keep), "--example", str(EXAMPLE)]
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    run_file = keep / "node-a" / "state" / "run" / "agent.json"
    deadline = time.monotonic() + WAIT_S
    while not run_file.exists():
        assert time.monotonic() < deadline
        assert child.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.05)
    assert len(processes_of(keep)) >= 2
    child.send_signal(number)
    assert child.wait(WAIT_S) == 130
    assert processes_of(keep) == []
    assert not run_file.exists(), "the agent ended by itself, not by force"
