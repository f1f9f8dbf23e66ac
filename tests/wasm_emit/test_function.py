"""The builder: what it writes (golden text), what it refuses, and that every instruction assembles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.golden_files import DATA, assert_golden
from wasm_emit.assemble import assemble
from wasm_emit.function import Function
from wasm_emit.instructions import (
    Family,
    f32,
    f32_const,
    f32x4,
    f64_const,
    i32,
    i64,
    i64_const,
    memory,
    select,
    shuffle,
    v128,
    v128_const,
)
from wasm_emit.module import Module
from wasm_emit.signatures import LANE_MEMORY, LANES, LOADS, PLAIN, STORES
from wasm_emit.types import F32, F64, I32, I64, V128, EmitError, Expr, ValType, as_i32

ZERO = {
    I32: as_i32(0), I64: i64_const(0), F32: f32_const(0.0), F64: f64_const(0.0), V128: v128_const("i32x4", 0),
}  # fmt: skip
"""A value of each type."""


def sample() -> Module:
    """Every statement once."""
    module = Module()
    module.memory_pages = 2
    module.exported_constant("abi_version", 1)
    helper = module.function("twice", (I32,))
    x = helper.param(I32, "x")
    helper.give(x * 2)
    fn = module.function("main", (I32,), export="main")
    fn.comment("sums  of\nvectors")
    total, count = fn.new(v128_const("f32x4", 0.0), "total"), fn.new(0, "count")
    at = fn.new(64, "at")
    with fn.pointer_loop(at, 4, 16):
        fn.set(total, f32x4.add(total, v128.load(at, offset=16)))
    with fn.counted(10, start=2, step=3) as index:
        fn.advance(count, fn.call(helper, index))
        with fn.if_(i32.gt_s(index, 4)):
            fn.do(i32.store8(index, 1))
        with fn.if_not(i32.eqz(index)):
            fn.do(memory.fill(0, 7, index))
    with fn.block("out") as out, fn.loop("again") as again:
        fn.br(out, i32.ge_u(count, 100))
        fn.advance(count, 1)
        fn.br(again)
    fn.do(v128.store32_lane(at, total, 3, offset=4))
    pair = fn.new(shuffle(total, total, [*range(8), *range(16, 24)]), "pair")
    fn.do(f32.store(at, f32x4.extract_lane(f32x4.replace_lane(pair, 1, f32_const(0.1)), 2)))
    fn.give(select(count, count - 1, i32.eqz(count)))
    return module


def test_wat_is_as_written_before() -> None:
    wat = sample().wat()
    assert_golden(DATA / "wasm_emit" / "sample.wat", wat)
    assemble(wat)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (f32_const(0.1), "(f32.const 0x1.99999a0000000p-4)"),
        (f32_const(float("-inf")), "(f32.const -inf)"),
        (f64_const(0.1), "(f64.const 0x1.999999999999ap-4)"),
        (f64_const(float("nan")), "(f64.const nan)"),
        (as_i32(0xFFFFFFFF), "(i32.const -1)"),
        (as_i32(3) + 4, "(i32.const 7)"),
        (as_i32(3) - 4, "(i32.const -1)"),
        (as_i32(3) * 4, "(i32.const 12)"),
        (v128_const("i64x2", 1, -2), "(v128.const i64x2 1 -2)"),
        (v128_const("f64x2", 0.5), "(v128.const f64x2 0x1.0000000000000p-1 0x1.0000000000000p-1)"),
        (i32.load(0, offset=8), "(i32.load offset=8 (i32.const 0))"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_text(value: Expr, text: str) -> None:
    assert value.text == text


def test_adding_or_multiplying_by_nothing_leaves_no_code() -> None:
    fn = Function("$f")
    x = fn.local(I32, "x")
    assert (x + 0).text == (x - 0).text == (x * 1).text == (as_i32(0) + x).text == x.text
    assert (x * 0).constant == 0


WRONG: dict[str, Callable[[Function], object]] = {
    "an operand of the wrong type": lambda _: i32.add(f32_const(1.0), 1),
    "too few operands": lambda _: i32.add(1),
    "a sum of floats by +": lambda _: f32_const(1.0) + 1,
    "an integer of 33 bits": lambda _: as_i32(1 << 32),
    "a negative offset": lambda _: i32.load(0, offset=-1),
    "a lane that is not there": lambda _: f32x4.extract_lane(ZERO[V128], 4),
    "a lane of memory that is not there": lambda fn: v128.load64_lane(0, ZERO[V128], 2),
    "a shuffle of 15": lambda _: shuffle(ZERO[V128], ZERO[V128], range(15)),
    "a shuffle of byte 32": lambda _: shuffle(ZERO[V128], ZERO[V128], [32] * 16),
    "a vector of three lanes": lambda _: v128_const("f32x4", 1, 2, 3),
    "a select of different types": lambda _: select(as_i32(1), f32_const(1.0), as_i32(1)),
    "a select without a value": lambda _: select(i32.store(0, 0), as_i32(1), as_i32(1)),
    "an assignment of the wrong type": lambda fn: fn.set(fn.local(F32), 1),
    "a local of nothing": lambda fn: fn.new(i32.store(0, 0)),
    "a value left on the stack": lambda fn: fn.do(as_i32(1)),
    "a loop without a turn": lambda fn: fn.counted(0).__enter__(),
    "a loop that steps back": lambda fn: fn.counted(3, step=-1).__enter__(),
    "a pointer loop without a turn": lambda fn: fn.pointer_loop(fn.local(I32), 0, 4).__enter__(),
    "a pointer loop without a step": lambda fn: fn.pointer_loop(fn.local(I32), 4, 0).__enter__(),
    "a condition that is a float": lambda fn: fn.if_(f32_const(1.0)).__enter__(),
    "a result that nobody asked for": lambda fn: fn.give(1),
    "a call with an argument too many": lambda fn: fn.call(Function("$g"), 1),
    "text that is no module": lambda _: assemble("(module"),
}


@pytest.mark.parametrize("code", WRONG.values(), ids=WRONG.keys())
def test_refused(code: Callable[[Function], object]) -> None:
    with pytest.raises(EmitError):
        code(Function("$f"))


def test_a_name_is_given_once() -> None:
    module = Module()
    module.function("f")
    with pytest.raises(EmitError, match="again"):
        module.function("f")


def test_unknown_instructions_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match=r"f32x4\.cosine"):
        _ = f32x4.cosine


def _instances() -> list[Expr]:
    """Every instruction of the tables with operands of the right types."""
    made = [_named(name)(*(ZERO[kind] for kind in kinds)) for name, (kinds, _) in PLAIN.items()]
    made += [_named(name)(0, offset=1) for name in LOADS]
    made += [_named(name)(0, ZERO[kind]) for name, (kind, _) in STORES.items()]
    made += [_named(f"v128.{name}")(0, ZERO[V128], 0) for name in LANE_MEMORY]
    for shape, (kind, count) in LANES.items():
        if shape in ("i8x16", "i16x8"):
            continue  # their extraction has a sign in its name
        made.append(_named(f"{shape}.extract_lane")(ZERO[V128], count - 1))
        made.append(_named(f"{shape}.replace_lane")(ZERO[V128], 0, ZERO[kind]))
    for sign in ("s", "u"):
        made.append(_named(f"i8x16.extract_lane_{sign}")(ZERO[V128], 15))
        made.append(_named(f"i16x8.extract_lane_{sign}")(ZERO[V128], 7))
    return made


def _named(full: str) -> Callable[..., Expr]:
    prefix, _, name = full.partition(".")
    return getattr(Family(prefix), name)  # type: ignore[no-any-return]


def test_every_instruction_assembles_with_its_type() -> None:
    module = Module()
    fn = module.function("all")
    places: dict[ValType, Expr] = {}
    for value in _instances():
        if value.type is None:
            fn.do(value)
        else:
            target = fn.new(value, "value")
            places[value.type] = target
    assert set(places) == {I32, I64, F32, F64, V128}
    assemble(module.wat())


def test_call_results_have_the_callee_s_type() -> None:
    module = Module()
    results: Sequence[ValType] = (I64,)
    callee = module.function("wide", results)
    callee.give(i64_const(5))
    fn = module.function("main", (I32,), export="main")
    fn.give(i32.wrap_i64(fn.call(callee)))
    assemble(module.wat())
    assert fn.call(callee).type is I64
    assert i64.eqz(fn.call(callee)).type is I32


@pytest.mark.parametrize(
    "text",
    ["a\nb", ";)(", "(; open", "\u202e\u2066 turned round", "\0\x1b[2J", '"</script>', "\ud800", "\U0001f600", "\\00"],
)
def test_comments_cannot_end_or_confuse(text: str) -> None:
    module = Module()
    module.function("f").comment(text)
    (line,) = [line for line in module.wat().splitlines() if ";;" in line]
    assert line.isascii()
    assert line.strip().startswith(";; ")
    assemble(module.wat())


def test_a_shared_function_is_built_once() -> None:
    module = Module()
    built = []

    def build(into: Module, name: str) -> Function:
        built.append(name)
        return into.function(name)

    first = module.shared("f", build)
    assert module.shared("f", build) is first
    assert module.shared("g", build) is not first
    assert built == ["f", "g"]
