"""The vendor's toolkit on one graph: ``PYTHON -P worker.py FOLDER build|serve``.

This file runs under the Python of the toolkit's own environment and imports nothing of ours. The folder holds
``job.json`` and ``model.onnx`` (QDQ form, static shapes). ``build`` writes ``model.rknn``, and what the toolkit says on
standard output to ``toolkit.log``. ``serve`` answers on standard output: one zero byte when it is ready, and for every
set of inputs (raw values, in the job's order) a zero byte and the raw outputs; what the toolkit says there goes to
standard error.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

ADDR_NO_RANDOMIZE = 0x0040000
"""``personality(2)``"""

ASK_ONLY = 0xFFFFFFFF

IMAGES = 4
"""The rank at which the toolkit wants to be told that channels come first."""

READY = b"\0"


def at_fixed_addresses() -> None:
    """Start over at addresses that are the same each time, where the kernel allows it.

    The toolkit copies structures with unset fields into its files; what is left there from earlier use are addresses
    mostly. Together with a fixed fill of fresh memory (``MALLOC_PERTURB_``) the same model gives the same bytes.
    """
    library = ctypes.CDLL(None)
    held = library.personality(ASK_ONLY)
    if held >= 0 and not held & ADDR_NO_RANDOMIZE and library.personality(held | ADDR_NO_RANDOMIZE) >= 0:
        os.execv(sys.executable, [sys.executable, "-P", *sys.argv])  # noqa: S606


def build(folder: Path, job: dict[str, Any]) -> Any:
    """The toolkit with the graph compiled for the job's chip; its quantization is the graph's own."""
    kit = importlib.import_module("rknn.api").RKNN(verbose=True)
    kit.config(target_platform=job["platform"])
    inputs = job["inputs"]
    names, shapes = [one["name"] for one in inputs], [one["shape"] for one in inputs]
    _done("load_onnx", kit.load_onnx(model=str(folder / "model.onnx"), inputs=names, input_size_list=shapes))
    _done("build", kit.build(do_quantization=False))
    return kit


def serve(kit: Any, job: dict[str, Any], source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the source ends."""
    np = importlib.import_module("numpy")
    _done("init_runtime", kit.init_runtime())
    sink.write(READY)
    sink.flush()
    ranks = [len(one["shape"]) for one in job["inputs"]]
    formats = ["nchw" if rank == IMAGES else "nhwc" for rank in ranks] if IMAGES in ranks else None
    while True:
        values = []
        for one in job["inputs"]:
            dtype = np.dtype(one["dtype"])
            wanted = dtype.itemsize * int(np.prod(one["shape"]))
            data = source.read(wanted)
            if len(data) < wanted:
                return
            values.append(np.frombuffer(data, dtype).reshape(one["shape"]))
        answers = kit.inference(inputs=values, data_format=formats)
        sink.write(READY)
        for one, answer in zip(job["outputs"], answers, strict=True):
            sink.write(np.ascontiguousarray(answer, np.dtype(one["dtype"])).reshape(one["shape"]).tobytes())
        sink.flush()


def _done(step: str, status: int) -> None:
    if status != 0:
        raise SystemExit(f"{step} ended with {status}")


def main(folder: Path, mode: str) -> None:
    """Do what ``mode`` says."""
    job = json.loads((folder / "job.json").read_text())
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    said = sys.stderr if mode == "serve" else (folder / "toolkit.log").open("w")
    os.dup2(said.fileno(), sys.stdout.fileno())
    kit = build(folder, job)
    if mode == "serve":
        serve(kit, job, sys.stdin.buffer, answers)
    else:
        _done("export_rknn", kit.export_rknn(str(folder / "model.rknn")))


if __name__ == "__main__":
    at_fixed_addresses()
    main(Path(sys.argv[1]), sys.argv[2])
