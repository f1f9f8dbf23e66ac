"""``If``, ``Loop`` and ``Scan``: bodies are steps of their own, called by the step that holds them.

Everything that a body makes keeps its place for the whole of the step. A loop's carried values lie where the body reads
them: the initial ones are copied there, and after each turn the body's outputs. Turns are counted, at most
``MAX_TURNS``, so that a module always ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir.graph import IrGraph, Node
from compiler.wasm.kernels.copy import copy_run
from compiler.wasm.kernels.turns import Carried, Row, Turns, emit_turns, scratch_key
from compiler.wasm.ops.dtypes import BOOL, EVERY_DTYPE
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter, view_chain, view_sources
from wasm_emit.instructions import i32

MAX_TURNS = 1 << 20
"""Most turns of a loop. Exported ``while`` loops have a bound of 2^63: those could run for ever."""


def _if(node: Node, scope: Scope) -> Step:
    """Outputs are copies of what the branch taken gives."""
    branches = [node.bodies["then_branch"], node.bodies["else_branch"]]
    bodies = tuple(scope.lower_body(branch) for branch in branches)

    def emit(out: StepEmitter) -> None:
        taken = out.fn.new(i32.load8_u(out.at(node.input(0))), "condition")
        for index, guard in enumerate((out.fn.if_, out.fn.if_not)):
            with guard(taken):
                out.body(index)
                for source, target in zip(branches[index].outputs, node.outputs, strict=True):
                    _copy(out, target, source)

    return Step(
        name=node.name,
        op="if",
        reads=(node.input(0), *branches[0].outputs, *branches[1].outputs),
        writes=tuple(filter(None, node.outputs)),
        emit=emit,
        bodies=bodies,
        flops=max(sum(max(step.flops, 1) for step in body) for body in bodies),
    )


def _copy(out: StepEmitter, target: str, source: str) -> None:
    if target and (nbytes := out.type_of(source).nbytes):
        copy_run(out.fn, out.fn.new(out.at(target), "to"), out.fn.new(out.at(source), "from"), nbytes)


def _loop(node: Node, scope: Scope) -> Step:
    """A constant number of turns at most; a condition may end them."""
    body = node.bodies["body"]
    bound = scope.constant(node.input(0))
    if bound is None:
        raise refuse(node, "its number of turns is not known when it is compiled")
    counter, condition, *inner = body.inputs
    count = len(inner)
    go, *made = body.outputs
    steps = scope.lower_body(body)
    results = [
        Row(value=value, whole=whole, axis=0)
        for value, whole in zip(made[count:], node.outputs[count:], strict=True)
        if whole
    ]
    certain = _stays_true(scope, go, condition) and (not node.input(1) or _stays_true(scope, node.input(1), ""))
    turns = Turns(
        count=_bounded(node, int(bound.reshape(-1)[0])),
        carried=_carried(body, steps, node.inputs[2:], node.outputs[:count], 2, 1),
        results=tuple(results),
        counter=counter,
        condition=condition,
        given=node.input(1),
        go="" if certain else go,
    )
    return _step(node, scope, turns, steps, "loop")


def _stays_true(scope: Scope, value: str, given: str) -> bool:
    known = scope.constant(value)
    return value == given or (known is not None and bool(known.any()))


def _scan(node: Node, scope: Scope) -> Step:
    """One turn for each row of the scanned inputs."""
    body = node.bodies["body"]
    count = len(node.inputs) - int(node.attrs["num_scan_inputs"])
    steps = scope.lower_body(body)
    taken = _rows(node, scope, body.inputs[count:], node.inputs[count:], "input")
    results = _rows(node, scope, body.outputs[count:], node.outputs[count:], "output")
    turns = Turns(
        count=_bounded(node, scope.type_of(taken[0].whole).shape[taken[0].axis]),
        carried=_carried(body, steps, node.inputs[:count], node.outputs[:count], 0, 0),
        taken=taken,
        results=results,
    )
    return _step(node, scope, turns, steps, "scan")


def _rows(node: Node, scope: Scope, values: Sequence[str], wholes: Sequence[str], side: str) -> tuple[Row, ...]:
    """``side`` is ``input`` or ``output``, as in the attributes' names; outputs that nobody reads are left out."""
    axes = node.attrs.get(f"scan_{side}_axes", (0,) * len(values))
    directions = node.attrs.get(f"scan_{side}_directions", (0,) * len(values))
    return tuple(
        Row(value=value, whole=whole, axis=axis % scope.type_of(whole).rank, backwards=bool(direction))
        for value, whole, axis, direction in zip(values, wholes, axes, directions, strict=True)
        if whole
    )


def _bounded(node: Node, turns: int) -> int:
    if not 0 < turns <= MAX_TURNS:
        raise refuse(node, f"expected 1 to {MAX_TURNS} turns, got {turns}")
    return turns


def _carried(
    body: IrGraph, steps: Sequence[Step], initial: Sequence[str], outputs: Sequence[str], skip_in: int, skip_out: int
) -> tuple[Carried, ...]:
    """The carried values; ``skip_in`` inputs and ``skip_out`` outputs of the body come before them."""
    sources = view_sources(steps)
    places = body.inputs[skip_in : skip_in + len(initial)]
    results = body.outputs[skip_out : skip_out + len(initial)]
    roots = [view_chain(result, sources)[-1] for result in results]
    return tuple(
        Carried(
            initial=start, place=place, result=result, output=output,
            kept=root == place, moved=root in body.inputs and root != place,
        )
        for start, place, result, root, output in zip(initial, places, results, roots, outputs, strict=True)
    )  # fmt: skip


def _step(node: Node, scope: Scope, turns: Turns, steps: tuple[Step, ...], op: str) -> Step:
    body = node.bodies["body"]
    saved = {scratch_key(one): scope.type_of(one.place).nbytes for one in turns.carried if one.moved}
    return Step(
        name=node.name,
        op=op,
        reads=(*filter(None, node.inputs), *body.outputs),
        writes=(*filter(None, node.outputs), *body.inputs),
        emit=lambda out: emit_turns(out, turns),
        scratch=saved,
        bodies=(steps,),
        flops=turns.count * sum(max(step.flops, 1) for step in steps),
    )


RULES: Rules = {
    "If": Rule(lower=_if, dtypes=BOOL),
    "Loop": Rule(lower=_loop, dtypes=EVERY_DTYPE, note=f"a constant bound of at most {MAX_TURNS} turns"),
    "Scan": Rule(lower=_scan, dtypes=EVERY_DTYPE, note=f"at most {MAX_TURNS} turns; the form since opset 9"),
}
