"""A compile is this list.

Each pass is one file that states what it requires and ensures. After each one its own promises are checked, and every
graph it changed goes through the importer's full check again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from compiler.compilation import Compilation, Stage
from compiler.graph import Graph
from compiler.importer import summary
from compiler.passes import (
    calibrate,
    evaluate,
    fold,
    fuse,
    import_model,
    lower,
    normalise,
    package,
    prove,
    quantize,
    race,
    sign,
)
from compiler.passes.ensures import ensure
from compiler.progress import Progress


@dataclass(frozen=True)
class Pass:
    """A named step: ``run`` gives the new state, ``check`` raises ``CompileError`` if a promise is broken."""

    name: str
    run: Callable[[Compilation, Progress], Compilation]
    check: Callable[[Compilation], None]


PASSES = (
    Pass(import_model.NAME, import_model.run, import_model.check),
    Pass(normalise.NAME, normalise.run, normalise.check),
    Pass(fold.NAME, fold.run, fold.check),
    Pass(fuse.NAME, fuse.run, fuse.check),
    Pass(calibrate.NAME, calibrate.run, calibrate.check),
    Pass(quantize.NAME, quantize.run, quantize.check),
    Pass(lower.NAME, lower.run, lower.check),
    Pass(evaluate.NAME, evaluate.run, evaluate.check),
    Pass(prove.NAME, prove.run, prove.check),
    Pass(race.NAME, race.run, race.check),
    Pass(package.NAME, package.run, package.check),
    Pass(sign.NAME, sign.run, sign.check),
)


def run_passes(state: Compilation, progress: Progress, passes: tuple[Pass, ...] = PASSES) -> Compilation:
    """Run the passes in order; raises what they raise."""
    for step in passes:
        before = _graphs(state)
        state = step.run(state, progress)
        step.check(state)
        changed = [graph for graph in _graphs(state) if graph not in before]
        for graph in changed:
            ensure(summary.summarise(graph.model, stage=step.name) == graph, stage=step.name, promise="true summary")
        state = replace(state, stages=(*state.stages, _stage(step.name, _graphs(state)[-1])))
    return state


def _graphs(state: Compilation) -> list[Graph]:
    """The float graph, the schemes' and those that profiles have of their own."""
    own = [one.quantized.graph for one in state.lowered if one.quantized and one.quantized.judge]
    return [*([state.graph] if state.graph else []), *(one.graph for one in state.quantized.values()), *own]


def _stage(name: str, graph: Graph) -> Stage:
    return Stage(name=name, op_counts=graph.op_counts, graph_bytes=len(graph.model), parameters=graph.parameters)
