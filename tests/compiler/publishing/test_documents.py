"""What lies beside a bundle: the ML-BOM and the provenance, held against the schemas of those who read them."""

from __future__ import annotations

import copy
import json
import uuid
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format  # type: ignore[import-untyped]
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from compiler.compile import CompileResult, compile_bundle
from compiler.publishing.model_card import TASKS, metric_name, variant_card
from edge_bundle.contract import AccuracyTarget, Against, Metric
from edge_bundle.contract_file import load_contract
from edge_bundle.dsse import IN_TOTO_PAYLOAD_TYPE, verify_envelope
from edge_bundle.keys import TrustPolicy
from edge_bundle.proof import PROOF_PREDICATE_TYPE, PROVENANCE_PREDICATE_TYPE, Execution, Interval
from tests.compiler.conftest import PROFILES
from tests.compiler.models import DIGITS, KEYS, classifier, contract_text, write_job


def _bom_faults(text: str) -> Any:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def test_the_ml_bom_is_cyclonedx(digits: CompileResult) -> None:
    bom = json.loads(digits.ml_bom_path.read_bytes())
    assert (bom["bomFormat"], bom["specVersion"], bom["version"]) == ("CycloneDX", "1.6", 1)
    assert uuid.UUID(bom["serialNumber"].removeprefix("urn:uuid:")).variant == uuid.RFC_4122
    refs = [component["bom-ref"] for component in bom["components"]]
    assert len(set(refs)) == len(refs) == 1 + len(PROFILES) + 2
    kinds = [component["type"] for component in bom["components"]]
    assert kinds.count("machine-learning-model") == 1 + len(PROFILES)
    assert kinds.count("data") == 2
    for component in (*bom["components"], bom["metadata"]["component"]):
        assert all(h["alg"] == "SHA-256" and len(bytes.fromhex(h["content"])) == 32 for h in component["hashes"])
    known = {*refs, bom["metadata"]["component"]["bom-ref"]}
    for entry in bom["dependencies"]:
        assert {entry["ref"], *entry["dependsOn"]} <= known
    source = next(c for c in bom["components"] if c["bom-ref"] == "model:digits:1.0.0")
    assert {d["ref"] for d in source["modelCard"]["modelParameters"]["datasets"]} <= known


def test_the_ml_bom_keeps_its_schema(digits: CompileResult) -> None:
    text = digits.ml_bom_path.read_text()
    assert _bom_faults(text) is None
    wrong = json.loads(text)
    wrong["components"][1]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["value"] = 0.5
    assert _bom_faults(json.dumps(wrong)) is not None, "the validator looks into model cards"


def test_every_variant_has_a_model_card(digits: CompileResult) -> None:
    bom = json.loads(digits.ml_bom_path.read_bytes())
    by_ref = {component["bom-ref"]: component for component in bom["components"]}
    for variant in digits.variants:
        card = by_ref[f"variant:{variant.proof.profile}"]["modelCard"]
        assert card["modelParameters"]["task"] == "classification"
        metrics = card["quantitativeAnalysis"]["performanceMetrics"]
        whole = variant.proof.accuracy
        assert metrics[0] == {
            "type": "top1",
            "value": repr(whole.value),
            "confidenceInterval": {"lowerBound": repr(whole.low), "upperBound": repr(whole.high)},
        }
        parts = {metric["slice"]: metric for metric in metrics if "slice" in metric}
        assert parts.keys() == variant.proof.slices.keys() == {"ink-heavy", "ink-light"}
        assert parts["ink-heavy"]["value"] == repr(variant.proof.slices["ink-heavy"].value)
        assert "considerations" not in card


def test_a_card_says_what_was_not_measured_on_the_device(digits: CompileResult) -> None:
    proof, contract = digits.variants[0].proof, load_contract(DIGITS / "contract.toml")
    emulated = msgspec.structs.replace(
        proof,
        accuracy=msgspec.structs.replace(proof.accuracy, interval=Interval.NONE),
        measured_on=msgspec.structs.replace(proof.measured_on, execution=Execution.EMULATOR),
    )
    card = variant_card(contract, emulated)
    assert "emulator" in card["considerations"]["technicalLimitations"][0]
    assert "confidenceInterval" not in card["quantitativeAnalysis"]["performanceMetrics"][0]


