"""Variants for WebAssembly: their files, batch sizes, bound dimensions, and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from onnx import helper  # noqa: TID251 - models are made here

from compiler.batches import Batches, batch_sizes
from compiler.compile import compile_bundle
from compiler.importer.summary import summarise
from compiler.targets.target import TargetJob
from compiler.targets.wasm import lower
from edge_bundle.contract import Contract, Limits
from edge_bundle.contract_file import parse_contract
from edge_bundle.errors import CompileError, InvalidInputError, UnsupportedOperatorError
from edge_bundle.tensor import DType, Tensor
from edge_runtime.factory import open_engine, source_of
from edge_runtime.wasm.abi import Feature
from edge_runtime.wasm.module import read_module
from hardware_profiles.loader import load_profile
from tests.compiler.models import DIGITS, digits_request, model, verified

ROWS = 19


def digits_contract(**limits: int) -> Contract:
    """The example's contract, with other limits."""
    text = (DIGITS / "contract.toml").read_text()
    contract = parse_contract(text, file="contract.toml")
    return msgspec.structs.replace(contract, limits=Limits(**limits)) if limits else contract


@pytest.mark.parametrize(
    ("changes", "files"),
    [
        pytest.param({}, ["b1.wasm", "b8.wasm", "weights.bin"], id="eight rows are offered and pay"),
        pytest.param({"batches": (4,)}, ["b1.wasm", "b4.wasm", "weights.bin"], id="asked for"),
        pytest.param({"batches": (1,)}, ["b1.wasm", "weights.bin"], id="one alone"),
    ],
)
def test_files_and_rows(tmp_path: Path, changes: Mapping[str, Any], files: list[str]) -> None:
    compile_bundle(digits_request(tmp_path / "bundle", "wasm-simd128", "wasm-simd128-int8", **changes))
    images = np.load(DIGITS / "evaluation.npz")["image"][:ROWS].astype("<f4")
    for variant in verified(tmp_path / "bundle").variants.values():
        assert sorted(variant.files) == files
        assert variant.manifest.entrypoint == "b1.wasm"
        assert "wasmtime" in variant.manifest.toolchain
        with open_engine(source_of(variant.manifest, variant.files)) as engine:
            together = engine.run({"image": Tensor(DType.FP32, images.shape, images.tobytes())})["probabilities"]
            alone = [
                bytes(engine.run({"image": Tensor(DType.FP32, (1, *row.shape), row.tobytes())})["probabilities"].data)
                for row in images
            ]
        assert bytes(together.data) == b"".join(alone)


@pytest.mark.parametrize(
    ("limits", "batches", "found"),
    [
        pytest.param({}, (), Batches(wanted=(1,), offered=(8,)), id="eight fit the contract"),
        pytest.param({"max_batch": 4}, (), Batches(wanted=(1,)), id="eight are too many for it"),
        pytest.param({}, (16, 2), Batches(wanted=(1, 2, 16)), id="asked for"),
    ],
)
def test_batch_sizes(tmp_path: Path, limits: dict[str, int], batches: tuple[int, ...], found: Batches) -> None:
    request = digits_request(tmp_path, "wasm-simd128", batches=batches)
    assert batch_sizes(digits_contract(**limits), request) == found


def test_a_batch_beyond_the_contract(tmp_path: Path) -> None:
    request = digits_request(tmp_path / "bundle", "wasm-simd128", batches=(65,))
    with pytest.raises(InvalidInputError, match=r"limits.max_batch: expected batch sizes from 1 to 64.*, got 65"):
        compile_bundle(request)


def test_a_dimension_that_no_input_has(tmp_path: Path) -> None:
    request = digits_request(tmp_path / "bundle", "wasm-simd128", dims={"frames": 3})
    with pytest.raises(CompileError, match=r"expected a symbolic dimension of the inputs \(.*\), got 'frames'"):
        compile_bundle(request)


def test_an_operator_without_a_kernel_names_the_profile() -> None:
    node = helper.make_node("RandomUniformLike", ["x"], ["y"], name="noise")
    data = model([node], inputs={"x": ["N", 4]}, outputs={"y": ["N", 4]}).SerializeToString()
    with pytest.raises(UnsupportedOperatorError, match=r"RandomUniformLike.*profile wasm-simd128") as found:
        lower(
            TargetJob(
                graph=summarise(data, stage="test"),
                profile=load_profile("wasm-simd128"),
                contract=digits_contract(),
                batches=Batches(),
            )
        )
    assert found.value.operator == "RandomUniformLike"
    assert found.value.node == "noise"
    assert "docs/wasm.md" in found.value.advice


def test_winograd_is_the_profiles_choice(tmp_path: Path) -> None:
    """The compiler obeys; the manifest, and with it the engine, says nothing of it."""
    found = {}
    for value in ("on", "off"):
        profile = load_profile("wasm-simd128")
        profile = msgspec.structs.replace(profile, options={**profile.options, "winograd": value})
        request = replace(digits_request(tmp_path / value), profiles=(profile,))
        compile_bundle(request)
        (variant,) = verified(tmp_path / value).variants.values()
        assert variant.manifest.options == {"relaxed-simd": "off"}
        info = read_module(variant.files["b1.wasm"], features=tuple(Feature)).info
        found[value] = any(step.op == "winograd_f32" for step in info.steps)
    assert found == {"on": True, "off": False}


def test_an_option_that_winograd_does_not_have(tmp_path: Path) -> None:
    profile = msgspec.structs.replace(load_profile("wasm-simd128"), options={"winograd": "maybe"})
    with pytest.raises(InvalidInputError, match=r"options.winograd: expected one of on, off, got 'maybe'"):
        compile_bundle(replace(digits_request(tmp_path / "bundle"), profiles=(profile,)))
