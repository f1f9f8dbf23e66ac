"""Which int8 kernels ONNX Runtime may use: the fast ones only where they do not saturate."""

from __future__ import annotations

import pytest

from edge_runtime.onnxruntime_engine import _session_options, exact_int8_kernels
from hardware_profiles.detect import detect


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param(("avx2", "fma"), "1", id="avx2-saturates"),
        pytest.param(("avx2", "avx512f", "avx512bw"), "1", id="avx512-without-vnni-saturates"),
        pytest.param(("avx2", "avx_vnni"), "0", id="avx-vnni-is-exact"),
        pytest.param(("avx512f", "avx512_vnni"), "0", id="avx512-vnni-is-exact"),
        pytest.param((), "1", id="unknown-cpu-takes-the-exact-kernels"),
    ],
)
def test_exact_kernels_where_the_fast_ones_saturate(flags: tuple[str, ...], expected: str) -> None:
    assert exact_int8_kernels(flags) == expected


@pytest.mark.parametrize("asked", ["auto", "exact"])
def test_a_profile_may_ask_for_exact_kernels_on_every_cpu(asked: str) -> None:
    settings = _session_options(1, {"spinning": "off", "int8-kernels": asked, "weights": "as-stored"})
    expected = "1" if asked == "exact" else exact_int8_kernels(detect().cpu_flags)
    assert settings.get_session_config_entry("session.x64quantprecision") == expected