def test_every_metric_has_a_task_and_a_name() -> None:
    assert TASKS.keys() == set(Metric)
    assert metric_name(AccuracyTarget(metric=Metric.TOP_K, k=5, output="y")) == "top-5"
    against = AccuracyTarget(metric=Metric.MAE, output="y", against=Against.REFERENCE)
    assert metric_name(against) == "mae against the fp32 model"


def test_a_users_metric_is_among_the_components(tmp_path: Path) -> None:
    (tmp_path / "near.py").write_text("def near(outputs, targets):\n    return 1.0\n")
    rows = np.ones((8, 4), dtype=np.float32)
    rows[::2] = -1.0
    contract = contract_text(
        inputs={"x": (-1, 4)},
        outputs={"y": (-1, 3)},
        accuracy='metric = "function"\nfunction = "near.py:near"\nagainst = "reference"',
    )
    request = write_job(
        tmp_path, classifier().SerializeToString(), contract, calibration={"x": rows}, evaluation={"x": rows}
    )
    result = compile_bundle(request)
    text = result.ml_bom_path.read_text()
    assert _bom_faults(text) is None
    bom = json.loads(text)
    (metric,) = [component for component in bom["components"] if component["bom-ref"] == "file:metric"]
    assert metric["hashes"] == [{"alg": "SHA-256", "content": sha256((tmp_path / "near.py").read_bytes()).hexdigest()}]
    assert metric["name"] == "near.py"
    _slsa(json.loads(result.provenance_path.read_bytes()))


def _slsa(statement: dict[str, Any]) -> Any:
    """Parsed as in-toto's own messages, in which an unknown field or a wrong type is an error."""
    parsed = json_format.ParseDict(statement, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    return json_format.ParseDict(statement["predicate"], provenance_pb2.Provenance())


def test_the_provenance_is_slsa_v1(digits: CompileResult) -> None:
    statement = json.loads(digits.provenance_path.read_bytes())
    assert statement["predicateType"] == PROVENANCE_PREDICATE_TYPE
    assert statement["subject"][0]["digest"]["sha256"] == digits.bundle_digest.removeprefix("sha256:")
    provenance = _slsa(statement)
    build = provenance.build_definition
    assert build.build_type == "https://skerry.dev/compile/v1"
    named = {one.name: dict(one.digest) for one in build.resolved_dependencies}
    assert named["model"] == {"sha256": digits.model_digest.removeprefix("sha256:")}
    assert named.keys() == {"calibration", "contract", "evaluation", "model", "source"}
    assert provenance.run_details.builder.id.startswith("https://")
    assert provenance.run_details.builder.version["onnxruntime"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(("subject", 0, "digest"), id="subject-without-a-digest"),
        pytest.param(("predicateType",), id="no-predicate-type"),
        pytest.param(("_type",), id="no-type"),
    ],
)
def test_a_statement_that_lacks_something_is_refused(digits: CompileResult, path: tuple[str | int, ...]) -> None:
    statement = json.loads(digits.provenance_path.read_bytes())
    _slsa(copy.deepcopy(statement))
    inner: Any = statement
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    with pytest.raises(ValueError, match=r"."):
        _slsa(statement)


def test_the_signed_envelopes_lie_beside_it(digits: CompileResult) -> None:
    lines = digits.attestations_path.read_bytes().splitlines()
    policy = TrustPolicy(tuple(key.public for key in KEYS), len(KEYS))
    verified = [verify_envelope(line, policy, subject="line") for line in lines]
    assert {one.payload_type for one in verified} == {IN_TOTO_PAYLOAD_TYPE}
    payloads = [json.loads(one.payload) for one in verified]
    assert [one["predicateType"] for one in payloads] == [PROVENANCE_PREDICATE_TYPE, PROOF_PREDICATE_TYPE]
    assert payloads[0] == json.loads(digits.provenance_path.read_bytes())
