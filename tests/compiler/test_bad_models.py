"""Models that are broken, unsupported, or not what the contract says: one clear line each, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from onnx import ModelProto, TensorProto, helper  # noqa: TID251 - broken models are made here

from compiler.compile import compile_bundle
from compiler.importer import model_file, onnx_rewrite, summary
from compiler.passes.import_model import import_graph
from compiler.wasm.compile import compile_module
from edge_bundle.contract_file import parse_contract
from edge_bundle.errors import CompileError, InvalidInputError, SkerryError
from tests.compiler.models import classifier, classifier_job, contract_text, model


def _with_opset(version: int) -> bytes:
    proto = classifier()
    proto.opset_import[0].version = version
    return bytes(proto.SerializeToString())


def _with_domains(*domains: str) -> bytes:
    proto = classifier()
    version = proto.opset_import[0].version
    del proto.opset_import[:]
    proto.opset_import.extend(helper.make_opsetid(domain, version) for domain in domains)
    return bytes(proto.SerializeToString())


def _foreign_domain() -> bytes:
    node = helper.make_node("FusedConv", ["x"], ["y"], name="odd", domain="com.microsoft")
    return bytes(_one_node(node, domains=["com.microsoft"]).SerializeToString())


def _one_node(node: object, domains: tuple[str, ...] | list[str] = ()) -> ModelProto:
    return model([node], inputs={"x": ("N", 4)}, outputs={"y": ("N", 3)}, domains=list(domains))  # type: ignore[list-item]


def _external_data() -> bytes:
    proto = classifier()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return bytes(proto.SerializeToString())


def _unknown_operator() -> bytes:
    return bytes(_one_node(helper.make_node("Frobnicate", ["x"], ["y"], name="odd")).SerializeToString())


def _wrong_shapes() -> bytes:
    proto = classifier()
    proto.graph.node[2].input[1] = "A"  # (N, 8) times (4, 8)
    return bytes(proto.SerializeToString())


def _cycle() -> bytes:
    proto = classifier()
    proto.graph.node[0].input[0] = "r"
    return bytes(proto.SerializeToString())


def _local_function() -> bytes:
    proto = classifier()
    body = [helper.make_node("Relu", ["a"], ["b"])]
    proto.functions.append(helper.make_function("own", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    return bytes(proto.SerializeToString())


def _not_a_tensor() -> bytes:
    proto = classifier()
    proto.graph.input[0].type.CopyFrom(
        helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["N", 4]))
    )
    return bytes(proto.SerializeToString())


def _no_rank() -> bytes:
    proto = classifier()
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    return bytes(proto.SerializeToString())


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(lambda: _with_opset(27), "expected opset 1 to 26, got 27", id="opset-too-new"),
        pytest.param(lambda: _with_domains("ai.onnx.ml", "vendor"), "got only 'ai.onnx.ml', 'vendor'", id="no-opset"),
        pytest.param(_with_domains, "expected one opset of ai.onnx, got none", id="no-opset-at-all"),
        pytest.param(lambda: _with_domains("", "ai.onnx"), "expected one opset of ai.onnx, got 17 and 17", id="opsets"),
        pytest.param(lambda: _with_opset(0), "expected opset 1 to 26, got 0", id="opset-zero"),
        pytest.param(
            _foreign_domain,
            "at node 'odd' (com.microsoft.FusedConv): expected operators of ai.onnx",
            id="foreign-domain",
        ),
        pytest.param(_external_data, "got tensor 'A' stored outside it", id="external-data-traversal"),
        pytest.param(_unknown_operator, "Frobnicate", id="unknown-operator"),
        pytest.param(_wrong_shapes, "MatMul", id="shapes-that-do-not-fit"),
        pytest.param(_cycle, "pass import", id="cycle"),
        pytest.param(_local_function, "expected no model-local functions, got 'Twice'", id="local-function"),
        pytest.param(_not_a_tensor, "expected 'x' to be a tensor", id="sequence-input"),
        pytest.param(_no_rank, "expected 'x' to be a tensor of a known dtype and rank", id="input-without-rank"),
    ],
)
def test_a_bad_model_is_refused_in_one_line(tmp_path: Path, make: Callable[[], bytes], text: str) -> None:
    request = classifier_job(tmp_path, model_bytes=make())
    with pytest.raises(CompileError) as refusal:
        compile_bundle(request)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 600
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "calibration.npz", "contract.toml", "evaluation.npz", "model.onnx",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        pytest.param(_with_opset(27), "with opset 26 or older", id="too-new"),
        pytest.param(_with_domains("ai.onnx.ml"), "with operators of ai.onnx", id="none"),
        pytest.param(_with_domains("", "ai.onnx"), "with one opset", id="two"),
    ],
)
def test_a_wrong_opset_comes_with_advice_wherever_it_is_found(data: bytes, advice: str) -> None:
    finders: tuple[Callable[[], object], ...] = (
        lambda: summary.summarise(data, stage="test"),
        lambda: onnx_rewrite.normalise(data, stage="test"),
        lambda: compile_module(data),
    )
    for find in finders:
        with pytest.raises(CompileError) as found:
            find()
        assert advice in found.value.advice


@pytest.mark.parametrize(
    ("data", "got"),
    [
        pytest.param(b"", "an empty file", id="empty"),
        pytest.param(b"this is a text file\n", "20 bytes that do not parse as one", id="text"),
        pytest.param(classifier().SerializeToString()[:150], "150 bytes that do not parse as one", id="truncated"),
        pytest.param(b"\x08\x08", "a file without a graph", id="no-graph"),
    ],
)
def test_a_file_that_is_not_onnx_is_named(tmp_path: Path, data: bytes, got: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(InvalidInputError) as refusal:
        model_file.read_file(path)
    assert str(refusal.value) == f"{path}: expected an ONNX model, got {got}"


def test_a_missing_model_is_told_before_anything_else(tmp_path: Path) -> None:
    request = replace(classifier_job(tmp_path), model_path=tmp_path / "none.onnx", contract_path=tmp_path / "none.toml")
    with pytest.raises(InvalidInputError, match=r"none\.onnx: expected a readable ONNX file, got No such file"):
        compile_bundle(request)


@pytest.mark.parametrize(
    ("inputs", "outputs", "dtype", "texts"),
    [
        pytest.param({"image": (-1, 4)}, {"y": (-1, 3)}, "FP32", ("inputs", "'x'", "'image'"), id="input-name"),
        pytest.param({"x": (-1, 4)}, {"z": (-1, 3)}, "FP32", ("outputs", "'y'", "'z'"), id="output-name"),
        pytest.param({"x": (-1, 4), "w": (-1, 4)}, {"y": (-1, 3)}, "FP32", ("'w', 'x'",), id="extra-input"),
        pytest.param({"x": (-1, 5)}, {"y": (-1, 3)}, "FP32", ("inputs.x", "FP32 [-1, 4]", "FP32 [-1, 5]"), id="shape"),
        pytest.param({"x": (4,)}, {"y": (1, 3)}, "FP32", ("inputs.x", "FP32 [-1, 4]", "FP32 [4]"), id="rank"),
        pytest.param({"x": (-1, 4)}, {"y": (-1, 7)}, "FP32", ("outputs.y", "[-1, 3]", "[-1, 7]"), id="classes"),
        pytest.param({"x": (-1, 4)}, {"y": (-1, 3)}, "FP64", ("inputs.x", "FP32 [-1, 4]", "FP64 [-1, 4]"), id="dtype"),
        pytest.param({"x": (2, 4)}, {"y": (5, 3)}, "FP32", ("outputs.y", "[2, 3]", "[5, 3]"), id="batch-bound"),
    ],
)
def test_a_contract_that_is_not_the_models(
    inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]], dtype: str, texts: tuple[str, ...]
) -> None:
    text = contract_text(inputs=inputs, outputs=outputs, dtype=dtype)
    with pytest.raises(InvalidInputError) as refusal:
        import_graph(classifier().SerializeToString(), parse_contract(text, file="contract.toml"), file="contract.toml")
    for part in ("contract.toml", *texts):
        assert part in str(refusal.value)
    assert refusal.value.advice


def test_open_dimensions_are_bound_by_the_contract(tmp_path: Path) -> None:
    proto = classifier(features="F")
    result = compile_bundle(classifier_job(tmp_path, model_bytes=proto.SerializeToString()))
    assert result.variants[0].manifest.inputs[0].shape == (-1, 4)


def test_an_open_output_dimension_that_nothing_binds(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["i"]),
        helper.make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT),
    ]
    proto = model(nodes, inputs={"x": ("N", 4)}, outputs={"y": (2, "K")})
    request = classifier_job(
        tmp_path,
        model_bytes=proto.SerializeToString(),
        contract=contract_text(inputs={"x": (-1, 4)}, outputs={"y": (-1, 3)}),
    )
    with pytest.raises(InvalidInputError, match=r"outputs.y: expected FP32 \[2, -1\]") as refusal:
        compile_bundle(request)
    assert "dynamic and nothing binds it" in refusal.value.advice


def test_one_symbol_with_two_sizes() -> None:
    proto = model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        inputs={"x": ("N", "K"), "w": ("K", 3)},
        outputs={"y": ("N", 3)},
    )
    with pytest.raises(CompileError, match="expected symbol 'K' to have one size, got 4 and 5"):
        onnx_rewrite.bind_dimensions(proto.SerializeToString(), {"x": (-1, 4), "w": (5, 3)}, stage="import")


def test_every_refusal_is_ours() -> None:
    """Flip bytes all over a good model: whatever happens, it is a SkerryError or a working model."""
    good = classifier().SerializeToString()
    refusals = []
    for offset in range(0, len(good), 3):
        bad = good[:offset] + bytes([good[offset] ^ 0x55]) + good[offset + 1 :]
        try:
            summary.summarise(onnx_rewrite.normalise(bad, stage="normalise"), stage="normalise")
        except SkerryError as refusal:
            refusals.append(str(refusal))
    assert len(refusals) > 20
    assert not any("\n" in text for text in refusals)
