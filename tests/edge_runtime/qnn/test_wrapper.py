"""Wrappers are looked at before any runtime reads them; each bad one is named for what it would do."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from typing import Any

import onnx  # noqa: TID251 - wrappers that break a rule are made here
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper  # noqa: TID251

from edge_bundle.errors import FormatError
from edge_runtime.qnn.wrapper import MAX_FIELDS, MAX_NODES, Wrapper, read_wrapper
from tests.edge_runtime.qnn.contexts import context_node, wrapper

SOFTMAX = helper.make_node("Softmax", ["y"], ["z"], name="last", axis=-1)


def test_facts() -> None:
    data = wrapper(context_node(), SOFTMAX).SerializeToString()
    assert read_wrapper(data, name="b1.onnx") == Wrapper("2.51.0", "v73", 43, 1, ("Softmax last",))


def _external(model: onnx.ModelProto) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    model.graph.initializer.append(tensor)


def _external_attribute(model: onnx.ModelProto) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])
    tensor.external_data.add(key="location", value="../weights")
    model.graph.node.append(helper.make_node("Constant", [], ["c"], name="c", value=tensor))


def _branch(model: onnx.ModelProto) -> None:
    body = helper.make_graph([context_node(embed_mode=0)], "body", [], [])
    model.graph.node.append(helper.make_node("If", ["x"], ["z"], name="if", then_branch=body, else_branch=body))


def _function(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("d", "f", [], [], [], [helper.make_opsetid("", 21)]))


def _foreign(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Genie", ["x"], ["z"], name="llm", domain="com.qti"))


def _training(model: onnx.ModelProto) -> None:
    model.training_info.add()


def _quantization_notes(model: onnx.ModelProto) -> None:
    model.graph.quantization_annotation.add(tensor_name="x")


PARTS: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "a tensor at a path": (_external, "tensors inside the file, got one stored outside"),
    "a tensor at a path in a node": (_external_attribute, "tensors inside the file, got one stored outside"),
    "a graph in a node": (_branch, "no graph inside a node, got field"),
    "a function": (_function, "without functions or training, got field 25"),
    "training": (_training, "without functions or training, got field 20"),
    "another vendor's operator": (_foreign, "operators of ai.onnx beside contexts, got com.qti.Genie"),
    "notes": (_quantization_notes, "a graph of nodes and tensors, got field 14"),
}


@pytest.mark.parametrize("name", PARTS)
def test_bad_parts(name: str) -> None:
    change, message = PARTS[name]
    model = wrapper(context_node())
    change(model)
    with pytest.raises(FormatError, match=message):
        read_wrapper(model.SerializeToString(), name="b1.onnx")


CONTEXTS: dict[str, tuple[dict[str, Any], str]] = {
    "a binary at a path": ({"embed_mode": 0, "ep_cache_context": "/lib/evil.bin"}, "embed_mode 1, got 0"),
    "no mode": ({"embed_mode": None}, "embed_mode 1, got None"),
    "a mode that is no number": ({"embed_mode": "1"}, "embed_mode 1, got '1'"),
    "a binary where none belongs": ({"main_context": 0}, "main_context 1 with a binary, or 0 without, got 0"),
    "no binary": ({"ep_cache_context": None}, "main_context 1 with a binary, or 0 without, got 1"),
    "another provider": ({"source": "OpenVINOExecutionProvider"}, "source 'QNNExecutionProvider', got 'OpenVINO"),
    "several chips": ({"is_multi_soc_ep_context": 1}, "a context for one chip"),
    "a library to load": ({"op_packages": "x:/tmp/x.so:f"}, "each once, got 'op_packages'"),
    "a model at a path": ({"onnx_model_filename": "m.onnx"}, "each once, got 'onnx_model_filename'"),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_bad_contexts(name: str) -> None:
    changes, message = CONTEXTS[name]
    with pytest.raises(FormatError, match=message):
        read_wrapper(wrapper(context_node(**changes)).SerializeToString(), name="b1.onnx")


def test_an_attribute_twice() -> None:
    node = context_node()
    node.attribute.append(helper.make_attribute("embed_mode", 0))
    with pytest.raises(FormatError, match="each once, got 'embed_mode'"):
        read_wrapper(wrapper(node).SerializeToString(), name="b1.onnx")


NOTES = {
    "none": "",
    "words": "any device",
    "another version": "v9:6:2.51.0:5.51.0:73:43:0:0",
    "several": "v2:6:1:1:73,75:1:0:0",
}


@pytest.mark.parametrize("name", NOTES)
def test_bad_notes(name: str) -> None:
    with pytest.raises(FormatError, match="a note of what the context is for"):
        read_wrapper(wrapper(context_node(), note=NOTES[name]).SerializeToString(), name="b1.onnx")


PART = context_node(main_context=0, ep_cache_context=None)


def test_several_contexts_share_a_binary() -> None:
    assert read_wrapper(wrapper(context_node(), SOFTMAX, PART).SerializeToString(), name="b1.onnx").contexts == 2


BINARIES = {"no context": [SOFTMAX], "no binary": [PART], "two binaries": [context_node(), context_node()]}


@pytest.mark.parametrize("name", BINARIES)
def test_not_one_binary(name: str) -> None:
    with pytest.raises(FormatError, match="a context with the binary of all, got "):
        read_wrapper(wrapper(*BINARIES[name]).SerializeToString(), name="b1.onnx")


def test_two_graphs() -> None:
    data = wrapper(context_node()).SerializeToString()
    with pytest.raises(FormatError, match="one graph, got a second"):
        read_wrapper(data + data, name="b1.onnx")


def test_too_many_nodes() -> None:
    with pytest.raises(FormatError, match=f"at most {MAX_NODES} nodes"):
        read_wrapper(wrapper(*[context_node()] * (MAX_NODES + 1)).SerializeToString(), name="b1.onnx")


TRUNCATED = {
    "empty": b"",
    "cut length": b"\x3a",
    "longer than the file": b"\x3a\xff\xff\x03",
    "endless number": b"\x08" + b"\xff" * 11,
    "group": b"\x3b\x3c",
    "field 0": b"\x00\x01",
    "graph that is a number": b"\x38\x01",
}


@pytest.mark.parametrize("name", TRUNCATED)
def test_bytes_that_are_no_wrapper(name: str) -> None:
    with pytest.raises(FormatError):
        read_wrapper(TRUNCATED[name], name="b1.onnx")


UNREADABLE = importlib.import_module("google.protobuf.message").DecodeError
"""What protobuf itself cannot read, no runtime reads either."""

GOOD = wrapper(context_node(), SOFTMAX).SerializeToString()


@settings(deadline=None)
@given(st.binary(max_size=200) | st.integers(0, len(GOOD)).map(lambda at: GOOD[:at]))
def test_nothing_but_its_own_error(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        read_wrapper(data, name="b1.onnx")


@settings(deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_one_changed_byte_never_names_a_path(at: int, byte: int) -> None:
    data = bytearray(GOOD)
    data[at] = byte
    try:
        read_wrapper(bytes(data), name="b1.onnx")
    except FormatError:
        return
    model = onnx.ModelProto()
    with contextlib.suppress(UNREADABLE):
        model.ParseFromString(bytes(data))
    for node in model.graph.node:
        modes = [attribute.i for attribute in node.attribute if attribute.name == "embed_mode"]
        assert node.op_type != "EPContext" or modes == [1]
    assert not any(tensor.external_data for tensor in model.graph.initializer)


@pytest.mark.parametrize("place", ["the model", "a node"])
def test_fields_without_end_end_soon(place: str) -> None:
    """Two bytes each: a file of a gigabyte would be looked at for half an hour."""
    flood = b"\x08\x01" * (MAX_FIELDS + 1)
    data = wrapper(context_node()).SerializeToString()
    if place == "a node":
        graph = b"\x0a" + _varint(len(flood)) + flood
        flood = b"\x3a" + _varint(len(graph)) + graph
        data = b""
    with pytest.raises(FormatError, match=f"expected at most {MAX_FIELDS} fields, got more"):
        read_wrapper(data + flood, name="b1.onnx")


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
