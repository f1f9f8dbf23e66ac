"""Canonical JSON against an independent implementation (the ``rfc8785`` package) and against itself."""

from __future__ import annotations

import contextlib
import json
import struct
from typing import Any

import msgspec
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bundle.canonical import decode, dumps, format_number
from edge_bundle.errors import FormatError, LimitExceededError
from tests.property.strategies import json_values, numbers


class Box(msgspec.Struct, forbid_unknown_fields=True):
    value: Any


class FloatBox(msgspec.Struct, forbid_unknown_fields=True):
    value: float


@settings(deadline=None)
@given(json_values)
def test_same_bytes_as_another_implementation(value: Any) -> None:
    assert dumps(value) == rfc8785.dumps(value)


@settings(deadline=None, max_examples=500)
@given(st.integers(0, 2**64 - 1))
def test_every_double_is_written_as_another_implementation_does(bits: int) -> None:
    (value,) = struct.unpack("<d", struct.pack("<Q", bits))
    if value - value == 0:
        assert format_number(value).encode() == rfc8785.dumps(value)


@settings(deadline=None, max_examples=500)
@given(numbers)
def test_floats_survive_a_round_trip(value: float) -> None:
    assert decode(dumps(FloatBox(value)), FloatBox, what="box").value == value


@settings(deadline=None)
@given(json_values)
def test_canonical_form_is_a_fixed_point(value: Any) -> None:
    data = dumps({"value": value})
    assert dumps(json.loads(data, parse_int=float)) == data


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_named_error(data: bytes) -> None:
    with contextlib.suppress(FormatError, LimitExceededError):
        decode(data, Box, what="box")


@settings(deadline=None)
@given(json_values, st.integers(0, 10_000), st.integers(0, 255))
def test_flipped_byte_never_crashes_the_reader(value: Any, position: int, byte: int) -> None:
    data = bytearray(dumps({"value": value}))
    data[position % len(data)] = byte
    with contextlib.suppress(FormatError, LimitExceededError):
        decode(bytes(data), Box, what="box")
