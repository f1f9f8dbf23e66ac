"""NNCF in a process of its own: ``python -m benchmarks.quant.nncf_worker FOLDER``; see ``quantizers.nncf``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import onnx  # noqa: TID251 - NNCF takes the parsed model

from edge_runtime.quiet_import import import_quietly


def main(folder: Path) -> None:
    """Quantize the folder's model with all its rows; the result is ``quantized.onnx``."""
    nncf = import_quietly("nncf")
    nncf.set_log_level(logging.CRITICAL)
    with np.load(folder / "rows.npz") as arrays:
        held = {name: arrays[name] for name in arrays.files}
    count = len(next(iter(held.values())))
    rows = [{name: array[index : index + 1] for name, array in held.items()} for index in range(count)]
    model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
    quantized = nncf.quantize(model, nncf.Dataset(rows), subset_size=count)
    (folder / "quantized.onnx").write_bytes(quantized.SerializeToString())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
