"""``docs/agent.md`` says what the code does: types, example, endpoints, headers, statuses, files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.inspect import DictType, FloatType, IntType, Metadata, NoneType, StrType, Type, UnionType, VarTupleType

from edge_agent.config import AgentConfig, parse_agent_config
from edge_agent.models import ModelTable
from edge_agent.serving import rest
from edge_agent.serving.app import build_app
from edge_agent.serving.problem import _STATUS
from edge_agent.serving.steps import reuse
from edge_agent.serving.v2_binary import LENGTH_HEADER
from edge_agent.status import STATUS_PATH
from edge_agent.telemetry.recorder import Recorder

PAGE = (Path(__file__).parents[2] / "docs" / "agent.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]


def types(struct: type[msgspec.Struct], prefix: str = "") -> dict[str, str]:
    """The type of every key as the table words it, nested Structs as dotted keys."""
    result: dict[str, str] = {}
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            result |= types(field.type, f"{prefix}{field.name}.")
        else:
            result[prefix + field.name] = worded(msgspec.inspect.type_info(field.type))
    return result


def worded(kind: Type) -> str:
    match kind:
        case Metadata(type=inner):
            return worded(inner)
        case UnionType(types=(inner, NoneType())):
            return worded(inner)
        case VarTupleType(item_type=item):
            return f"list of {worded(item)}"
        case DictType(value_type=item):
            return f"table of {worded(item)}"
        case StrType() | FloatType() | IntType():
            return {StrType: "text", FloatType: "number", IntType: "integer"}[type(kind)]
    raise AssertionError(kind)


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in table.items():
        nested = isinstance(value, dict) and key != "labels"
        result |= flat(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return result


def test_the_table_has_every_key_with_its_type() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| ([a-z ]+) \|", PAGE, re.MULTILINE)
    assert dict(rows) == types(AgentConfig)


def test_the_example_is_whole_and_shows_the_defaults() -> None:
    parsed = parse_agent_config(EXAMPLE, file=Path("/etc/skerry/agent.toml"))
    assert flat(tomllib.loads(EXAMPLE)).keys() == types(AgentConfig).keys()
    defaults = AgentConfig(state_dir="s", node_name="n", hub=parsed.hub, trust=parsed.trust)
    for section in ("serve", "telemetry", "limits"):
        assert getattr(parsed, section) == getattr(defaults, section)


def test_every_path_that_is_served_is_listed() -> None:
    app = build_app(ModelTable(), Recorder())
    paths = {resource.canonical for resource in app.router.resources()} | {STATUS_PATH}
    listed = set(re.findall(r"`(/[^`]*)`", PAGE.replace("MODEL", "{model}")))
    prefixes = {path.replace("/versions/{version}", "") for path in paths} - {"/{anything_else}"}
    assert prefixes <= listed


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(
            [reuse.BYPASS, reuse.HIT, reuse.RECHECKED, reuse.COLLAPSED, reuse.STORED, reuse.MISS], id="cache-status"
        ),
        pytest.param([LENGTH_HEADER, rest._CACHE_STATUS, rest._CACHE_KEY, rest._CONTRACT], id="headers"),
        pytest.param(["Skerry-Release", "Skerry-Variant"], id="headers-of-a-variant"),
    ],
)
def test_every_value_has_a_row(words: list[str]) -> None:
    for word in words:
        assert f"\n| `{word}` |" in PAGE


def test_every_error_is_listed_under_its_status() -> None:
    rows = dict(re.findall(r"^\| (\d{3}) \| ([A-Za-z, ]+) \|", PAGE, re.MULTILINE))
    for error, status in _STATUS:
        assert error.__name__ in rows[str(int(status))].split(", ")
