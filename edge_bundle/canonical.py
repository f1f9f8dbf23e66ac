"""Canonical JSON (RFC 8785, "JCS") out, strict bounded JSON in.

The same value always gives the same bytes, so that digests and signatures can be taken over them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TypeVar

import msgspec

from edge_bundle.errors import FormatError, LimitExceededError
from edge_bundle.limits import MAX_JSON_BYTES, MAX_JSON_DEPTH, MAX_SAFE_INTEGER

T = TypeVar("T")

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A string, also an unfinished one: were the last quote required, hostile input would cost quadratic time."""

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_EXPONENT_FROM = 21
"""ECMA-262 section 6.1.6.1.20 Number::toString: exponents appear from 1e21 up and from 1e-7 down."""
_EXPONENT_BELOW = -6


def dumps(value: object) -> bytes:
    """The RFC 8785 bytes of builtins or msgspec Structs (enums by value, ``bytes`` as base64).

    Raises ``FormatError`` for NaN, infinities, integers beyond ``2**53 - 1``, keys that are not text, lone surrogates
    and types JSON does not have.
    """
    try:
        return "".join(_encode(msgspec.to_builtins(value), depth=0)).encode()
    except UnicodeEncodeError:
        raise _unencodable("Unicode text", "a lone surrogate") from None
    except TypeError as error:
        raise _unencodable("JSON types", str(error)) from None


def decode(data: bytes, type_: type[T] | msgspec.json.Decoder[T], *, what: str, max_bytes: int = MAX_JSON_BYTES) -> T:
    """Parse JSON strictly into ``type_``, or with a decoder made before; ``what`` names the document in errors.

    Refused beyond what msgspec refuses (wrong types, unknown fields): repeated keys, NaN, infinities, and integers
    beyond ``2**53 - 1`` unless they are how a double is written. Raises ``FormatError``, or ``LimitExceededError`` for
    size and depth (checked before parsing).
    """
    if len(data) > max_bytes:
        raise LimitExceededError(what=what, limit=max_bytes, got=len(data), unit="bytes")
    depth = _depth(data)
    if depth > MAX_JSON_DEPTH:
        raise LimitExceededError(what=what, limit=MAX_JSON_DEPTH, got=depth, unit="levels of nesting")
    try:
        json.loads(data, object_pairs_hook=_unique_keys, parse_int=_safe_integer, parse_constant=_no_constant)
        if isinstance(type_, msgspec.json.Decoder):
            return type_.decode(data)
        return msgspec.json.decode(data, type=type_)
    except (ValueError, msgspec.DecodeError) as error:  # ValidationError is a DecodeError
        raise FormatError(what=what, expected="valid strict JSON", got=f"an error: {error}") from None


def format_number(value: float) -> str:
    """A finite double as ECMA-262 Number::toString writes it (RFC 8785 section 3.2.2.3)."""
    if not math.isfinite(value):
        raise _unencodable("finite numbers", repr(value))
    if value == 0:
        return "0"  # also for -0
    sign = "-" if value < 0 else ""
    digits, point = _shortest_digits(abs(value))
    count = len(digits)
    if count <= point <= _EXPONENT_FROM:
        return sign + digits + "0" * (point - count)
    if 0 < point <= _EXPONENT_FROM:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if _EXPONENT_BELOW < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits[0] + (f".{digits[1:]}" if count > 1 else "")
    return f"{sign}{mantissa}e{point - 1:+d}"


def _shortest_digits(value: float) -> tuple[str, int]:
    """Digits and point: ``value = 0.DIGITS * 10**point``. ``repr`` already finds the shortest digits."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or "0")
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return stripped.rstrip("0"), point


def _encode(value: Any, *, depth: int) -> Iterator[str]:
    if depth > MAX_JSON_DEPTH:
        raise LimitExceededError(what="canonical JSON", limit=MAX_JSON_DEPTH, got=depth, unit="levels of nesting")
    match value:
        case None | True | False:
            yield {None: "null", True: "true", False: "false"}[value]
        case str():
            yield json.dumps(value, ensure_ascii=False)
        case int():
            if abs(value) > MAX_SAFE_INTEGER:
                raise _unencodable(f"integers up to {MAX_SAFE_INTEGER}", "a larger one")
            yield str(value)
        case float():
            yield format_number(value)
        case dict():
            yield from _encode_object(value, depth=depth)
        case list() | tuple():
            yield "["
            for i, item in enumerate(value):
                yield "," if i else ""
                yield from _encode(item, depth=depth + 1)
            yield "]"
        case _:
            raise _unencodable("JSON types", type(value).__name__)


def _encode_object(value: dict[Any, Any], *, depth: int) -> Iterator[str]:
    for key in value:
        if not isinstance(key, str):
            raise _unencodable("text as object keys", type(key).__name__)
    yield "{"
    # RFC 8785 section 3.2.3: keys sort by their UTF-16 code units, which differs from code points above U+FFFF.
    for i, key in enumerate(sorted(value, key=_utf16)):
        yield "," if i else ""
        yield json.dumps(key, ensure_ascii=False)
        yield ":"
        yield from _encode(value[key], depth=depth + 1)
    yield "}"


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")


def _depth(data: bytes) -> int:
    depth = deepest = 0
    for byte in _STRING.sub(b"", data).translate(None, _NOT_BRACKETS):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {repeated!r} appears twice")
    return result


def _safe_integer(text: str) -> int:
    # Doubles from 2**53 to 1e21 are written without exponent or point, so such digits may be a float's canonical form.
    if len(text) > _EXPONENT_FROM + 1 or (abs(int(text)) > MAX_SAFE_INTEGER and format_number(float(text)) != text):
        raise ValueError(f"an integer beyond {MAX_SAFE_INTEGER}")
    return int(text)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _unencodable(expected: str, got: str) -> FormatError:
    return FormatError(what="canonical JSON", expected=expected, got=got)
