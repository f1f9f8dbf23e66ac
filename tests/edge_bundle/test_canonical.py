"""Canonical JSON: RFC 8785's own examples, refusals, strict and bounded decoding."""

from __future__ import annotations

import math
import struct
from typing import Any

import msgspec
import pytest

from edge_bundle.canonical import decode, dumps, format_number
from edge_bundle.errors import FormatError, LimitExceededError
from edge_bundle.limits import MAX_JSON_DEPTH


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    x: Any = 0


class Point(msgspec.Struct, forbid_unknown_fields=True):
    lat: float
    lon: float = 0.0


def nested(depth: int) -> bytes:
    return b'{"x":' * depth + b"0" + b"}" * depth


# RFC 8785 appendix B: IEEE-754 bits and the text that ECMAScript gives them.
@pytest.mark.parametrize(
    ("bits", "text"),
    [
        pytest.param(0x0000000000000000, "0", id="zero"),
        pytest.param(0x8000000000000000, "0", id="minus_zero"),
        pytest.param(0x0000000000000001, "5e-324", id="smallest_subnormal"),
        pytest.param(0x8000000000000001, "-5e-324", id="minus_smallest_subnormal"),
        pytest.param(0x7FEFFFFFFFFFFFFF, "1.7976931348623157e+308", id="largest"),
        pytest.param(0xFFEFFFFFFFFFFFFF, "-1.7976931348623157e+308", id="minus_largest"),
        pytest.param(0x4340000000000000, "9007199254740992", id="two_to_53"),
        pytest.param(0x4430000000000000, "295147905179352830000", id="two_to_68"),
        pytest.param(0x44B52D02C7E14AF5, "9.999999999999997e+22", id="e22_below"),
        pytest.param(0x44B52D02C7E14AF6, "1e+23", id="e23"),
        pytest.param(0x44B52D02C7E14AF7, "1.0000000000000001e+23", id="e23_above"),
        pytest.param(0x444B1AE4D6E2EF4E, "999999999999999700000", id="below_e21_first"),
        pytest.param(0x444B1AE4D6E2EF4F, "999999999999999900000", id="below_e21"),
        pytest.param(0x444B1AE4D6E2EF50, "1e+21", id="e21"),
        pytest.param(0x3EB0C6F7A0B5ED8C, "9.999999999999997e-7", id="below_e-6"),
        pytest.param(0x3EB0C6F7A0B5ED8D, "0.000001", id="e-6"),
        pytest.param(0x41B3DE4355555553, "333333333.3333332", id="thirds_down"),
        pytest.param(0x41B3DE4355555557, "333333333.33333343", id="thirds_up"),
        pytest.param(0xBECBF647612F3696, "-0.0000033333333333333333", id="small_negative"),
        pytest.param(0x43143FF3C1CB0959, "1424953923781206.2", id="round_to_even"),
    ],
)
def test_numbers_of_rfc_8785_appendix_b(bits: int, text: str) -> None:
    (value,) = struct.unpack(">d", struct.pack(">Q", bits))
    assert format_number(value) == text


def test_example_of_rfc_8785_section_3_2_2() -> None:
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f",
        "literals": [None, True, False],
    }
    want = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert dumps(value) == want.encode()


def test_keys_sort_by_utf16_code_units_as_in_rfc_8785_section_3_2_3() -> None:
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    keys = list(msgspec.json.decode(dumps(value)))
    assert keys == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_structs_and_enums_encode_by_value() -> None:
    assert dumps(Point(lat=1.0)) == b'{"lat":1,"lon":0}'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(math.nan, "finite numbers", id="nan"),
        pytest.param([math.inf], "finite numbers", id="infinity"),
        pytest.param(2**53, "integers up to", id="integer_beyond_2_53"),
        pytest.param({1: 2}, "text as object keys", id="integer_key"),
        pytest.param("\ud800", "Unicode text", id="lone_surrogate"),
        pytest.param({"\ud800": 1}, "Unicode text", id="lone_surrogate_key"),
        pytest.param(object(), "JSON types", id="object"),
    ],
)
def test_what_json_cannot_say_is_refused(value: object, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        dumps(value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b'{"x":1,"x":2}', "'x' appears twice", id="duplicate_member"),
        pytest.param(b'{"x":{"y":1,"\\u0079":2}}', "'y' appears twice", id="duplicate_member_by_escape"),
        pytest.param(b'{"x":NaN}', "NaN is not JSON", id="nan"),
        pytest.param(b'{"x":-Infinity}', "-Infinity is not JSON", id="infinity"),
        pytest.param(b'{"x":1e999}', "out of range", id="overflow"),
        pytest.param(b'{"x":9007199254740993}', "an integer beyond", id="integer_that_a_double_loses"),
        pytest.param(b'{"x":' + b"9" * 5000 + b"}", "an integer beyond", id="huge_integer"),
        pytest.param(b'{"x":"\\ud800"}', "error", id="lone_surrogate"),
        pytest.param(b'{"x":"\xff"}', "utf-8", id="not_utf8"),
        pytest.param('{"x":1}'.encode("utf-16"), "error", id="utf16"),
        pytest.param(b"\xef\xbb\xbf{}", "error", id="byte_order_mark"),
        pytest.param(b'{"x":1}{"x":2}', "Extra data", id="two_documents"),
        pytest.param(b'{"x":1', "error", id="truncated"),
        pytest.param(b'{"y":1}', "unknown field", id="unknown_field"),
        pytest.param(b"[]", "object", id="wrong_type"),
        pytest.param(b"", "error", id="empty"),
    ],
)
def test_malformed_json_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        decode(data, Sample, what="sample")


def test_size_is_bounded_before_parsing() -> None:
    with pytest.raises(LimitExceededError, match="sample: expected at most 8 bytes, got 9"):
        decode(b"not json!", Sample, what="sample", max_bytes=8)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(nested(MAX_JSON_DEPTH + 1), id="deep_json_objects"),
        pytest.param(b"[" * 100_000, id="deep_json_arrays_unclosed"),
    ],
)
def test_depth_is_bounded_before_parsing(data: bytes) -> None:
    with pytest.raises(LimitExceededError, match="levels of nesting"):
        decode(data, Sample, what="sample")


def test_depth_at_the_limit_and_brackets_in_strings_are_fine() -> None:
    assert decode(nested(MAX_JSON_DEPTH), Sample, what="sample").x
    assert decode(b'{"x":"' + b"[" * 1000 + b'\\"{{"}', Sample, what="sample").x.startswith("[[")


def test_unfinished_string_of_escaped_quotes_costs_linear_time() -> None:
    # Quadratic scanning of these 2 MB would not end within the test timeout.
    with pytest.raises(FormatError):
        decode(b'"' + b'\\"' * 1_000_000, Sample, what="sample")


def test_dumps_refuses_to_write_deeper_than_decode_reads() -> None:
    value: Any = 0
    for _ in range(MAX_JSON_DEPTH + 1):
        value = [value]
    with pytest.raises(LimitExceededError, match="levels of nesting"):
        dumps(value)


def test_a_decoder_made_before_is_as_strict() -> None:
    decoder = msgspec.json.Decoder(Point)
    assert decode(b'{"lat":1.5}', decoder, what="point") == Point(lat=1.5)
    for data in (b'{"lat":1,"lat":2}', b'{"lat":NaN}', b'{"lat":"1"}', b'{"lat":1,"alt":2}'):
        with pytest.raises(FormatError, match="point: expected valid strict JSON"):
            decode(data, decoder, what="point")
