"""From OpenVINO IR to a compiled model: compiled here, or imported from what this node compiled before.

Compiled code is kept as ``edge_runtime/compiled_code.py`` keeps it; a blob is never accepted from outside.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from edge_bundle.errors import EngineError
from edge_bundle.tensor import DYNAMIC, DType, TensorSpec
from edge_runtime.checks import ModelTensor, check_model, companion_file, entry_file
from edge_runtime.compiled_code import host_facts, open_code
from edge_runtime.engine import EngineSource
from edge_runtime.openvino_device import Device, driver_version
from edge_runtime.quiet_import import import_quietly

openvino = import_quietly("openvino")

logger = logging.getLogger(__name__)

RUNTIME = "openvino"
IR_SUFFIX, WEIGHTS_SUFFIX = ".xml", ".bin"

_FORMAT = 1

_DTYPES = {
    openvino.Type.boolean: DType.BOOL,
    openvino.Type.u8: DType.UINT8,
    openvino.Type.u16: DType.UINT16,
    openvino.Type.u32: DType.UINT32,
    openvino.Type.u64: DType.UINT64,
    openvino.Type.i8: DType.INT8,
    openvino.Type.i16: DType.INT16,
    openvino.Type.i32: DType.INT32,
    openvino.Type.i64: DType.INT64,
    openvino.Type.f16: DType.FP16,
    openvino.Type.f32: DType.FP32,
    openvino.Type.f64: DType.FP64,
}


def compiled_model(core: Any, source: EngineSource, device: Device, properties: Mapping[str, Any]) -> Any:
    """The model on its device: imported where this node kept it, else compiled and kept.

    Either way it gets the same properties, and is held against the specs and the properties.

    Raises:
        EngineError: the artifact is no IR of these specs, or OpenVINO cannot compile it.
        PlacementError: the device did not take what it was asked for.

    """
    cache = open_code(source.cache_dir, RUNTIME)
    if cache is None:
        return _compile(core, source, device, properties)
    key = entry_key(core, source, device, properties)

    def load(_path: Path, content: mmap.mmap) -> Any:
        return _import(core, source, device, properties, content[:])

    found = cache.load(key, load)
    if found is None:
        found = _compile(core, source, device, properties)
        cache.store(key, found.export_model().getvalue())
    return found


def entry_key(core: Any, source: EngineSource, device: Device, properties: Mapping[str, Any]) -> str:
    """The name, 64 hex digits, under which this node keeps the compiled model.

    It covers the artifact, its specs, OpenVINO, the device with its driver, this CPU, and every property.
    """
    digest = hashlib.sha256()
    asked = sorted((name, str(value)) for name, value in properties.items())
    place = (device.name, driver_version(core, device), host_facts())
    for fact in (RUNTIME, _FORMAT, openvino.__version__, place, asked, source.inputs, source.outputs):
        digest.update(f"{fact!r}\n".encode())
    for name, data in sorted(source.files.items()):
        digest.update(f"{name!r} {hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()


def operations(core: Any, source: EngineSource) -> int:
    """How many operations the model has that compute something."""
    passive = {"Constant", "Parameter", "Result"}
    return sum(operation.get_type_name() not in passive for operation in _read(core, source).get_ops())


def _fixed(specs: tuple[TensorSpec, ...], device: Device) -> tuple[TensorSpec, ...]:
    """The specs as code is compiled for them: one row where the device takes no open batch."""
    if device.open_batch:
        return specs
    return tuple(_one_row(spec) if spec.shape[:1] == (DYNAMIC,) else spec for spec in specs)


def _one_row(spec: TensorSpec) -> TensorSpec:
    return TensorSpec(name=spec.name, dtype=spec.dtype, shape=(1, *spec.shape[1:]))


def _compile(core: Any, source: EngineSource, device: Device, properties: Mapping[str, Any]) -> Any:
    model = _read(core, source)
    check_model(source, _declared(model.inputs), _declared(model.outputs))
    # Every size that the specs fix is fixed: left open, sizes that do not belong together are not noticed at run time.
    specs = _fixed(source.inputs, device)
    model.reshape({spec.name: openvino.PartialShape(list(spec.shape)) for spec in specs})
    compiled = core.compile_model(model, device.name, dict(properties))
    device.check(compiled, source, properties)
    return compiled


def _import(core: Any, source: EngineSource, device: Device, properties: Mapping[str, Any], blob: bytes) -> Any | None:
    """The kept model; ``None`` where OpenVINO does not take it any more, so that it is compiled again."""
    try:
        compiled = core.import_model(blob, device.name, dict(properties))
        device.check(compiled, source, properties)
    except (RuntimeError, TypeError, ValueError, EngineError) as error:
        logger.warning("a compiled model is made anew: %s", error)
        return None
    return compiled


def _read(core: Any, source: EngineSource) -> Any:
    entrypoint = PurePosixPath(source.entrypoint)
    if entrypoint.suffix != IR_SUFFIX:
        raise EngineError(
            runtime=source.runtime,
            detail=f"entrypoint: expected OpenVINO IR ({IR_SUFFIX}), got {source.entrypoint!r}",
            advice="compile the model for a profile with this runtime",
        )
    model = entry_file(source)
    weights = companion_file(source, str(entrypoint.with_suffix(WEIGHTS_SUFFIX)))
    return core.read_model(model=model, weights=weights)


def _declared(ports: list[Any]) -> list[ModelTensor]:
    """What the model says of its inputs or outputs, once for each name of a tensor that has several."""
    return [
        ModelTensor(name, _DTYPES.get(port.element_type, str(port.element_type)), _shape(port.partial_shape))
        for port in ports
        for name in sorted(port.names)
    ]


def _shape(shape: Any) -> tuple[int | None, ...] | None:
    if shape.rank.is_dynamic:
        return None
    return tuple(None if size.is_dynamic else size.get_length() for size in shape)
