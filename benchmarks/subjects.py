"""The models that are measured: contract, ONNX file and how the request for one inference looks."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import REPOSITORY
from edge_bundle.contract import AccuracyTarget, Contract, TensorRule
from edge_bundle.contract_file import contract_digest, load_contract
from edge_bundle.digest import sha256_digest
from edge_bundle.manifest import NumericClass, Precision, VariantManifest
from edge_bundle.tensor import DYNAMIC, DType
from edge_runtime.engine import Engine
from edge_runtime.factory import open_engine, source_of

DIGITS = REPOSITORY / "examples" / "digits"
DEFAULT_MODELS = REPOSITORY.parent / "shared" / "models"

AUTOENCODER_CONTRACT = Contract(
    schema=1,
    name="autoencoder",
    version="1.0.0",
    owner="MLCommons Tiny",
    inputs=(TensorRule(name="input", dtype=DType.FP32, shape=(DYNAMIC, 640)),),
    outputs=(TensorRule(name="output", dtype=DType.FP32, shape=(DYNAMIC, 640)),),
    accuracy=AccuracyTarget(output="output"),
)


@dataclass(frozen=True)
class Subject:
    """A model with one FP32 input and one output, served as fp32 by ONNX Runtime with one thread."""

    contract: Contract
    model: Path

    @property
    def name(self) -> str:
        """Name in rows."""
        return self.contract.name

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a batch of one."""
        return tuple(1 if size == DYNAMIC else size for size in self.contract.inputs[0].shape)

    @property
    def input_bytes(self) -> int:
        """Bytes of a batch of one."""
        return math.prod(self.input_shape) * self.contract.inputs[0].dtype.itemsize

    def manifest(self) -> VariantManifest:
        """The manifest of the served variant."""
        return VariantManifest(
            name=self.contract.name,
            version=self.contract.version,
            profile="cpu-fp32",
            runtime="onnxruntime",
            precision=Precision.FP32,
            numeric_class=NumericClass.HOST_EXACT,
            threads=1,
            entrypoint=self.model.name,
            inputs=tuple(rule.spec for rule in self.contract.inputs),
            outputs=tuple(rule.spec for rule in self.contract.outputs),
            model_digest=sha256_digest(self.model.read_bytes()),
            contract_digest=contract_digest(self.contract),
            toolchain={},
        )

    def open(self) -> Engine:
        """The engine that the agent would open."""
        return open_engine(source_of(self.manifest(), {self.model.name: self.model.read_bytes()}))

    @property
    def path(self) -> str:
        """Path of an inference request."""
        return f"/v2/models/{self.name}/infer"

    def request(self) -> tuple[str, str]:
        """HTTP head and JSON of a binary inference request (Open Inference Protocol v2, binary tensor extension)."""
        rule = self.contract.inputs[0]
        given = {
            "name": rule.name,
            "shape": self.input_shape,
            "datatype": rule.dtype,
            "parameters": {"binary_data_size": self.input_bytes},
        }
        body = json.dumps({"inputs": [given], "parameters": {"binary_data_output": True}})
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: agent\r\n"
            "Content-Type: application/octet-stream\r\n"
            f"Inference-Header-Content-Length: {len(body)}\r\n"
            f"Content-Length: {len(body) + self.input_bytes}\r\n\r\n"
        )
        return head, body


def digits() -> Subject:
    """The example of this repository."""
    return Subject(load_contract(DIGITS / "contract.toml"), DIGITS / "digits.onnx")


def autoencoder(models: Path) -> Subject | None:
    """The anomaly detector of MLPerf Tiny, if it is there."""
    model = models / "ad_autoencoder" / "ad_fp32.onnx"
    return Subject(AUTOENCODER_CONTRACT, model) if model.is_file() else None


def find_subject(name: str, models: Path) -> Subject:
    """A subject by name; ``LookupError`` if it is unknown or its model is not there."""
    for subject in (digits(), autoencoder(models)):
        if subject is not None and subject.name == name:
            return subject
    raise LookupError(f"no model named {name!r} under {models}")
