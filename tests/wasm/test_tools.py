"""Running a module by hand and timing its steps, on a small module written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.wasm_tools.anatomy import StepAnatomy, dissect
from compiler.wasm_tools.instance import Instance
from compiler.wasm_tools.timing import Times, by_kernel, noise, time_steps, timed
from edge_bundle.errors import EngineError
from tests.wasm.sample_module import WEIGHTS, sample_module

X = np.array([[1.0, 2.0, 3.0, 4.0]], dtype=np.float32)
ROW: dict[str, NDArray[Any]] = {
    "x": X,
    "count": np.array(41, dtype=np.int64),
    "flags": np.array([[True, False], [False, True]]),
}


def test_an_instance_runs() -> None:
    sample = sample_module()
    with Instance(sample.code, sample.info) as instance:
        found = instance.run(ROW)
    assert {name: array.tolist() for name, array in found.items()} == {
        "scaled": (X * np.array(WEIGHTS, dtype=np.float32)).tolist(),
        "next": 42,
        "same": ROW["flags"].tolist(),
    }


def test_an_instance_refuses_other_shapes_and_reports_a_status() -> None:
    sample = sample_module(status=5)
    with Instance(sample.code, sample.info) as instance:
        with pytest.raises(ValueError, match=r"'x': expected float32\[1, 4\], got float32\[4\]"):
            instance.run({**ROW, "x": X[0]})
        with pytest.raises(EngineError, match="expected status 0, got 5"):
            instance.run(ROW)


def test_bytes_that_are_no_module_are_refused() -> None:
    sample = sample_module()
    with pytest.raises(EngineError):
        Instance(sample.code[:-1], sample.info)


def test_steps_are_timed_in_order() -> None:
    sample = sample_module()
    with Instance(sample.code, sample.info) as instance:
        times = time_steps(instance, [ROW, noise(sample.info)], seconds=0.01)
    assert times.rounds >= 1
    steps = timed(dissect(sample.code, sample.info).steps, times)
    assert [one.step.name for one in steps] == ["mul", "add"]
    assert all(0 <= one.us < 1e6 for one in steps)


def test_kernels_are_taken_together_and_the_most_expensive_is_first() -> None:
    ops = [("a", "conv"), ("b", "add"), ("c", "conv"), ("d", "pool")]
    steps = tuple(
        StepAnatomy(index=index, name=name, op=op, flops=1000 if op == "conv" else 0, code_bytes=10)
        for index, (name, op) in enumerate(ops)
    )
    kernels = by_kernel(timed(steps, Times(step_us=(1.0, 5.0, 3.0, 1.0), run_us=9.0, rounds=1)))
    assert [(one.op, [step.step.name for step in one.steps], one.us, one.share, one.gops) for one in kernels] == [
        ("add", ["b"], 5.0, 0.5, 0.0),
        ("conv", ["c", "a"], 4.0, 0.4, 0.5),
        ("pool", ["d"], 1.0, 0.1, 0.0),
    ]


def test_noise_has_the_declared_dtypes() -> None:
    info = sample_module().info
    made = noise(info)
    assert {name: (array.dtype, array.shape) for name, array in made.items()} == {
        place.name: (np.dtype(place.dtype.numpy_name), place.shape) for place in info.inputs
    }
    assert 0 < np.abs(made["x"]).max() <= 1
