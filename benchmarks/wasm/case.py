"""What an engine in Node reads: a folder with the model in its own form, and the inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.wasm.inputs import Inputs
from benchmarks.wasm.tfjs_plan import make_plan, places, to_nhwc

DTYPES = {"f4": "FP32", "i8": "INT64"}

NHWC = "nhwc"
"""Name under which TensorFlow.js finds its input, laid out as it wants it."""


def write_inputs(folder: Path, rows: Sequence[Inputs]) -> None:
    """``inputs.bin``, and ``case.json`` that says what lies where in it."""
    described: list[dict[str, dict[str, Any]]] = []
    at = 0
    with (folder / "inputs.bin").open("wb") as blob:
        for row in rows:
            entry = {}
            for name, array in row.items():
                blob.write(array.tobytes())
                entry[name] = _place(array, at)
                at += array.nbytes
            described.append(entry)
    (folder / "case.json").write_text(json.dumps({"inputs": described}))


def _place(array: NDArray[Any], offset: int) -> dict[str, Any]:
    dtype = DTYPES[array.dtype.str[1:]]
    return {"dtype": dtype, "shape": list(array.shape), "offset": offset, "bytes": array.nbytes}


def write_tfjs(folder: Path, model: bytes, rows: Sequence[Inputs]) -> None:
    """The plan and weights for ``peers/tfjs.js``, and the inputs in NHWC."""
    plan = make_plan(model)
    described = dict(places(plan.weights))
    (folder / "plan.json").write_text(
        json.dumps({
            "steps": plan.steps, "weights": described, "input": plan.input, "output": plan.output, "shape": plan.shape,
        })
    )  # fmt: skip
    (folder / "weights.bin").write_bytes(b"".join(array.tobytes() for array in plan.weights.values()))
    write_inputs(folder, [{NHWC: to_nhwc(np.asarray(row[plan.input]))} for row in rows])
