"""The cache key against its written definition and its golden vectors (shared with the agent and the CDN worker)."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import Any, cast

import pytest

from edge_bundle.cache_key import cache_key, cache_scope
from edge_bundle.errors import FormatError
from edge_bundle.manifest import NumericClass
from edge_bundle.tensor import DType, Tensor
from tests.golden_files import DATA, assert_golden

Inputs = list[tuple[str, Tensor]]

MODEL = "sha256:" + "1" * 64
CONTRACT = "sha256:" + "2" * 64
VARIANT = "sha256:" + "3" * 64
OTHER_VARIANT = "sha256:" + "5" * 64
HOOK = "sha256:" + "4" * 64
PORTABLE = cache_scope(NumericClass.PORTABLE_EXACT, VARIANT)


def tensor(dtype: DType, shape: tuple[int, ...], *values: float) -> Tensor:
    return Tensor(dtype, shape, struct.pack(f"<{len(values)}{dtype.struct_code}", *values))


IMAGE = tensor(DType.FP32, (1, 1, 2, 2), 0.0, 1.0, 16.0, -0.5)

VECTORS: dict[str, dict[str, Any]] = {
    "fp32_image": {"inputs": [("image", IMAGE)]},
    "fp32_image_of_a_host_exact_variant": {"scope": cache_scope(NumericClass.HOST_EXACT, VARIANT), "inputs": [("image", IMAGE)]},
    "fp32_image_of_another_portable_variant": {
        "scope": cache_scope(NumericClass.PORTABLE_EXACT, OTHER_VARIANT), "inputs": [("image", IMAGE)],
    },
    "fp32_image_behind_a_hook": {"hook_digest": HOOK, "inputs": [("image", IMAGE)]},
    "same_bytes_other_shape": {"inputs": [("image", Tensor(DType.FP32, (4, 1), IMAGE.data))]},
    "same_bytes_other_dtype": {"inputs": [("image", Tensor(DType.INT32, (1, 1, 2, 2), IMAGE.data))]},
    "value_outside_the_contract_is_hashed_as_received": {"inputs": [("image", tensor(DType.FP32, (1,), 1e9))]},
    "negative_zero_is_not_zero": {"inputs": [("image", tensor(DType.FP32, (2,), 0.0, -0.0))]},
    "nan_bits_are_kept": {"inputs": [("image", Tensor(DType.FP32, (1,), b"\x01\x00\xc0\x7f"))]},
    "two_inputs": {"inputs": [("a", tensor(DType.UINT8, (3,), 1, 2, 3)), ("b", tensor(DType.INT64, (1,), -1))]},
    "two_inputs_other_order": {"inputs": [("b", tensor(DType.INT64, (1,), -1)), ("a", tensor(DType.UINT8, (3,), 1, 2, 3))]},
    "bool_and_fp16": {"inputs": [("mask", tensor(DType.BOOL, (2,), True, False)), ("x", tensor(DType.FP16, (1, 2), 0.5, 2))]},
    "scalar_has_an_empty_shape": {"inputs": [("gain", tensor(DType.FP64, (), 0.1))]},
    "empty_batch": {"inputs": [("image", tensor(DType.FP32, (0, 4)))]},
    "name_beyond_ascii": {"inputs": [("größe/入力:0", tensor(DType.INT8, (1,), -128))]},
}  # fmt: skip


def key_of(case: dict[str, Any]) -> str:
    return cache_key(
        model_digest=MODEL,
        scope=case.get("scope", PORTABLE),
        contract_digest=CONTRACT,
        hook_digest=case.get("hook_digest", ""),
        inputs=case["inputs"],
    )


def test_golden_vectors() -> None:
    vectors = [
        {
            "name": name,
            "model_digest": MODEL,
            "scope": case.get("scope", PORTABLE),
            "contract_digest": CONTRACT,
            "hook_digest": case.get("hook_digest", ""),
            "inputs": [
                {"name": n, "dtype": t.dtype.value, "shape": t.shape, "data_base64": base64.b64encode(t.data).decode()}
                for n, t in case["inputs"]
            ],
            "key": key_of(case),
        }
        for name, case in VECTORS.items()
    ]
    document = {"format": "skerry-cache-1", "vectors": vectors}
    assert_golden(DATA / "cache_key_vectors.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def test_every_vector_has_its_own_key() -> None:
    keys = [key_of(case) for case in VECTORS.values()]
    assert len(set(keys)) == len(keys)


def test_definition_written_out_by_hand() -> None:
    def field(data: bytes) -> bytes:
        return len(data).to_bytes(4, "little") + data

    want = hashlib.sha256(
        field(b"skerry-cache-1") + field(MODEL.encode()) + field(f"portable-exact:{VARIANT}".encode()) + field(CONTRACT.encode())
        + field(b"") + field(b"1")
        + field(b"image") + field(b"FP32") + field(b"1,1,2,2") + (16).to_bytes(8, "little") + bytes(IMAGE.data)
    ).hexdigest()  # fmt: skip
    assert key_of(VECTORS["fp32_image"]) == want


def test_memoryview_of_any_item_type_gives_the_same_key() -> None:
    view = cast("memoryview[int]", memoryview(bytes(IMAGE.data)).cast("f"))
    assert key_of({"inputs": [("image", Tensor(DType.FP32, IMAGE.shape, view))]}) == key_of(VECTORS["fp32_image"])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        pytest.param("", IMAGE, "a name for every input", id="empty_name"),
        pytest.param("image", Tensor(DType.FP32, (1, 5), IMAGE.data), "20 bytes, got 16", id="short_data"),
        pytest.param("image", Tensor(DType.UINT8, (1,), b"ab"), "1 bytes, got 2", id="long_data"),
    ],
)
def test_bad_inputs_are_refused(name: str, value: Tensor, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        key_of({"inputs": [(name, value)]})
