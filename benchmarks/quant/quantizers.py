"""The quantizers under comparison: float graph and calibration rows in, a model in QDQ form out.

ONNX Runtime's with its defaults, per tensor and per channel; NNCF's with its defaults, in a process of its own, as it
patches what it imports. All get the graph that our quantizer gets: constants folded, batch normalisation fused.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quant.subjects import Rows, Subject
from compiler.quantization.observe import observe
from compiler.quantization.quantize import quantize
from compiler.scheme import Scheme
from edge_runtime.quiet_import import import_quietly
from hardware_profiles.schema import Activations

Quantizer = Callable[[Subject], bytes]

NNCF_LIMIT_S = 600
"""Longest that NNCF may take for one model; MobileNetV2 takes it half a minute here."""


class QuantizerFailedError(Exception):
    """A peer gave no model; says why."""


def ours(subject: Subject) -> bytes:
    """Skerry's, for CPUs: uint8 activations, int8 weights per channel."""
    observed = observe(subject.graph, subject.calibration)
    return quantize(subject.graph, observed, Scheme(Activations.UINT8)).graph.model


def ort_per_tensor(subject: Subject) -> bytes:
    """ONNX Runtime's ``quantize_static`` with one weight scale per tensor."""
    return _ort(subject, per_channel=False)


def ort_per_channel(subject: Subject) -> bytes:
    """ONNX Runtime's ``quantize_static`` with weight scales per channel."""
    return _ort(subject, per_channel=True)


def nncf(subject: Subject) -> bytes:
    """NNCF's ``quantize`` over all calibration rows.

    Raises:
        QuantizerFailedError: the process failed or took too long; the end of what it said.

    """
    with tempfile.TemporaryDirectory(prefix="skerry-") as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(subject.graph.model)
        arrays: dict[str, Any] = {
            key: np.concatenate([row[key] for row in subject.calibration]) for key in subject.calibration[0]
        }
        np.savez(folder / "rows.npz", **arrays)
        command = [sys.executable, "-m", "benchmarks.quant.nncf_worker", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=NNCF_LIMIT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise QuantizerFailedError(f"no answer in {NNCF_LIMIT_S} s") from error
        if done.returncode:
            raise QuantizerFailedError(done.stderr.strip().rpartition("\n")[2])
        return (folder / "quantized.onnx").read_bytes()


QUANTIZERS: Mapping[str, Quantizer] = {
    "ours": ours,
    "ORT per-tensor": ort_per_tensor,
    "ORT per-channel": ort_per_channel,
    "NNCF": nncf,
}
"""In the order of the table's columns."""


def _ort(subject: Subject, *, per_channel: bool) -> bytes:
    quantization = import_quietly("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        """The rows, one after the other."""

        def __init__(self, rows: Rows) -> None:
            self._rows: Iterator[dict[str, NDArray[Any]]] = iter(rows)

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            """The next row, ``None`` behind the last."""
            return next(self._rows, None)

    with tempfile.TemporaryDirectory(prefix="skerry-") as name:
        source, target = Path(name) / "model.onnx", Path(name) / "quantized.onnx"
        source.write_bytes(subject.graph.model)
        quantization.quantize_static(
            source,
            target,
            Reader(subject.calibration),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=per_channel,
        )
        return target.read_bytes()
