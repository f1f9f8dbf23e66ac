"""The real models that the WebAssembly target is measured and tested on: graphs of batch 1, and natural inputs.

They are not part of this repository (``DEFAULT_MODELS``); the README beside each gives source, licence and layout.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.subjects import DEFAULT_MODELS
from benchmarks.wasm.inputs import Inputs, batches_of_one, natural_data
from compiler.dataset import Dataset
from compiler.graph import Graph
from compiler.importer import model_file, onnx_rewrite, summary
from compiler.ort_rewrite import rewrite
from compiler.passes import calibrate, fold, fuse, normalise
from compiler.progress import Silent
from compiler.quantization.quantize import quantize
from compiler.scheme import Scheme
from compiler.wasm.options import WasmOptions
from examples.real_models.prepare import RECIPES
from hardware_profiles.schema import Activations


class Precision(enum.StrEnum):
    """The two graphs of a model."""

    FP32 = "fp32"
    INT8 = "int8"


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: ``bind`` names inputs that are constants, ``dims`` symbolic dimensions with their sizes."""

    name: str
    dims: Mapping[str, int] = field(default_factory=dict)
    bind: Inputs = field(default_factory=dict)
    precisions: tuple[Precision, ...] = (Precision.FP32, Precision.INT8)

    def path(self, models: Path = DEFAULT_MODELS) -> Path:
        """The ONNX file; it may be absent."""
        return models / RECIPES[self.name].file

    def options(self) -> WasmOptions:
        """How the compiler makes a module of batch 1 from ``graph``."""
        return WasmOptions(batch=1, dims=self.dims, bind=self.bind)


SILERO = "silero-vad"

MODELS = (
    Model(name="kws"),
    Model(name="ic"),
    Model(name="ad"),
    Model(name="mobilenetv2"),
    Model(
        name=SILERO,
        dims={"batch": 1, "sequence": 576},
        bind={"sr": np.array(16000, dtype=np.int64)},
        precisions=(Precision.FP32,),
    ),
)
"""In the order of tables."""

SPEED = ("kws", "ic", "ad", "mobilenetv2")
"""Speed is compared over these."""


def find_model(name: str) -> Model:
    """A model by name; ``LookupError`` if there is none."""
    for model in MODELS:
        if model.name == name:
            return model
    raise LookupError(f"expected a model of {', '.join(model.name for model in MODELS)}, got {name!r}")


@functools.cache
def graph(name: str, precision: Precision, models: Path = DEFAULT_MODELS) -> bytes:
    """The ONNX bytes of one precision, batch 1, after the compiler's own passes; silero's file is used as it is."""
    if name == SILERO:
        return model_file.read_file(find_model(name).path(models))
    if precision is Precision.FP32:
        return _fused(name, models).model
    return _quantized(name, models).model


@functools.cache
def inputs(name: str, models: Path = DEFAULT_MODELS) -> tuple[Inputs, ...]:
    """Natural inputs, batches of one, without the bound ones."""
    return batches_of_one(_data(name, models)[1], without=find_model(name).bind)


@functools.cache
def _data(name: str, models: Path) -> tuple[Inputs, Inputs]:
    return natural_data(name, find_model(name).path(models).parent, graph(name, Precision.FP32, models))


@functools.cache
def _fused(name: str, models: Path) -> Graph:
    return fused(model_file.read_file(find_model(name).path(models)))


@functools.cache
def _quantized(name: str, models: Path) -> Graph:
    return quantized(_fused(name, models), _data(name, models)[0])


def fused(data: bytes) -> Graph:
    """A model of batch 1 imported, normalised, folded and fused, as a compile does."""
    shapes = {spec.name: (1, *spec.shape[1:]) for spec in summary.summarise(data, stage="import").inputs}
    bound = onnx_rewrite.canonicalise(onnx_rewrite.bind_dimensions(data, shapes, stage="import"), stage="import")
    found = summary.summarise(onnx_rewrite.normalise(bound, stage=normalise.NAME), stage=normalise.NAME)
    found = rewrite(found, stage=fold.NAME, without=fold.FUSIONS)
    return rewrite(found, stage=fuse.NAME)


def quantized(float_graph: Graph, arrays: Inputs) -> Graph:
    """QDQ form: uint8 activations with ranges from the rows of ``arrays``, int8 weights per output channel."""
    samples = len(next(iter(arrays.values())))
    dataset = Dataset(
        digest="",
        samples=samples,
        arrays=arrays,
        stacked=frozenset(),
        labels=np.zeros(0, dtype=np.int64),
        slices=(),
    )
    observed = calibrate.measure(float_graph, dataset, list(range(samples)), Silent())
    return quantize(float_graph, observed, Scheme(Activations.UINT8)).graph
