"""TOML files that people write: strict reading into a Struct, errors in plain words with the file and the key."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import inspect as msgspec_inspect

from edge_bundle.contract import ModelName, VersionText
from edge_bundle.errors import InvalidInputError, LimitExceededError, NotFoundError

T = TypeVar("T")

_AT = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.\.\.|[^.\[\]]+")
_GOT_TYPE = re.compile(r", got (?P<type>`[^`]*`)$")
_ANY_KEY = "..."
"""How msgspec writes the path to a value of a table with free keys: it does not say which."""

_WORDS = {
    "`int`": "a whole number", "`float`": "a number", "`str`": "text", "`bool`": "true or false",
    "`array`": "a list", "`object`": "a table", "`float | null`": "a number",
}  # fmt: skip
_PATTERN_WORDS = {
    repr(get_args(ModelName)[1].pattern): "a name of lower-case letters, digits, '.', '_' or '-', such as 'digits'",
    repr(get_args(VersionText)[1].pattern): "three numbers like '1.4.0'",
}
_SHOWN_CHARS = 80


def load_toml(path: str | Path, type_: type[T], *, what: str, max_bytes: int, advice: str = "") -> T:
    """Read a file into a Struct; ``what`` names its kind in errors ("contract"), ``advice`` helps where there is none.

    Raises ``NotFoundError``, ``InvalidInputError`` or ``LimitExceededError``.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise NotFoundError(what=f"{what} file", name=str(path), advice=advice) from None
    except OSError as error:
        raise InvalidInputError(file=str(path), expected="a readable file", got=str(error.strerror)) from None
    return parse_toml(data, type_, file=str(path), what=what, max_bytes=max_bytes)


def parse_toml(data: str | bytes, type_: type[T], *, file: str, what: str, max_bytes: int) -> T:
    """Parse TOML into a Struct; ``file`` is named in errors.

    Raises ``InvalidInputError`` with the key, or ``LimitExceededError`` before anything is parsed.
    """
    raw_bytes = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    if len(raw_bytes) > max_bytes:
        raise LimitExceededError(what=file, limit=max_bytes, got=len(raw_bytes), unit="bytes")
    try:
        raw = tomllib.loads(raw_bytes.decode())
    except UnicodeDecodeError as error:
        got = f"byte 0x{raw_bytes[error.start]:02x} at offset {error.start}"
        raise InvalidInputError(file=file, expected="UTF-8 text", got=got) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInputError(file=file, expected="TOML (toml.io)", got=f"an error: {error}") from None
    try:
        return msgspec.convert(raw, type_)
    except msgspec.ValidationError as error:
        raise _PlainWords(type_, raw, file=file, what=what).of(str(error)) from None


class _PlainWords:
    """Turns msgspec's message and key path into an ``InvalidInputError``."""

    def __init__(self, type_: type, raw: dict[str, Any], *, file: str, what: str) -> None:
        self._type, self._raw, self._file, self._what = type_, raw, file, what

    def of(self, message: str) -> InvalidInputError:
        found = _AT.fullmatch(message)
        problem, path = (found["problem"], found["path"] or "") if found else (message, "")
        steps = _STEP.findall(path)
        if problem.startswith("Object contains unknown field"):
            return self._unknown_key(problem.split("`")[1], steps, path)
        if problem.startswith("Object missing required field"):
            key = _join(path, problem.split("`")[1])
            return InvalidInputError(file=self._file, key=key, expected="a value", got="no such key")
        choices = _choices(self._type_at(steps))
        expected = f"one of {', '.join(choices)}" if choices else _plain(problem)
        if _ANY_KEY in steps:
            return InvalidInputError(file=self._file, key=path, expected=expected, got=_wrong_type(problem))
        value = _lookup(self._raw, steps)
        advice = _did_you_mean(str(value), choices)
        return InvalidInputError(file=self._file, key=path, expected=expected, got=_show(value), advice=advice)

    def _unknown_key(self, key: str, steps: list[str], path: str) -> InvalidInputError:
        kind = self._type_at(steps)
        known = [f.encode_name for f in kind.fields] if isinstance(kind, msgspec_inspect.StructType) else []
        advice = _did_you_mean(key, known) or f"the keys here are: {', '.join(known)}"
        expected = f"a key of the {self._what}"
        return InvalidInputError(
            file=self._file, key=_join(path, key), expected=expected, got="an unknown key", advice=advice
        )

    def _type_at(self, steps: list[str]) -> msgspec_inspect.Type | None:
        """The declared type at a key path, found by walking the Structs."""
        kind: msgspec_inspect.Type | None = _without_none(msgspec_inspect.type_info(self._type))
        for step in steps:
            if isinstance(kind, msgspec_inspect.StructType):
                kind = next((f.type for f in kind.fields if f.encode_name == step), None)
            elif isinstance(kind, msgspec_inspect.VarTupleType):
                kind = kind.item_type
            elif isinstance(kind, msgspec_inspect.DictType):
                kind = kind.value_type
            kind = _without_none(kind)
        return kind


def _without_none(kind: msgspec_inspect.Type | None) -> msgspec_inspect.Type | None:
    if isinstance(kind, msgspec_inspect.UnionType):
        return next(t for t in kind.types if not isinstance(t, msgspec_inspect.NoneType))
    return kind


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1) or [k for k in known if k.lower() == word.lower()]
    return f"did you mean {close[0]!r}?" if close else ""


def _choices(kind: msgspec_inspect.Type | None) -> list[str]:
    return [str(member.value) for member in kind.cls] if isinstance(kind, msgspec_inspect.EnumType) else []


def _lookup(raw: Any, steps: list[str]) -> Any:
    for step in steps:
        raw = raw[int(step)] if isinstance(raw, list) else raw[step]
    return raw


def _plain(problem: str) -> str:
    """From "Expected `int` >= 1" to "a whole number >= 1"."""
    text = _GOT_TYPE.sub("", problem.removeprefix("Expected "))
    for pattern, words in _PATTERN_WORDS.items():
        if pattern in text:
            return words
    return _in_words(text)


def _wrong_type(problem: str) -> str:
    found = _GOT_TYPE.search(problem)
    return _in_words(found["type"]) if found else "another value"


def _in_words(text: str) -> str:
    for type_, words in _WORDS.items():
        text = text.replace(type_, words)
    return text


def _show(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "a table"
        case list():
            return f"a list of {len(value)}"
        case str() if len(value) > _SHOWN_CHARS:
            return f"text of {len(value)} characters"
    return repr(value)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
