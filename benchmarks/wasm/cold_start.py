"""Cold start: a process opens a module that this node has compiled before, and gives its first answer.

Run as ``python -m benchmarks.wasm.cold_start MODULE CACHE``; it writes milliseconds. Python's own start, imports and
reading the files are not in them: an agent has done all that when a model is activated.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.child import REPOSITORY
from edge_bundle.tensor import Tensor
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
from edge_runtime.wasm.abi import Feature
from edge_runtime.wasm.module import read_module
from hardware_profiles.detect import detect

STARTS = 9
"""Processes, of which the fastest counts: what a busy neighbour takes is not the module's, as in every other figure."""


def cold_start_ms(code: bytes) -> float:
    """The shortest of ``STARTS`` fresh processes, the cache filled before."""
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as folder:
        module, cache = Path(folder) / "model.wasm", Path(folder) / "cache"
        module.write_bytes(code)
        first_answer_s(module, cache)
        command = [sys.executable, "-m", "benchmarks.wasm.cold_start", str(module), str(cache)]
        return min(
            float(subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True).stdout)
            for _ in range(STARTS)
        )


def first_answer_s(path: Path, cache: Path) -> float:
    """Seconds from the module's bytes to its first answer, to an input of zeros."""
    code = path.read_bytes()
    info = read_module(code, features=tuple(Feature)).info
    source = EngineSource(
        runtime="wasm",
        files={path.name: code},
        entrypoint=path.name,
        inputs=tuple(place.spec for place in info.inputs),
        outputs=tuple(place.spec for place in info.outputs),
        options={"relaxed-simd": "on" if Feature.RELAXED_SIMD in info.features else "off"},
        cache_dir=cache,
    )
    given = {place.name: Tensor(place.dtype, place.shape, bytes(place.nbytes)) for place in info.inputs}
    detect()  # an agent knows its machine long before, and has loaded its runtimes
    importlib.import_module("edge_runtime.wasm.engine")
    started = time.perf_counter()
    with open_engine(source) as engine:
        engine.run(given)
        return time.perf_counter() - started


if __name__ == "__main__":
    print(first_answer_s(Path(sys.argv[1]), Path(sys.argv[2])) * 1e3)
