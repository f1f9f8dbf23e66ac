"""Bytes that nobody made on purpose: the engine refuses them, or they are the module they were. Nothing else happens."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bundle.errors import EngineError, SkerryError
from edge_runtime.factory import open_engine
from edge_runtime.wasm.module import read_module
from edge_runtime.wasm.program import load_program
from edge_runtime.wasm.seal import seal
from tests.edge_runtime.wasm.modules import WEIGHTS, artifact, assemble, expected, info, rows, source, standalone, text
from wasm_emit.binary import HEADER

ROWS = rows(3)
ARTIFACT = artifact(1, 2)
CODE = assemble(text())


def answers_rightly_or_refuses(files: dict[str, bytes]) -> None:
    try:
        engine = open_engine(source(files))
    except EngineError:
        return
    with engine:
        assert engine.run({"x": ROWS}) == {"y": expected(ROWS)}


def mutated(data: bytes, draw: st.DataObject) -> bytes:
    """The bytes with a piece replaced, removed, doubled or moved."""
    start = draw.draw(st.integers(0, len(data)), label="start")
    end = draw.draw(st.integers(start, min(len(data), start + 40)), label="end")
    piece = draw.draw(
        st.one_of(st.binary(max_size=40), st.just(data[start:end] * 2), st.sampled_from([b"", b"\0", b"\xff" * 5])),
        label="piece",
    )
    return data[:start] + piece + data[end:]


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=400), st.booleans())
def test_random_bytes(data: bytes, with_header: bool) -> None:
    answers_rightly_or_refuses({"b1.wasm": HEADER * with_header + data, "weights.bin": WEIGHTS})


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mutated_artifacts(draw: st.DataObject) -> None:
    name = draw.draw(st.sampled_from(sorted(ARTIFACT)))
    answers_rightly_or_refuses(ARTIFACT | {name: mutated(ARTIFACT[name], draw)})


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_mutated_stand_alone_modules(draw: st.DataObject) -> None:
    answers_rightly_or_refuses({"scale.wasm": mutated(standalone(), draw)})


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_mutated_code_under_a_good_seal(draw: st.DataObject) -> None:
    """Sealed after the change, so that structure checks and wasmtime's validation are reached; it is not run."""
    with contextlib.suppress(SkerryError):
        checked = read_module(seal(mutated(CODE, draw), info()))
        load_program(checked, WEIGHTS, None, relaxed_simd=False, instances=1).close()


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_sections_in_any_order(draw: st.DataObject) -> None:
    pieces = draw.draw(st.permutations([CODE[start : start + 16] for start in range(8, len(CODE), 16)]))
    with contextlib.suppress(SkerryError):
        read_module(seal(HEADER + b"".join(pieces), info()))
