"""The hook's pure modules against Python: cache keys, conversion of JSON values, splicing of ids. Under Node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_bundle.tensor import DType
from tests.cdn_hooks.node import run_node
from tests.cdn_hooks.samples import packed, sample_settings
from tests.cdn_hooks.vectors import cache_key_cases, expected_keys


def test_cache_keys_are_the_agents(tmp_path: Path) -> None:
    assert run_node(tmp_path, {"vectors": cache_key_cases()})["vectors"] == expected_keys()


@pytest.mark.parametrize(
    ("dtype", "value", "want"),
    [
        pytest.param("FP32", 0.1, packed(DType.FP32, 0.1), id="fp32-rounds"),
        pytest.param("FP32", 16777217.0, packed(DType.FP32, 16777217.0), id="fp32-ties-to-even"),
        pytest.param("FP32", -0.0, packed(DType.FP32, -0.0), id="fp32-minus-zero"),
        pytest.param("FP32", 1e-45, packed(DType.FP32, 1e-45), id="fp32-subnormal"),
        pytest.param("FP32", 1e39, "refused", id="fp32-overflow"),
        pytest.param("FP32", True, "refused", id="fp32-boolean"),
        pytest.param("FP32", "1", "refused", id="fp32-text"),
        pytest.param("FP32", None, "refused", id="fp32-null"),
        pytest.param("FP64", 0.1, packed(DType.FP64, 0.1), id="fp64"),
        pytest.param("FP32", 3.4028235677973366e38, "refused", id="fp32-smallest-overflow"),
        pytest.param("FP32", 3.4028235677973362e38, packed(DType.FP32, 3.4028234663852886e38), id="fp32-largest"),
        pytest.param("FP16", 0.5, "refused", id="fp16-has-no-json-form"),
        pytest.param("BOOL", True, "01", id="bool"),
        pytest.param("BOOL", 1, "refused", id="bool-from-number"),
        pytest.param("INT8", -128, "80", id="int8-lowest"),
        pytest.param("INT8", -129, "refused", id="int8-below"),
        pytest.param("INT8", 1.5, "refused", id="int8-fraction"),
        pytest.param("UINT8", 255, "ff", id="uint8-highest"),
        pytest.param("UINT8", -1, "refused", id="uint8-below"),
        pytest.param("INT16", -2, "feff", id="int16"),
        pytest.param("UINT16", 65535, "ffff", id="uint16"),
        pytest.param("INT32", -2, "feffffff", id="int32"),
        pytest.param("UINT32", 2**32 - 1, "ffffffff", id="uint32"),
        pytest.param("INT64", -2, "feffffffffffffff", id="int64"),
        pytest.param("INT64", 2**53 - 1, "ffffffffffff1f00", id="int64-highest-exact"),
        pytest.param("INT64", 2**53, "number-precision", id="int64-beyond-doubles"),
        pytest.param("UINT64", 2**53 + 1, "number-precision", id="uint64-beyond-doubles"),
        pytest.param("UINT64", -1, "refused", id="uint64-below"),
    ],
)
def test_json_values_become_the_agents_bytes(tmp_path: Path, dtype: str, value: Any, want: str) -> None:
    assert run_node(tmp_path, {"values": [[dtype, value]]})["values"] == [want]


@pytest.mark.parametrize(
    ("path", "want"),
    [
        pytest.param("/v2?x=1#y", ["/v2?x=1"], id="plain"),
        pytest.param("/v2?x=//evil.example", ["/v2?x=//evil.example"], id="host-in-the-query"),
        pytest.param("/x/../v2", ["/v2"], id="dots-resolved-before-the-check"),
        pytest.param("/v2/../metrics", [], id="dots-lead-out"),
        pytest.param("/v2/%2e%2e/metrics", [], id="escaped-dots-lead-out"),
        pytest.param("//evil.example/v2", [], id="reference-to-another-host"),
        pytest.param("/\\evil.example/v2", [], id="backslash-as-slash"),
        pytest.param("///evil.example/v2", [], id="three-slashes"),
        pytest.param("/http://evil.example/v2", [], id="url-as-path"),
        pytest.param("/@evil.example/v2", [], id="credentials-as-path"),
        pytest.param("/v2/models%2fstats", [], id="escaped-slash"),
        pytest.param("/v2%0d%0aX:y", [], id="escaped-line-end"),
    ],
)
def test_forwarded_is_what_is_public_and_to_the_agent_alone(tmp_path: Path, path: str, want: list[str]) -> None:
    got = run_node(tmp_path, {"urls": [f"https://hook.example{path}"]})["urls"]
    assert got == [[sample_settings().origin + target for target in want]]


@pytest.mark.parametrize(
    ("head", "request_id", "want"),
    [
        pytest.param('{"id":"a","outputs":[1.0]}', None, '{"outputs":[1.0]}', id="cut-first"),
        pytest.param('{"m":1,"id":"a","outputs":[]}', None, '{"m":1,"outputs":[]}', id="cut-middle"),
        pytest.param('{"m":1, "id" : "}],\\"" }', None, '{"m":1}', id="cut-last-with-brackets-and-quotes-in-text"),
        pytest.param('{"outputs":[{"id":"inner"}]}', None, '{"outputs":[{"id":"inner"}]}', id="inner-id-stays"),
        pytest.param('{"m":1,"outputs":[1.0]}', "b", '{"m":1,"id":"b","outputs":[1.0]}', id="put-before-outputs"),
        pytest.param('{"m":9007199254740993}', "b", '{"m":9007199254740993,"id":"b"}', id="digits-are-kept"),
        pytest.param("{}", "\u00e9\n", '{"id":"\u00e9\\n"}', id="put-into-nothing-escaped"),
        pytest.param('{"id":"a","outputs":[]}', "b", '{"id":"b","outputs":[]}', id="replace"),
    ],
)
def test_ids_are_spliced_without_touching_the_rest(
    tmp_path: Path, head: str, request_id: str | None, want: str
) -> None:
    got = run_node(tmp_path, {"heads": [[head, request_id]]})["heads"]
    assert got == [want]
    assert ("id" in json.loads(want)) == (request_id is not None)
