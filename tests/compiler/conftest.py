"""The digits example compiled once for all tests that only look at the result."""

from __future__ import annotations

import pytest

from compiler.compile import CompileResult, compile_bundle
from tests.compiler.models import digits_request

PROFILES = ("cpu-fp32", "cpu-int8", "openvino-fp32", "openvino-int8", "wasm-simd128", "wasm-simd128-int8")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    """All packaged profiles."""
    return compile_bundle(digits_request(tmp_path_factory.mktemp("digits") / "bundle", *PROFILES))
