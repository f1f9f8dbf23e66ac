"""One TFLite model in an interpreter: fixed shapes, fixed threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_bundle.tensor import DType
from edge_runtime.checks import ModelTensor
from edge_runtime.litert_interpreter import interpreter
from edge_runtime.litert_quiet import once_quietly

KERNELS = {"xnnpack": interpreter.OpResolverType.AUTO, "reference": interpreter.OpResolverType.BUILTIN_REF}
"""Name -> the interpreter's operator resolver."""

_DTYPES = {np.dtype(dtype.numpy_name): dtype for dtype in DType}


class LiteRtProgram:
    """A model of one batch size. Raises ``RuntimeError`` or ``ValueError`` where the runtime cannot load it."""

    def __init__(self, model: bytes, *, threads: int, kernels: str) -> None:
        self._interpreter: Any = interpreter.Interpreter(
            model_content=model, num_threads=threads, experimental_op_resolver_type=KERNELS[kernels]
        )
        once_quietly(self._interpreter.allocate_tensors)
        self._inputs = {one["name"]: one for one in self._interpreter.get_input_details()}
        self._outputs = {one["name"]: one for one in self._interpreter.get_output_details()}

    @property
    def inputs(self) -> list[ModelTensor]:
        """What the model says of its inputs."""
        return [_declared(one) for one in self._inputs.values()]

    @property
    def outputs(self) -> list[ModelTensor]:
        """What the model says of its outputs."""
        return [_declared(one) for one in self._outputs.values()]

    def run(self, feed: Mapping[str, NDArray[Any]], names: Sequence[str]) -> list[NDArray[Any]]:
        """One inference; the arrays are copies."""
        for name, array in feed.items():
            self._interpreter.set_tensor(self._inputs[name]["index"], array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(self._outputs[name]["index"]) for name in names]


def _declared(details: Mapping[str, Any]) -> ModelTensor:
    dtype = np.dtype(details["dtype"])
    return ModelTensor(details["name"], _DTYPES.get(dtype, str(dtype)), tuple(int(size) for size in details["shape"]))
