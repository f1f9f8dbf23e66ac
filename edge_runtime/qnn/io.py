"""A session's inputs and outputs against the variant's specs, for one batch size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from edge_bundle.tensor import TensorSpec
from edge_runtime.checks import ModelTensor, check_model
from edge_runtime.engine import EngineSource
from edge_runtime.onnxruntime_tensors import declared
from edge_runtime.rows import open_names


def check_tensors(source: EngineSource, session: Any, batch: int) -> None:
    """Hold what the session declares against the specs. Raises ``EngineError`` at the first difference."""
    check_model(
        source,
        _opened(source.inputs, declared(session.get_inputs()), batch),
        _opened(source.outputs, declared(session.get_outputs()), batch),
    )


def _opened(specs: Sequence[TensorSpec], tensors: Iterable[ModelTensor], batch: int) -> list[ModelTensor]:
    """A leading dimension of the batch size is open where its spec leaves it open."""
    names = open_names(specs)
    return [
        replace(one, shape=(None, *one.shape[1:]))
        if one.name in names and one.shape is not None and one.shape[:1] == (batch,)
        else one
        for one in tensors
    ]
