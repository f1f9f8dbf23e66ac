"""Keys of a configuration Struct as a reference table shows them, and the table as the page has it."""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| `([a-z0-9_.\[\]]+)` \|.*\| ([^|]*) \|$", re.MULTILINE)


def documented(page: str) -> dict[str, str]:
    """Key and default (last column) of every table row of a page under ``docs/`` that starts with a key."""
    return dict(_ROW.findall((ROOT / "docs" / page).read_text(encoding="utf-8")))


def defined(struct: type[msgspec.Struct], prefix: str = "") -> dict[str, str]:
    """Key and default of every field, nested Structs as dotted keys, lists of Structs as ``name[].key``."""
    result: dict[str, str] = {}
    for field in msgspec.structs.fields(struct):
        key = prefix + field.name
        inner, is_list = _inner(field.type)
        if inner is not None:
            result |= defined(inner, f"{key}[]." if is_list else f"{key}.")
        else:
            result[key] = _default(field)
    return result


def _inner(kind: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    info = msgspec.inspect.type_info(kind)
    return _struct(info)


def _struct(info: msgspec.inspect.Type) -> tuple[type[msgspec.Struct] | None, bool]:
    match info:
        case msgspec.inspect.StructType(cls=cls):
            return cls, False
        case msgspec.inspect.Metadata(type=inner):
            return _struct(inner)
        case msgspec.inspect.VarTupleType(item_type=item):
            return _struct(item)[0], True
        case msgspec.inspect.UnionType(types=types):
            return next((found for kind in types if (found := _struct(kind))[0] is not None), (None, False))
        case _:
            return None, False


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        return "empty"
    return "required" if field.default is msgspec.NODEFAULT else _shown(field.default)


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case enum.Enum():
            return f'`"{value.value}"`'
        case str():
            return f'`"{value}"`'
        case int() | float():
            return f"`{value:.10g}`"
        case _:
            return "empty"
