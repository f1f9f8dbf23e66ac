"""Wild graphs of numbered seeds: against ONNX Runtime, row by row against batches, and against V8 with odd bits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ort_rewrite import onnxruntime, open_session, session_options
from compiler.wasm.compile import compile_module
from compiler.wasm_tools.instance import run_module
from edge_bundle.errors import CompileError
from edge_runtime.arrays import to_tensor
from tests.property.wild_graphs import float_graph
from tests.property.wild_integers import integer_graph
from tests.wasm.js.engines import in_node, in_wasmtime, nodes

Arrays = dict[str, NDArray[Any]]

RELATIVE = 1e-4
"""Of the largest output."""

SHAKE, AMPLIFIED = 3e-6, 20.0
"""Inputs are moved by this much; what outputs move by, times the second, is no error of ours: such graphs amplify."""

STEP = 1
"""Between integer kernels and float ones a stored value may differ by one step."""

SEEDS = 3_000 if os.environ.get("SKERRY_HEAVY") else 150

BITS = np.array(
    [0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFD54321, 0x7F800000, 0xFF800000, 0x80000000, 1, 0x7F7FFFFF], "<u4"
)
"""NaNs of either sign, quiet and signalling, infinities, negative zero, a subnormal, the largest number."""


def reference(data: bytes, feeds: Arrays, *, fused: bool) -> Arrays | None:
    """ONNX Runtime's answers, ``None`` where it refuses."""
    options = session_options()
    if not fused:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = open_session(data, options, stage="test")
        names = [one.name for one in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))
    except (CompileError, onnxruntime.capi.onnxruntime_pybind11_state.Fail, RuntimeError):
        return None


def apart(got: NDArray[Any], want: NDArray[Any]) -> float:
    """The largest difference beyond what the tolerance takes; infinite where only one is finite."""
    if not np.array_equal(np.isfinite(got), np.isfinite(want)):
        return np.inf
    finite = np.isfinite(want)
    return float(np.abs(got - want)[finite].max(initial=0) - RELATIVE * np.abs(want[finite]).max(initial=1e-3))


def moves(data: bytes, feeds: Arrays, want: Arrays, name: str) -> float:
    """How far an output moves when the inputs do, by so little."""
    found = 0.0
    for sign in (1, -1):
        shaken = {key: (array * np.float32(1 + sign * SHAKE)) for key, array in feeds.items()}
        answer = reference(data, shaken, fused=False)
        found = max(found, float(np.abs(answer[name] - want[name]).max()) if answer else 0.0)
    return AMPLIFIED * found


def test_float_graphs() -> None:
    for seed in range(SEEDS):
        model, feeds = float_graph(seed)
        data = model.SerializeToString()
        want = reference(data, feeds, fused=False)
        if want is None:
            continue
        for name, got in run_module(compile_module(data), feeds).items():
            assert got.shape == want[name].shape, (seed, name)
            excess = apart(got, want[name])
            assert excess <= 0 or excess <= moves(data, feeds, want, name), (seed, name)


def test_integer_graphs() -> None:
    """In order, so that the first value that is further apart than one step has inputs that are not."""
    for seed in range(SEEDS):
        model, feeds = integer_graph(seed)
        data = model.SerializeToString()
        want = reference(data, feeds, fused=True)
        if want is None:
            continue
        got = run_module(compile_module(data), feeds)
        for name, array in want.items():
            steps = np.abs(got[name].astype(np.int64) - array)
            assert steps.max() <= STEP, (seed, name)
            if steps.any():
                break


def test_bits_that_engines_may_choose_reach_no_output(tmp_path: Path) -> None:
    node = nodes()[0]
    for seed in range(SEEDS // 10):
        model, feeds = float_graph(seed)
        rng = np.random.default_rng(seed)
        for array in feeds.values():
            odd = rng.random(array.shape) < 0.25
            array.view("<u4")[odd] = rng.choice(BITS, int(odd.sum()))
        module = compile_module(model.SerializeToString())
        rows = [{name: to_tensor(array) for name, array in feeds.items()}]
        code = module.standalone()
        assert in_wasmtime(code, module.info, rows) == in_node(node, tmp_path, code, module.info, rows), seed
