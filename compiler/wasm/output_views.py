"""Views that end at a graph output: the bytes must lie at the output's own place, which the host reads.

A view step has no code, so either the value that it views is written straight into that place, or the step becomes a
copy. It becomes one when the value has a fixed place already: a graph input, a constant, or another output.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from compiler.ir.graph import ValueType
from compiler.wasm.ops.copies import as_copy
from compiler.wasm.step import Step, view_chain, view_sources


def settle_views(
    steps: Sequence[Step], outputs: Sequence[str], fixed: Collection[str], types: Mapping[str, ValueType]
) -> list[Step]:
    """The steps, views that cannot stay as copies; ``fixed`` are the graph's inputs and constants."""
    taken: set[str] = {*fixed, *outputs}
    sources = view_sources(steps)
    settled = []
    for step in steps:
        if step.view_of and step.writes[0] in outputs:
            output, *chain = view_chain(step.writes[0], sources)
            if taken.intersection(chain):
                settled.append(as_copy(step, types[output].nbytes))
                continue
            taken.update(chain)
        settled.append(step)
    return settled


def output_places(steps: Sequence[Step], outputs: Collection[str]) -> dict[str, str]:
    """Value -> the output whose place it takes: all that a view which is an output goes through."""
    sources = view_sources(steps)
    return {
        value: step.writes[0]
        for step in steps
        if step.view_of and step.writes[0] in outputs
        for value in view_chain(step.writes[0], sources)[1:]
    }
