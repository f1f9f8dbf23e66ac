"""TOML with free tables, as profiles and agent files have them (contracts have tests of their own)."""

from __future__ import annotations

import enum

import msgspec
import pytest

from edge_bundle.errors import InvalidInputError
from edge_bundle.strict_toml import parse_toml


class OnViolation(enum.StrEnum):
    STOP = "stop"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 0


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    labels: dict[str, str] = {}
    parts: dict[str, Inner] = {}
    modes: dict[str, OnViolation] = {}


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        pytest.param("labels = {a = 1}", r"labels\[\.\.\.\]: expected text, got a whole number", "", id="free_value"),
        pytest.param("parts = {a = {size = 'x'}}", r"expected a whole number, got text", "", id="value_in_free_table"),
        pytest.param(
            "parts = {a = {sise = 1}}", r"a key of the settings", "did you mean 'size'?", id="key_in_free_table"
        ),
        pytest.param("modes = {a = 'stoop'}", "expected one of stop, got another value", "", id="enum_in_free_table"),
        pytest.param("labels = '\ud800'", "expected UTF-8 text, got byte 0xed at offset 10", "", id="lone_surrogate"),
    ],
)
def test_mistakes_in_free_tables(text: str, message: str, advice: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        parse_toml(text, Settings, file="settings.toml", what="settings", max_bytes=1000)
    assert caught.value.advice == advice
