"""What the toolkit's process is told, and how it is started: for building and for simulating alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_bundle.tensor import DYNAMIC, TensorSpec

MODEL_FILE = "model.onnx"
BUILT_FILE = "model.rknn"
JOB_FILE = "job.json"
LOG_FILE = "toolkit.log"
"""What the toolkit says while it builds; ``worker.py`` writes it."""

PLATFORMS = ("rk3588", "rk3566")
"""Chips, as the toolkit spells them."""

ENVIRONMENT: Mapping[str, str] = {
    "PYTHONPATH": "",
    "PYTHONNOUSERSITE": "1",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "MALLOC_PERTURB_": "255",  # fresh memory has one fill: the toolkit writes some of it into its files
}
"""Neither our packages nor the user's own get in; nothing depends on chance or on the number of cores."""


def write_job(
    folder: Path, model: bytes, platform: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> None:
    """Lay the folder out that ``worker.py`` reads; tensors are one row where the batch is open."""
    job = {"platform": platform, "inputs": list(map(_entry, inputs)), "outputs": list(map(_entry, outputs))}
    (folder / MODEL_FILE).write_bytes(model)
    (folder / JOB_FILE).write_text(json.dumps(job))


def worker_command(python: Path, folder: Path, mode: str) -> tuple[str, ...]:
    """``build`` or ``serve``."""
    return (str(python), "-P", str(Path(__file__).with_name("worker.py")), str(folder), mode)


def one_row(spec: TensorSpec) -> tuple[int, ...]:
    """The shape of one row."""
    return tuple(1 if size == DYNAMIC else size for size in spec.shape)


def _entry(spec: TensorSpec) -> dict[str, object]:
    return {"name": spec.name, "dtype": spec.dtype.numpy_name, "shape": list(one_row(spec))}
