"""The seal is only put on what an engine can read."""

from __future__ import annotations

import pytest

from edge_bundle.errors import FormatError, LimitExceededError
from edge_bundle.limits import MAX_JSON_BYTES
from edge_runtime.wasm.abi import MAX_STEPS, ModuleInfo, StepInfo
from edge_runtime.wasm.seal import seal
from tests.edge_runtime.wasm.modules import assemble, info, text

STEP = StepInfo(name="/model/layer.10/attention/self/query/MatMul", op="gemm_f32", flops=10**9)
"""A name as exporters give them."""


def sealed(described: ModuleInfo) -> bytes:
    return seal(assemble(text()), described)


def test_the_most_steps_fit_into_the_section() -> None:
    assert len(sealed(info(steps=(STEP,) * MAX_STEPS))) < MAX_JSON_BYTES


@pytest.mark.parametrize(
    ("described", "error", "message"),
    [
        pytest.param(info(steps=(STEP,) * (MAX_STEPS + 1)), LimitExceededError, f"{MAX_STEPS} steps", id="steps"),
        pytest.param(
            info(steps=(StepInfo(name="n" * 400, op="o" * 100),) * MAX_STEPS), LimitExceededError, "bytes", id="bytes"
        ),
        pytest.param(info(steps=(StepInfo(name="n" * 513, op="mul"),)), FormatError, "512", id="name"),
    ],
)
def test_what_no_engine_would_read_is_not_sealed(described: ModuleInfo, error: type[FormatError], message: str) -> None:
    with pytest.raises(error, match=message):
        sealed(described)
