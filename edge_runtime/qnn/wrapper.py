"""What is in an ONNX wrapper around a context binary: looked at before ONNX Runtime and Qualcomm's libraries read it.

Held, so that a runtime takes nothing but these bytes and starts nothing but its own code:
    1. contexts lie inside the file, not at a path beside it (``embed_mode`` 1), and are QNN's (``source``); the first
       holds the binary of all (``main_context``);
    2. a context node has the attributes that the compiler writes, and no other;
    3. every other node is a standard operator with no graph inside;
    4. no tensor lies in another file; no functions, no training;
    5. the toolchain's own note says what the contexts were compiled for;
    6. nodes and fields are few: what is looked at, field by field, ends soon.

Source: ``onnx.proto3``, and com.microsoft.EPContext in ONNX Runtime's ``docs/ContribOperators.md``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge_bundle.errors import FormatError
from edge_runtime.qnn.protobuf import Fields, Value, at_most, message, number, text

PROVIDER = "QNNExecutionProvider"

MAX_NODES = 1000
"""Nodes in one wrapper; ours have one context and a handful on the CPU."""

MAX_FIELDS = 100_000
"""Fields of all messages in one wrapper; ours have some hundreds. Each costs about a microsecond to look at."""

_COMPATIBILITY_KEY = f"ep_compatibility_info.{PROVIDER}"

_COMPATIBILITY = re.compile(r"v2:[0-9]+:([0-9.]+):[0-9.]+:([0-9]+):([0-9]+):[0-9]+:[0-9]+", re.ASCII)
"""Version of the note, backend, SDK, API, architecture, chip, memory, sharing (the provider's cache compatibility)."""


class _Model(enum.IntEnum):
    """Fields of ``ModelProto``; those of functions and training are missing on purpose."""

    IR_VERSION = 1
    PRODUCER = 2
    PRODUCER_VERSION = 3
    DOMAIN = 4
    VERSION = 5
    DOC = 6
    GRAPH = 7
    OPSET = 8
    NOTES = 14


class _Graph(enum.IntEnum):
    """Fields of ``GraphProto``; those of sparse tensors and quantization notes are missing on purpose."""

    NODE = 1
    NAME = 2
    TENSOR = 5
    DOC = 10
    INPUT = 11
    OUTPUT = 12
    VALUE = 13


class _Node(enum.IntEnum):
    """Fields of ``NodeProto`` that matter here."""

    NAME = 3
    OPERATOR = 4
    ATTRIBUTE = 5
    DOMAIN = 7


class _Attribute(enum.IntEnum):
    """Fields of ``AttributeProto``; those of graphs and sparse tensors are missing on purpose."""

    NAME = 1
    FLOAT = 2
    INT = 3
    STRING = 4
    TENSOR = 5
    FLOATS = 7
    INTS = 8
    STRINGS = 9
    TENSORS = 10
    DOC = 13
    TYPE = 20


class _Context(enum.Enum):
    """A context that holds the binary, or one that refers to it."""

    MAIN = enum.auto()
    PART = enum.auto()


_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14

_CONTEXT_ATTRIBUTES = frozenset(
    {
        "main_context", "ep_cache_context", "is_multi_soc_ep_context", "embed_mode", "source", "ep_sdk_version",
        "max_size", "partition_name", "io_name_overrides",
    }
)  # fmt: skip
_CONTEXT_MUST: Mapping[str, int | str] = {"embed_mode": 1, "source": PROVIDER}

_BINARY = "ep_cache_context"


@dataclass(frozen=True)
class Wrapper:
    """``architecture`` and ``soc_model`` as the toolchain noted them; ``others`` are ``OPERATOR NAME``."""

    sdk_version: str
    architecture: str
    soc_model: int
    contexts: int
    others: tuple[str, ...]


def read_wrapper(data: bytes, *, name: str) -> Wrapper:
    """Look through a wrapper. Raises ``FormatError`` that names the file and the rule that it breaks."""
    graph: memoryview | None = None
    notes: dict[str, str] = {}
    fields = at_most(MAX_FIELDS)
    for field, value in fields(memoryview(data)):
        if field not in set(_Model):
            raise _refused(name, "a model without functions or training", f"field {field}")
        if field == _Model.GRAPH:
            if graph is not None:
                raise _refused(name, "one graph", "a second")
            graph = message(value)
        elif field == _Model.NOTES:
            key, note = _note(value, fields)
            notes[key] = note
    if graph is None:
        raise _refused(name, "a graph", "none")
    nodes = _read_graph(graph, name, fields)
    binaries, contexts = nodes.count(_Context.MAIN), sum(isinstance(node, _Context) for node in nodes)
    if binaries != 1:
        raise _refused(name, "a context with the binary of all", f"{binaries} of {contexts} contexts")
    found = _COMPATIBILITY.fullmatch(notes.get(_COMPATIBILITY_KEY, ""))
    if found is None:
        raise _refused(name, "a note of what the context is for", repr(notes.get(_COMPATIBILITY_KEY, "none")))
    others = tuple(node for node in nodes if not isinstance(node, _Context))
    return Wrapper(found[1], f"v{found[2]}", int(found[3]), contexts, others)


def _read_graph(graph: memoryview, name: str, fields: Fields) -> list[str | _Context]:
    """For every node what ``_read_node`` gives."""
    nodes: list[str | _Context] = []
    for field, value in fields(graph):
        if field not in set(_Graph):
            raise _refused(name, "a graph of nodes and tensors", f"field {field}")
        if field == _Graph.TENSOR:
            _check_tensor(message(value), name, fields)
        elif field == _Graph.NODE:
            if len(nodes) == MAX_NODES:
                raise _refused(name, f"at most {MAX_NODES} nodes", "more")
            nodes.append(_read_node(message(value), name, fields))
    return nodes


def _read_node(node: memoryview, name: str, fields: Fields) -> str | _Context:
    """The kind of a context, or the operator and the name of any other node."""
    texts: dict[int, str] = {_Node.NAME: "", _Node.OPERATOR: "", _Node.DOMAIN: ""}
    attributes = []
    for field, value in fields(node):
        if field == _Node.ATTRIBUTE:
            attributes.append(message(value))
        elif field in texts:
            texts[field] = text(value)
    title, operator, domain = texts.values()
    where = f"{name}: node {title!r}"
    if (operator, domain) == ("EPContext", "com.microsoft"):
        return _read_context(attributes, where, fields)
    if domain not in ("", "ai.onnx"):
        raise _refused(where, "operators of ai.onnx beside contexts", f"{domain}.{operator}")
    for attribute in attributes:
        _check_attribute(attribute, where, fields)
    return f"{operator} {title}"


def _read_context(attributes: list[memoryview], where: str, fields: Fields) -> _Context:
    """Rules 1 and 2."""
    values: dict[str, int | str | None] = {}
    for attribute in attributes:
        key, value = _scalar(attribute, fields)
        if key not in _CONTEXT_ATTRIBUTES or key in values:
            raise _refused(where, f"attributes {', '.join(sorted(_CONTEXT_ATTRIBUTES))}, each once", repr(key))
        values[key] = value
    for key, wanted in _CONTEXT_MUST.items():
        if values.get(key) != wanted:
            raise _refused(where, f"{key} {wanted!r}", repr(values.get(key)))
    if values.get("is_multi_soc_ep_context", 0) != 0:
        raise _refused(where, "a context for one chip", "one for several")
    main = values.get("main_context")
    if main not in (0, 1) or bool(main) != (_BINARY in values):
        raise _refused(where, "main_context 1 with a binary, or 0 without", repr(main))
    return _Context.MAIN if main else _Context.PART


def _scalar(attribute: memoryview, fields: Fields) -> tuple[str, int | str | None]:
    """Name and value of an integer or a string; ``None`` for a context binary, which is no text."""
    key = ""
    value: int | str | None = None
    for field, content in fields(attribute):
        if field == _Attribute.NAME:
            key = text(content)
        elif field == _Attribute.INT:
            value = number(content)
        elif field == _Attribute.STRING and key != _BINARY:
            value = text(content)
    return key, value


def _check_attribute(attribute: memoryview, where: str, fields: Fields) -> None:
    """Rules 3 and 4, for a node that is no context."""
    for field, content in fields(attribute):
        if field not in set(_Attribute):
            raise _refused(where, "no graph inside a node", f"field {field}")
        if field in (_Attribute.TENSOR, _Attribute.TENSORS):
            _check_tensor(message(content), where, fields)


def _check_tensor(tensor: memoryview, where: str, fields: Fields) -> None:
    for field, content in fields(tensor):
        if field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and content != 0):
            raise _refused(where, "tensors inside the file", "one stored outside it")


def _note(value: Value, fields: Fields) -> tuple[str, str]:
    """Key and value of a ``StringStringEntryProto``."""
    pair = {1: "", 2: ""}
    for field, content in fields(message(value)):
        if field in pair:
            pair[field] = text(content)
    return pair[1], pair[2]


def _refused(where: str, expected: str, got: str) -> FormatError:
    return FormatError(what=where, expected=expected, got=got, advice="only contexts that Skerry compiled are loaded")
