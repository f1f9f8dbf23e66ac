"""What every engine checks before it hands anything to its runtime. No numpy here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_bundle.errors import EngineError
from edge_bundle.tensor import DYNAMIC, DType, Tensor, TensorSpec
from edge_runtime.engine import EngineSource

MAX_ENGINE_BATCH = 4096
"""Rows in one run; the most that a contract may ask for (``Limits.max_batch``)."""


@dataclass(frozen=True)
class ModelTensor:
    """An input or output as the model file declares it; ``None`` for a size known only at run time, or any rank."""

    name: str
    dtype: DType | str
    shape: tuple[int | None, ...] | None


def entry_file(source: EngineSource) -> bytes:
    """The bytes of the entrypoint. Raises ``EngineError`` if the artifact lacks it."""
    return companion_file(source, source.entrypoint)


def companion_file(source: EngineSource, name: str) -> bytes:
    """The bytes of a file of the artifact. Raises ``EngineError`` if the artifact lacks it."""
    if name not in source.files:
        held = ", ".join(sorted(source.files)) or "no files"
        raise EngineError(runtime=source.runtime, detail=f"artifact: expected file {name!r}, got {held}")
    return source.files[name]


def choose_options(source: EngineSource, allowed: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Every allowed option with its chosen value; the first allowed value is the default. Raises ``EngineError``."""
    for name, value in source.options.items():
        if name not in allowed:
            raise _mismatch(source.runtime, "option", f"one of {', '.join(allowed)}", repr(name))
        if value not in allowed[name]:
            raise _mismatch(source.runtime, f"option {name!r}", f"one of {', '.join(allowed[name])}", repr(value))
    return {name: source.options.get(name, values[0]) for name, values in allowed.items()}


def check_model(source: EngineSource, inputs: Sequence[ModelTensor], outputs: Sequence[ModelTensor]) -> None:
    """Hold the model's own declarations against the specs. Raises ``EngineError`` at the first difference.

    The inputs must be the same; outputs that no spec asks for are left alone. A model may leave open what its spec
    fixes, not the other way round.
    """
    declared = {tensor.name for tensor in inputs}
    wanted = {spec.name for spec in source.inputs}
    if declared != wanted:
        raise _mismatch(source.runtime, "model inputs", _names(wanted), _names(declared))
    _check_specs(source.runtime, "input", source.inputs, inputs)
    _check_specs(source.runtime, "output", source.outputs, outputs)


def check_inputs(runtime: str, specs: Sequence[TensorSpec], inputs: Mapping[str, Tensor]) -> None:
    """Hold the tensors of one run against the specs. Raises ``EngineError`` at the first difference."""
    if len(inputs) != len(specs):
        raise _other_names(runtime, specs, inputs)
    for spec in specs:
        tensor = inputs.get(spec.name)
        if tensor is None:
            raise _other_names(runtime, specs, inputs)
        if tensor.dtype is not spec.dtype or not spec.accepts(tensor.shape, max_batch=MAX_ENGINE_BATCH):
            want, got = _describe(spec.dtype, spec.shape), _describe(tensor.dtype, tensor.shape)
            raise _mismatch(runtime, f"input {spec.name!r}", want, got)
        data, wanted_bytes = tensor.data, tensor.nbytes
        got_bytes = data.nbytes if type(data) is memoryview else len(data)
        if got_bytes != wanted_bytes:
            raise _mismatch(runtime, f"input {spec.name!r}", f"{wanted_bytes} bytes", f"{got_bytes}")


def _check_specs(runtime: str, kind: str, specs: Sequence[TensorSpec], tensors: Sequence[ModelTensor]) -> None:
    declared = {tensor.name: tensor for tensor in tensors}
    for spec in specs:
        if spec.name not in declared:
            raise _mismatch(runtime, f"model {kind}s", f"one named {spec.name!r}", _names(set(declared)))
        tensor = declared[spec.name]
        if tensor.dtype != spec.dtype or not _covers(tensor.shape, spec.shape):
            want, got = _describe(spec.dtype, spec.shape), _describe(tensor.dtype, tensor.shape)
            raise _mismatch(runtime, f"model {kind} {spec.name!r}", want, got)


def _covers(declared: tuple[int | None, ...] | None, wanted: tuple[int, ...]) -> bool:
    """Whether a model that declares one shape takes every tensor of the wanted shape."""
    if declared is None:
        return True
    if len(declared) != len(wanted):
        return False
    return all(have is None or have == want for have, want in zip(declared, wanted, strict=True))


def _describe(dtype: DType | str, shape: Sequence[int | None] | None) -> str:
    if shape is None:
        return f"{dtype} of any rank"
    sizes = ("any" if size is None or size == DYNAMIC else str(size) for size in shape)
    return f"{dtype} [{', '.join(sizes)}]"


def _other_names(runtime: str, specs: Sequence[TensorSpec], inputs: Mapping[str, Tensor]) -> EngineError:
    return _mismatch(runtime, "inputs", _names({spec.name for spec in specs}), _names(set(inputs)))


def _names(names: set[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names)) or "none"


def _mismatch(runtime: str, what: str, expected: str, got: str) -> EngineError:
    return EngineError(runtime=runtime, detail=f"{what}: expected {expected}, got {got}")
