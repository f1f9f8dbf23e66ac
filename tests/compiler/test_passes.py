"""What each pass ensures, on small graphs and on the real keyword spotter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper  # noqa: TID251 - models are made here

from compiler.compilation import Compilation
from compiler.compile import compile_bundle
from compiler.graph import Graph
from compiler.importer import model_file, onnx_rewrite, summary
from compiler.passes import calibrate, fold, fuse, import_model, normalise
from compiler.pipeline import PASSES, Pass, run_passes
from compiler.progress import Silent
from compiler.quantization.observed import nothing_observed
from compiler.quantization.quantize import quantize
from compiler.scheme import Scheme
from compiler.sources import load_sources
from edge_bundle.errors import CompileError, InvalidInputError
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import Activations
from tests.compiler.models import REAL_MODELS, classifier, classifier_job, contract_text, model, write_job

UINT8 = Scheme(Activations.UINT8)
INT8 = Scheme(Activations.INT8)


def _state(folder: Path, **changes: object) -> Compilation:
    request = classifier_job(folder, **changes)
    return Compilation(request=request, sources=load_sources(request))


def _through(state: Compilation, *passes: str) -> Compilation:
    return run_passes(state, Silent(), tuple(step for step in PASSES if step.name in passes))


def test_the_list_is_the_design() -> None:
    names = [step.name for step in PASSES]
    assert names == [
        "import", "normalise", "fold", "fuse", "calibrate", "quantize", "lower", "evaluate", "prove", "race",
        "package", "sign",
    ]  # fmt: skip


def test_normalise_names_every_node_and_drops_what_is_dead(tmp_path: Path) -> None:
    proto = classifier()
    proto.graph.node[1].name = proto.graph.node[3].name = "twice"
    proto.graph.initializer.append(numpy_helper.from_array(np.ones(9, dtype=np.float32), "dead"))
    proto.graph.input.append(helper.make_tensor_value_info("A", TensorProto.FLOAT, [4, 8]))
    proto.doc_string = "/home/somebody/secret"
    proto.metadata_props.add(key="path", value="/home/somebody")
    data = onnx_rewrite.normalise(proto.SerializeToString(), stage="normalise")
    after = model_file.to_proto(data, stage="normalise")
    names = [node.name for node in after.graph.node]
    assert len(set(names)) == len(names) == 4
    assert all(names)
    assert [tensor.name for tensor in after.graph.initializer] == ["A", "B"]
    assert [value.name for value in after.graph.input] == ["x"]
    assert b"somebody" not in data
    assert onnx_rewrite.normalise(data, stage="normalise") == data


def test_an_old_opset_is_raised(tmp_path: Path) -> None:
    proto = model(
        [helper.make_node("MatMul", ["x", "A"], ["y"])],
        inputs={"x": ("N", 4)}, outputs={"y": ("N", 3)}, constants={"A": np.ones((4, 3), dtype=np.float32)}, opset=9,
    )  # fmt: skip
    state = _through(_state(tmp_path, model_bytes=proto.SerializeToString()), "import", "normalise")
    assert state.current.opset == 13


def test_nodes_come_in_topological_order() -> None:
    proto = classifier()
    nodes = list(proto.graph.node)
    shuffled = [nodes[2], nodes[0], nodes[3], nodes[1]]
    del proto.graph.node[:]
    proto.graph.node.extend(shuffled)
    data = onnx_rewrite.canonicalise(proto.SerializeToString(), stage="import")
    after = model_file.to_proto(data, stage="import")
    assert [node.op_type for node in after.graph.node] == ["MatMul", "Relu", "MatMul", "Softmax"]


def test_fold_computes_constants(tmp_path: Path) -> None:
    proto = classifier()
    proto.graph.node[2].input[1] = "B2"
    two = helper.make_tensor("two", TensorProto.FLOAT, [], [1.0])
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["one"], value=two))
    proto.graph.node.insert(1, helper.make_node("Mul", ["B", "one"], ["B2"]))
    state = _through(_state(tmp_path, model_bytes=proto.SerializeToString()), "import", "normalise", "fold")
    assert state.current.op_counts == {"MatMul": 2, "Relu": 1, "Softmax": 1}


def test_fuse_merges_batch_normalization(tmp_path: Path) -> None:
    state = _keyword_spotter(tmp_path, "import", "normalise", "fold")
    assert state.current.op_counts["BatchNormalization"] == 9
    fused = _through(state, "fuse")
    assert "BatchNormalization" not in fused.current.op_counts
    assert fused.current.parameters < state.current.parameters


def _keyword_spotter(folder: Path, *passes: str) -> Compilation:
    path = REAL_MODELS / "kws_dscnn"
    if not path.is_dir():
        pytest.skip(f"no real models at {path}")
    rows = np.load(path / "wavs.npz")["mfcc"][:, None]
    request = write_job(
        folder,
        (path / "kws_fp32_bn.onnx").read_bytes(),
        contract_text(inputs={"input": (-1, 1, 49, 10)}, outputs={"output": (-1, 12)}),
        calibration={"input": rows},
        evaluation={"input": rows, "labels": np.zeros(4, dtype=np.int64)},
        profiles=("cpu-int8",),
    )
    return _through(Compilation(request=request, sources=load_sources(request)), *passes)


@pytest.fixture(name="fused")
def _fused(tmp_path: Path) -> Compilation:
    return _through(_state(tmp_path, profiles=("cpu-int8",)), "import", "normalise", "fold", "fuse", "calibrate")


def test_calibration_is_the_minimum_and_maximum(fused: Compilation) -> None:
    rows = np.load(fused.request.calibration_path)["x"]  # type: ignore[arg-type]
    observed = fused.observed
    assert observed is not None
    assert observed.range_of("x") == (rows.min(), rows.max())
    assert set(observed.tensors) >= {"x", "h", "r", "s", "y"}
    assert observed.range_of("r")[0] >= 0


def test_calibration_samples_are_drawn_by_the_seed() -> None:
    assert calibrate.choose_samples(9, seed=3) == list(range(9))
    chosen = calibrate.choose_samples(10_000, seed=3)
    assert len(chosen) == len(set(chosen)) == calibrate.MAX_SAMPLES
    assert chosen == calibrate.choose_samples(10_000, seed=3) == sorted(chosen)
    assert chosen != calibrate.choose_samples(10_000, seed=4)


@pytest.mark.parametrize(
    ("scheme", "dtype"),
    [pytest.param(UINT8, TensorProto.UINT8, id="uint8"), pytest.param(INT8, TensorProto.INT8, id="int8")],
)
def test_quantized_graphs(fused: Compilation, scheme: Scheme, dtype: int) -> None:
    assert fused.observed is not None
    graph = quantize(fused.current, fused.observed, scheme).graph
    assert graph == quantize(fused.current, fused.observed, scheme).graph
    assert graph.op_counts["Softmax"] == 1
    proto = model_file.to_proto(graph.model, stage="test")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    activations = [node for node in proto.graph.node if node.op_type == "QuantizeLinear"]
    points = {constants[node.input[2]].dtype for node in activations}
    assert points == {helper.tensor_dtype_to_np_dtype(dtype)}
    if scheme is INT8:
        assert all(constants[node.input[2]] == 0 for node in activations)
    assert (graph.inputs, graph.outputs) == (fused.current.inputs, fused.current.outputs)


def test_weights_have_a_scale_per_channel(tmp_path: Path) -> None:
    state = _keyword_spotter(tmp_path, "import", "normalise", "fold", "fuse", "calibrate", "quantize")
    proto = model_file.to_proto(state.quantized[UINT8].graph.model, stage="test")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    weights = {
        node.output[0]: constants[node.input[1]].size
        for node in proto.graph.node
        if node.op_type == "DequantizeLinear" and constants.get(node.input[0], np.zeros(0)).dtype == np.int8
    }
    convolutions = [node for node in proto.graph.node if node.op_type == "Conv"]
    assert [weights[node.input[1]] for node in convolutions] == [64] * 9


def test_nothing_to_quantize(tmp_path: Path) -> None:
    proto = model([helper.make_node("Softmax", ["x"], ["y"])], inputs={"x": ("N", 4)}, outputs={"y": ("N", 4)})
    graph = summary.summarise(onnx_rewrite.normalise(proto.SerializeToString(), stage="test"), stage="test")
    with pytest.raises(CompileError, match=r"pass quantize: expected one of the operators .* got Softmax"):
        quantize(graph, nothing_observed(graph.digest), UINT8)


def test_an_operator_that_onnx_runtime_lacks(tmp_path: Path) -> None:
    """Erf of bfloat16 is valid ONNX that no CPU kernel implements."""
    nodes = [
        helper.make_node("Cast", ["x"], ["b"], to=TensorProto.BFLOAT16),
        helper.make_node("Erf", ["b"], ["e"], name="odd"),
        helper.make_node("Cast", ["e"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "A"], ["y"]),
    ]
    constants = {"A": np.ones((4, 3), dtype=np.float32)}
    proto = model(nodes, inputs={"x": ("N", 4)}, outputs={"y": ("N", 3)}, constants=constants)
    state = _through(_state(tmp_path, model_bytes=proto.SerializeToString()), "import", "normalise")
    with pytest.raises(CompileError) as refusal:
        _through(state, "fold")
    assert refusal.value.stage == "fold"
    assert (refusal.value.node, refusal.value.operator) == ("odd", "Erf")
    assert "\n" not in str(refusal.value)


def test_a_profile_that_cannot_run_the_model(tmp_path: Path) -> None:
    state = _through(_state(tmp_path), "import", "normalise", "fold", "fuse")
    changed = msgspec.structs.replace(load_profile("cpu-fp32"), options={"turbo": "on"})
    state = replace(state, request=replace(state.request, profiles=(changed,)))
    with pytest.raises(CompileError, match="profile cpu-fp32 cannot run the model"):
        _through(state, "lower")


def test_an_operator_that_openvino_lacks(tmp_path: Path) -> None:
    """ONNX Runtime computes determinants, OpenVINO does not: the refusal names profile and operator."""
    nodes = [
        helper.make_node("Reshape", ["x", "square"], ["m"]),
        helper.make_node("Det", ["m"], ["d"], name="determinant"),
        helper.make_node("Unsqueeze", ["d", "last"], ["u"]),
        helper.make_node("MatMul", ["u", "A"], ["y"]),
    ]
    constants = {
        "square": np.array([-1, 2, 2]),
        "last": np.array([1]),
        "A": np.ones((1, 3), dtype=np.float32),
    }
    proto = model(nodes, inputs={"x": ("N", 4)}, outputs={"y": ("N", 3)}, constants=constants)
    request = classifier_job(tmp_path, model_bytes=proto.SerializeToString(), profiles=("openvino-fp32",))
    with pytest.raises(CompileError, match=r"pass lower: profile openvino-fp32 cannot run the model: .*Det"):
        compile_bundle(request)


def test_a_broken_promise_is_reported(tmp_path: Path) -> None:
    """A pass that loses an output is caught by its check, not by a node in the field."""

    def lose(state: Compilation, progress: object) -> Compilation:
        graph = state.current
        return replace(state, graph=replace(graph, outputs=()))

    bad = Pass("fuse", lose, fuse.check)
    state = _through(_state(tmp_path), "import", "normalise", "fold")
    with pytest.raises(CompileError, match="pass fuse: broken promise: same interface"):
        run_passes(state, Silent(), (bad,))


def test_a_false_summary_is_reported(tmp_path: Path) -> None:
    def lie(state: Compilation, progress: object) -> Compilation:
        return replace(state, graph=replace(state.current, parameters=1))

    state = _through(_state(tmp_path), "import", "normalise")
    with pytest.raises(CompileError, match="broken promise: true summary"):
        run_passes(state, Silent(), (Pass("fold", lie, fold.check),))


def test_passes_in_the_wrong_order(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="expected an earlier pass to give the graph"):
        run_passes(_state(tmp_path), Silent(), (Pass("normalise", normalise.run, normalise.check),))


def test_int8_needs_a_calibration_set(tmp_path: Path) -> None:
    request = replace(classifier_job(tmp_path, profiles=("cpu-int8",)), calibration_path=None)
    with pytest.raises(InvalidInputError, match=r"calibration: expected a calibration set, for profile cpu-int8"):
        load_sources(request)


def test_graph_digest_is_of_the_bytes() -> None:
    graph: Graph = summary.summarise(classifier().SerializeToString(), stage="test")
    assert graph.digest == summary.summarise(graph.model, stage="test").digest
    assert not graph.quantized
    assert import_model.NAME == "import"
