"""What the compiler's tests compile: the digits example, small hand-made models, and contracts for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper  # noqa: TID251 - made here, read by the package

from compiler.request import CompileRequest
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.layout import Layout
from edge_bundle.walk import VerifiedRelease, walk_source
from hardware_profiles.loader import load_profile

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"
REAL_MODELS = ROOT.parent / "shared" / "models"
KEYS = (SigningKey.from_seed(b"a" * 32), SigningKey.from_seed(b"b" * 32))
NOON = 1_800_000_000.0

Shape = Sequence[int | str]


def digits_request(out_dir: Path, *profiles: str, **changes: Any) -> CompileRequest:
    """The digits example for the named profiles."""
    request = CompileRequest(
        model_path=DIGITS / "digits.onnx",
        contract_path=DIGITS / "contract.toml",
        calibration_path=DIGITS / "calibration.npz",
        evaluation_path=DIGITS / "evaluation.npz",
        profiles=tuple(load_profile(name) for name in profiles),
        out_dir=out_dir,
        keys=KEYS,
        git_commit="0" * 40,
        clock=lambda: NOON,
    )
    return replace(request, **changes)


def verified(bundle_dir: Path) -> VerifiedRelease:
    """The bundle as a node that trusts both keys sees it."""
    with Layout.open(bundle_dir) as layout:
        return walk_source(layout.index, layout, TrustPolicy(tuple(key.public for key in KEYS), len(KEYS)))


def model(
    nodes: Sequence[NodeProto],
    *,
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    constants: Mapping[str, NDArray[Any]] | None = None,
    opset: int = 17,
    domains: Sequence[str] = (),
    dtype: int = TensorProto.FLOAT,
) -> ModelProto:
    """A model of one graph; dimensions are sizes or symbols."""
    graph = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info(name, dtype, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, list(shape)) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def classifier(batch: int | str = "N", features: int | str = 4, classes: int = 3, opset: int = 17) -> ModelProto:
    """``y = softmax(relu(x A) B)`` with fixed weights; ``features`` may be a symbol while A keeps 4 rows."""
    rng = np.random.default_rng(3)
    rows = features if isinstance(features, int) else 4
    first = rng.normal(size=(rows, 8)).astype(np.float32)
    second = rng.normal(size=(8, classes)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "A"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "B"], ["s"]),
        helper.make_node("Softmax", ["s"], ["y"], axis=1),
    ]
    return model(
        nodes,
        inputs={"x": (batch, features)},
        outputs={"y": (batch, classes)},
        constants={"A": first, "B": second},
        opset=opset,
    )


def contract_text(
    *,
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    dtype: str = "FP32",
    low: float = -1000.0,
    high: float = 1000.0,
    extra: str = "",
    accuracy: str = "max_drop = 0.2",
) -> str:
    """A contract; the first output is scored."""
    tensors = []
    for kind, rules in (("inputs", inputs), ("outputs", outputs)):
        for name, shape in rules.items():
            tensors.append(f'[[{kind}]]\nname = "{name}"\ndtype = "{dtype}"\nshape = {list(shape)}\n')
            tensors.append(f"minimum = {low}\nmaximum = {high}\n" if kind == "inputs" else 'on_violation = "flag"\n')
    head = 'schema = 1\nname = "made"\nversion = "1.2.3"\nowner = "tests"\n'
    return f'{head}{"".join(tensors)}[accuracy]\noutput = "{next(iter(outputs))}"\n{accuracy}\n{extra}\n'


def write_job(
    folder: Path,
    model_bytes: bytes,
    contract: str,
    *,
    calibration: Mapping[str, NDArray[Any]],
    evaluation: Mapping[str, NDArray[Any]],
    profiles: Sequence[str] = ("cpu-fp32",),
) -> CompileRequest:
    """Write the four files and ask for a compile of them."""
    (folder / "model.onnx").write_bytes(model_bytes)
    (folder / "contract.toml").write_text(contract)
    np.savez(folder / "calibration.npz", **calibration)  # type: ignore[arg-type]
    np.savez(folder / "evaluation.npz", **evaluation)  # type: ignore[arg-type]
    return CompileRequest(
        model_path=folder / "model.onnx",
        contract_path=folder / "contract.toml",
        calibration_path=folder / "calibration.npz",
        evaluation_path=folder / "evaluation.npz",
        profiles=tuple(load_profile(name) for name in profiles),
        out_dir=folder / "bundle",
        keys=KEYS,
        clock=lambda: NOON,
    )


def classifier_job(folder: Path, **changes: Any) -> CompileRequest:
    """The small classifier with labels from its own formula; ``changes`` go to ``write_job``."""
    proto = classifier()
    rows = np.random.default_rng(5).normal(size=(40, 4)).astype(np.float32)
    first, second = (numpy_helper.to_array(tensor) for tensor in proto.graph.initializer)
    labels = np.argmax(np.maximum(rows @ first, 0) @ second, axis=1)
    job: dict[str, Any] = {
        "model_bytes": proto.SerializeToString(),
        "contract": contract_text(inputs={"x": (-1, 4)}, outputs={"y": (-1, 3)}),
        "calibration": {"x": rows},
        "evaluation": {"x": rows, "labels": labels},
    }
    return write_job(folder, **(job | changes))
