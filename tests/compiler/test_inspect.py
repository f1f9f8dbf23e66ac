from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper  # noqa: TID251 - models are made here

from compiler.compile import CompileResult
from compiler.inspect import BundleDescription, ModelDescription, describe
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import FormatError, InvalidInputError, SkerryError
from edge_bundle.layout import Layout
from tests.compiler.models import DIGITS, KEYS, model


def test_a_model() -> None:
    found = describe(DIGITS / "digits.onnx")
    assert isinstance(found, ModelDescription)
    assert found.digest == sha256_digest((DIGITS / "digits.onnx").read_bytes())
    assert (found.opset, found.op_counts["Conv"], found.parameters) == (21, 2, 21386)
    assert found.inputs[0].shape == (-1, 1, 8, 8)


def test_weights_in_constant_nodes_are_parameters_too(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.ones((4, 3), dtype=np.float32))
    nodes = [
        helper.make_node("Constant", [], ["w"], value=weights),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    proto = model(nodes, inputs={"x": ("N", 4)}, outputs={"y": ("N", 3)})
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    found = describe(tmp_path / "model.onnx")
    assert isinstance(found, ModelDescription)
    assert found.parameters == 12


@pytest.mark.parametrize("kind", ["directory", "tar"])
def test_a_bundle(tmp_path: Path, digits: CompileResult, kind: str) -> None:
    path = digits.bundle_dir
    if kind == "tar":
        path = tmp_path / "bundle.tar"
        with Layout.open(digits.bundle_dir) as layout:
            layout.export_tar(path)
    found = describe(path)
    assert isinstance(found, BundleDescription)
    assert (found.name, found.version, found.bundle_digest) == ("digits", "1.0.0", digits.bundle_digest)
    assert found.release_index_digest == digits.release_index_digest
    assert found.signers == dict.fromkeys(("provenance", "proof"), tuple(sorted(k.public.keyid for k in KEYS)))
    assert found.contract.accuracy.output == "probabilities"
    assert {v.manifest.profile: v.proof for v in found.variants} == {v.proof.profile: v.proof for v in digits.variants}
    assert all(variant.download_bytes > 1000 for variant in found.variants)
    assert found.provenance["model"] == digits.model_digest
    assert "onnxruntime" in found.toolchain


def test_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InvalidInputError, match=r"notes\.txt: expected an ONNX model"):
        describe(tmp_path / "notes.txt")


def test_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="expected an OCI image layout"):
        describe(tmp_path)


def test_a_damaged_bundle(tmp_path: Path, digits: CompileResult) -> None:
    for path in digits.bundle_dir.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(digits.bundle_dir)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    victim = tmp_path / "blobs/sha256" / digits.bundle_digest.removeprefix("sha256:")
    victim.write_bytes(victim.read_bytes()[:-1] + b" ")
    with pytest.raises(SkerryError, match="expected sha256:"):
        describe(tmp_path)
