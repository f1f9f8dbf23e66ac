"""``contract.toml``: strict reading, errors in plain words with the file and the key, digest and JSON Schema."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import inspect as msgspec_inspect

from edge_bundle.canonical import dumps
from edge_bundle.contract import Contract, ModelName, VersionText
from edge_bundle.contract_rules import check_contract
from edge_bundle.digest import Digest, sha256_digest
from edge_bundle.errors import InvalidInputError, LimitExceededError, NotFoundError
from edge_bundle.limits import MAX_CONTRACT_BYTES

_AT = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"[^.\[\]]+")
_GOT_TYPE = re.compile(r", got `[^`]*`$")
_WORDS = {
    "`int`": "a whole number", "`float`": "a number", "`str`": "text", "`bool`": "true or false",
    "`array`": "a list", "`object`": "a table", "`float | null`": "a number",
}  # fmt: skip
_PATTERN_WORDS = {
    repr(get_args(ModelName)[1].pattern): "a name of lower-case letters, digits, '.', '_' or '-', such as 'digits'",
    repr(get_args(VersionText)[1].pattern): "three numbers like '1.4.0'",
}
_SHOWN_CHARS = 80


def load_contract(path: str | Path) -> Contract:
    """Read and check a contract file. Raises ``NotFoundError``, ``InvalidInputError`` or ``LimitExceededError``."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONTRACT_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError(what="contract file", name=str(path)) from None
    except OSError as error:
        raise InvalidInputError(file=str(path), expected="a readable file", got=str(error.strerror)) from None
    if len(data) > MAX_CONTRACT_BYTES:
        raise LimitExceededError(what=str(path), limit=MAX_CONTRACT_BYTES, got=len(data), unit="bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        got = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        raise InvalidInputError(file=str(path), expected="UTF-8 text", got=got) from None
    return parse_contract(text, file=str(path))


def parse_contract(text: str, *, file: str) -> Contract:
    """Parse and check contract TOML; ``file`` is named in the ``InvalidInputError``."""
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInputError(file=file, expected="TOML (toml.io)", got=f"an error: {error}") from None
    try:
        contract = msgspec.convert(raw, Contract)
    except msgspec.ValidationError as error:
        raise _in_plain_words(str(error), raw, file=file) from None
    check_contract(contract, file=file)
    return contract


def contract_digest(contract: Contract) -> Digest:
    """SHA-256 of the contract's canonical JSON: the contract blob of a bundle has this digest."""
    return sha256_digest(dumps(contract))


def contract_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``contract.toml``, generated from the Structs, for editors and the docs."""
    schema = msgspec.json.schema(Contract)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Skerry contract", **schema}


def _in_plain_words(message: str, raw: dict[str, Any], *, file: str) -> InvalidInputError:
    found = _AT.fullmatch(message)
    problem, path = (found["problem"], found["path"] or "") if found else (message, "")
    steps = _STEP.findall(path)
    if problem.startswith("Object contains unknown field"):
        return _unknown_key(problem.split("`")[1], steps, path, file)
    if problem.startswith("Object missing required field"):
        key = _join(path, problem.split("`")[1])
        return InvalidInputError(file=file, key=key, expected="a value", got="no such key")
    value = _lookup(raw, steps)
    choices = _choices(_type_at(steps))
    if choices:
        expected = f"one of {', '.join(choices)}"
        return InvalidInputError(
            file=file, key=path, expected=expected, got=_show(value), advice=_did_you_mean(str(value), choices)
        )
    return InvalidInputError(file=file, key=path, expected=_plain(problem), got=_show(value))


def _unknown_key(key: str, steps: list[str], path: str, file: str) -> InvalidInputError:
    kind = _type_at(steps)
    known = [f.encode_name for f in kind.fields] if isinstance(kind, msgspec_inspect.StructType) else []
    advice = _did_you_mean(key, known) or f"the keys here are: {', '.join(known)}"
    return InvalidInputError(
        file=file, key=_join(path, key), expected="a key of the contract", got="an unknown key", advice=advice
    )


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1) or [k for k in known if k.lower() == word.lower()]
    return f"did you mean {close[0]!r}?" if close else ""


def _type_at(steps: list[str]) -> msgspec_inspect.Type | None:
    """The declared type at a key path, found by walking the Structs."""
    kind: msgspec_inspect.Type | None = msgspec_inspect.type_info(Contract)
    for step in steps:
        if isinstance(kind, msgspec_inspect.UnionType):
            kind = next(t for t in kind.types if not isinstance(t, msgspec_inspect.NoneType))
        if isinstance(kind, msgspec_inspect.StructType):
            kind = next((f.type for f in kind.fields if f.encode_name == step), None)
        elif isinstance(kind, msgspec_inspect.VarTupleType):
            kind = kind.item_type
    if isinstance(kind, msgspec_inspect.UnionType):
        kind = next(t for t in kind.types if not isinstance(t, msgspec_inspect.NoneType))
    return kind


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
